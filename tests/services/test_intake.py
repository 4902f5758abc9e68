"""A dropped file becomes a run, once, whatever is delivered how often; the sweep finds what no event told of."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.run.states import State
from shared.services.intake.sweep import SWEEP_MEMORY, SWEEP_OVERLAP
from tests.support.intake_front import Front
from tests.support.staging_area import people


@pytest.fixture
def front() -> Front:
    return Front()


def test_a_file_is_a_run_and_the_same_delivery_again_is_the_same_run(front: Front) -> None:
    front.put("people.csv")
    assert front.drop("people.csv") == "people-1-a1"
    assert front.drop("people.csv") == "people-1-a1"
    run = front.world.run("people-1-a1")
    assert run.snapshot is not None
    assert run.snapshot.rows == run.snapshot.train_rows + run.snapshot.holdout_rows == 200
    assert run.source.blob == "people.csv"
    assert front.world.azureml.data == {"people:1": run.snapshot.path}


def test_the_same_bytes_under_a_new_etag_are_nothing_new_and_their_staging_is_deleted(front: Front) -> None:
    front.put("people.csv")
    front.drop("people.csv")
    staged = sorted(info.name for info in front.files.list("data"))
    front.put("people.csv")
    assert front.drop("people.csv") == "people-1-a1"
    assert sorted(info.name for info in front.files.list("data")) == staged
    front.put("people.csv", people(260))
    assert front.drop("people.csv") == "people-2-a1"


def test_the_same_bytes_under_another_name_are_another_dataset(front: Front) -> None:
    for name in ("a.csv", "b.csv"):
        front.put(name)
        front.drop(name)
    assert set(front.states()) == {"a-1-a1", "b-1-a1"}


def test_a_bad_file_is_quarantined_with_its_place_and_a_corrected_one_is_the_next_attempt_or_version(
    front: Front,
) -> None:
    front.put("people.csv", people().replace("00098,", "00098,1,", 1))
    run_id = front.drop("people.csv")
    assert front.states() == {run_id: "quarantined"}
    problem = front.world.run(str(run_id)).problem
    assert problem is not None
    assert (problem.code, problem.where["line"], problem.where["file"]) == ("ragged-row", 100, "people.csv")
    front.put("people.csv")
    assert front.drop("people.csv") == "people-2-a1"


def test_a_file_that_is_too_large_is_refused_unread(front: Front) -> None:
    front.put("people.csv", "x" * 1_000_001)
    front.files.stream = None  # type: ignore[method-assign, assignment]
    run_id = front.drop("people.csv")
    problem = front.world.run(str(run_id)).problem
    assert problem is not None
    assert problem.code == "too-large"
    assert "1,000,001 bytes" in problem.message


def test_the_yaml_beside_a_file_is_followed_and_a_wrong_one_is_told(front: Front) -> None:
    front.put("a.csv")
    front.files.put("incoming", "a.yaml", b"max_trials: 7\n")
    run = front.world.run(str(front.drop("a.csv")))
    assert run.config.max_trials == 7
    front.put("b.csv")
    front.files.put("incoming", "b.yaml", b"max_trails: 7\n")
    run = front.world.run(str(front.drop("b.csv")))
    assert run.state is State.QUARANTINED
    assert run.problem is not None
    assert "max_trials" in run.problem.message + run.problem.remedy


@pytest.mark.parametrize(("container", "name"), [("incoming", "readme.txt"), ("elsewhere", "people.csv")])
def test_what_is_no_dataset_is_none_of_ours(front: Front, container: str, name: str) -> None:
    front.files.put(container, name, b"x")
    assert front.intake.drop(container, name) is None


def test_a_file_that_is_gone_by_now_is_nothing(front: Front) -> None:
    assert front.drop("people.csv") is None


class TestSweep:
    def test_finds_what_no_event_told_of_once(self, front: Front) -> None:
        for name in ("a.csv", "b.csv", "notes.txt"):
            front.put(name)
        front.drop("a.csv")
        assert front.sweep() == 1
        assert set(front.states()) == {"a-1-a1", "b-1-a1"}
        assert front.sweep() == 0

    @pytest.mark.parametrize("fault", [OverflowError("year 9999999"), KeyError("x"), RecursionError()])
    def test_goes_on_past_a_file_that_breaks_and_comes_back_to_it(
        self, front: Front, monkeypatch: pytest.MonkeyPatch, fault: Exception
    ) -> None:
        for name in ("a.csv", "b.csv"):
            front.put(name)
        properties = front.files.properties

        def breaking(container: str, name: str) -> Any:
            if name == "a.csv":
                raise fault
            return properties(container, name)

        monkeypatch.setattr(front.files, "properties", breaking)
        assert front.sweep() == 1
        assert set(front.states()) == {"b-1-a1"}
        monkeypatch.setattr(front.files, "properties", properties)
        front.world.clock.now += 10 * SWEEP_OVERLAP
        assert front.sweep() == 1, "it was not given up"
        assert set(front.states()) == {"a-1-a1", "b-1-a1"}

    def test_with_nothing_to_find_it_writes_next_to_nothing(self, front: Front) -> None:
        front.put("a.csv")
        front.sweep()
        before = front.world.docs.get("sweep.json")
        for _ in range(10):
            front.world.clock.now += SWEEP_MEMORY / 20
            front.sweep()
        assert front.world.docs.get("sweep.json") == before
        front.world.clock.now += SWEEP_MEMORY
        front.sweep()
        assert front.world.docs.get("sweep.json") != before
