"""Whoever dropped a file looks at what its columns hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions import runs as doors
from shared import bootstrap
from shared.domain.errors import NotFound
from shared.services.run.profiles import Profiles
from tests.support.intake_front import Front
from tests.support.scoring_support import call, request
from tests.support.staging_area import people


@pytest.fixture
def front() -> Front:
    front = Front()
    front.put("People.csv")
    front.drop("People.csv")
    return front


def profiles(front: Front) -> Profiles:
    return Profiles(front.world.store, front.files, "data")


def refusal(front: Front, dataset: str, n: int) -> str:
    with pytest.raises(NotFound) as caught:
        profiles(front).version(dataset, n)
    return caught.value.message


def test_a_version_is_found_by_the_datasets_name_and_by_its_slug(front: Front) -> None:
    by_name, etag = profiles(front).version("People", 1)
    assert by_name is not None
    assert (by_name.rows, by_name.label) == (200, "y")
    [run] = front.world.runs()
    assert profiles(front).version(run.slug, 1) == (by_name, etag)
    assert profiles(front).version(run.slug, 1, known=etag.__eq__) == (None, etag)


def test_each_version_has_its_own(front: Front) -> None:
    front.put("People.csv", people(300))
    front.drop("People.csv")
    rows = [found.rows for n in (1, 2) if (found := profiles(front).version("People", n)[0])]
    assert rows == [200, 300]


def test_the_warnings_of_a_run_are_findings_of_its_profile(front: Front) -> None:
    [run] = front.world.runs()
    found, _ = profiles(front).version("People", 1)
    assert found is not None
    assert run.snapshot is not None
    # Every fourth row is a yes, and 28 is a multiple of four: the day alone gives the label.
    assert [finding.columns for finding in found.findings] == [("joined",), ("code",)]
    assert {finding.sentence for finding in found.findings} <= set(run.snapshot.warnings)


def test_what_is_not_there_is_told(front: Front) -> None:
    front.put("People.csv", "only,a,header,y\n")
    front.drop("People.csv")
    assert refusal(front, "Nobody", 1) == "There is no dataset 'Nobody'."
    assert refusal(front, "People", 3) == "There is no version 3 of 'People'."
    assert refusal(front, "People", 2) == "Version 2 of 'People' has no profile: nothing of it was staged."
    [run] = [run for run in front.world.runs() if run.n == 1]
    assert run.snapshot is not None
    front.files.delete("data", run.snapshot.profile_path)
    assert (
        refusal(front, "People", 1) == "Version 1 of 'People' has no profile: it was deleted with the data."
    )


def test_the_door_answers_the_document_with_its_etag(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "profiles", lambda: profiles(front))

    def asked(n: str, **headers: str) -> Any:
        route = {"dataset": "People", "n": n}
        return call(doors.show_profile, request(method="GET", route=route, headers=headers))

    answer = asked("1")
    assert answer.status_code == 200
    assert json.loads(answer.get_body())["columns"][1]["name"] == "age"
    again = asked("1", **{"if-none-match": answer.headers["ETag"]})
    assert (again.status_code, again.get_body()) == (304, b"")
    for n in ("2", "0", "-1", "1.5", "01", "x", "1" * 10):
        assert asked(n).status_code == 404
