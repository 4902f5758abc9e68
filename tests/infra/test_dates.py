"""Dates that we depend on: told half a year ahead, red once they have passed; and nothing in use that is about to go."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import yaml

from shared.adapters import azureml
from shared.settings import Settings
from tests.infra.check import STAGES, texts
from tests.infra.facts import RETIRING, ROOT
from tests.infra.types import Types

PAGE = ROOT / "docs" / "lifecycle-dates.md"
DAYS_AHEAD = 180


#: The batch endpoints' own data plane, which has no other version; azure-ai-ml asks for the same.
ONLY_PREVIEW = {"2020-09-01-dataplanepreview"}


class DateIsNear(UserWarning):
    """Something that we depend on ends within half a year."""


@dataclass(frozen=True)
class Row:
    ends: date
    what: str
    use: str


def rows(page: str) -> list[Row]:
    """The first table of the page."""
    table = page.split("\n## ", 1)[0]
    found = re.findall(r"^\| (\d{4}-\d\d-\d\d) \| ([^|]+) \| ([^|]+) \|", table, re.MULTILINE)
    return [Row(date.fromisoformat(ends), what.strip(), use.strip()) for ends, what, use in found]


def judge(found: list[Row], today: date) -> Iterator[str]:
    """What has ended; what ends soon is warned of."""
    for row in found:
        left = (row.ends - today).days
        if left < 0:
            yield f"{row.what} ended on {row.ends}; it is used by {row.use}"
        elif left <= DAYS_AHEAD:
            warnings.warn(
                f"{row.what} ends in {left} days; it is used by {row.use}", DateIsNear, stacklevel=2
            )


def test_nothing_that_we_depend_on_has_ended() -> None:
    found = rows(PAGE.read_text(encoding="utf-8"))
    assert found
    assert list(judge(found, datetime.now(UTC).date())) == []


def test_an_end_is_told_half_a_year_ahead_and_is_red_the_day_after() -> None:
    found = [Row(date(2027, 10, 31), "Python 3.11", "the matrix")]
    assert list(judge(found, date(2027, 5, 3))) == []
    with pytest.warns(DateIsNear, match=r"Python 3.11 ends in 180 days"):
        assert list(judge(found, date(2027, 5, 4))) == []
    with pytest.warns(DateIsNear, match=r"ends in 0 days"):
        assert list(judge(found, date(2027, 10, 31))) == []
    assert list(judge(found, date(2027, 11, 1))) == [
        "Python 3.11 ended on 2027-10-31; it is used by the matrix"
    ]


def test_every_python_that_we_run_on_has_its_date() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))
    versions = set(workflow["jobs"]["test"]["strategy"]["matrix"]["python"])
    versions |= set(re.findall(r"name: 'python', version: '([\d.]+)'", texts()["modules/app.bicep"]))
    image = re.findall(r"py(\d)(\d+)", Settings().inference_image)
    versions |= {".".join(found) for found in image}
    assert {f"Python {version}" for version in versions} <= {
        row.what for row in rows(PAGE.read_text(encoding="utf-8"))
    }


def test_no_default_size_is_one_that_retires() -> None:
    assert RETIRING.fullmatch("Standard_DS3_v2")
    sizes = {Settings().instance_type}
    for stage in STAGES:
        sizes |= set(re.findall(r'"Standard_[A-Z]\d[^"]*"', texts()[f"stages/{stage}.json"]))
    assert len(sizes) >= 2
    assert [size for size in sizes if RETIRING.fullmatch(size.strip('"'))] == []


def api_versions() -> dict[str, set[str]]:
    """What stands as an api-version in the app's own requests, by the file."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "shared").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and re.match(r"20\d\d-\d\d-\d\d", node.value)
            ):
                found.setdefault(path.name, set()).add(node.value)
    return found


def test_the_app_asks_for_stable_versions_alone() -> None:
    found = api_versions()
    assert "azureml.py" in found
    asked = {name for names in found.values() for name in names}
    assert {name for name in asked if "preview" in name} == ONLY_PREVIEW


def test_the_version_that_jobs_are_read_with_has_jobs(reference: Path) -> None:
    types = Types(reference / "bicep-types")
    assert f"Microsoft.MachineLearningServices/workspaces/jobs@{azureml.JOB_API}" in types
