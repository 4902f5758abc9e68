"""A column that stays text for the way its numbers or dates are written is told why, with a value written well."""

from __future__ import annotations

import pytest

from shared.domain.config import DatasetConfig
from tests.support.staging_area import staged


def warned(values: list[str]) -> str:
    rows = "".join(f'"{values[i % len(values)]}",{i % 2}\n' for i in range(100))
    return " ".join(staged("c,y\n" + rows, DatasetConfig(), rule=None).warnings)


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        (["1,013,000", "1507"], "commas between thousands"),
        (["14.182,50", "14182.50"], "points between thousands"),
        (["1 507", "2000,5"], "gaps between thousands"),
        (["1,5", "2.25"], "a decimal comma"),
        (["45%", "7.5 %"], "percent signs"),
        (["$1,234.50", "€ 5", "7 EUR"], "currency signs"),
        (["31/01/2024", "01/02/2024"], "day and month"),
        (["1.2.24", "3.4.24"], "day and month"),
    ],
)
def test_the_cause_is_named(values: list[str], cause: str) -> None:
    said = warned(values)
    assert cause in said
    assert "write" in said


@pytest.mark.parametrize("values", [["Bern", "1,5"], ["1.5", "2"], ["2024-01-31"], ["yes", "no"]])
def test_plain_text_and_plain_values_are_not_told_of(values: list[str]) -> None:
    assert "write" not in warned(values)
