"""A configuration takes effect whenever it comes, once, and is told of under its own name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.config_owner import Owner
from tests.support.intake_front import Front
from tests.support.staging_area import people


@pytest.fixture
def front() -> Front:
    return Front()


def test_one_that_comes_after_its_data_starts_the_run_anew_once(front: Front) -> None:
    front.put("people.csv")
    assert front.drop("people.csv") == "people-1-a1"
    front.put("people.yaml", "max_trials: 7\n")
    assert front.drop("people.yaml") == "people-2-a1"
    run = front.world.run("people-2-a1")
    assert run.config.max_trials == 7
    assert run.source.content_hash == front.world.run("people-1-a1").source.content_hash
    for _ in range(3):
        assert front.drop("people.yaml") == "people-2-a1"
        front.sweep()
    assert len(front.states()) == 2


@pytest.mark.parametrize("name", ["people .csv", "people\u200b.csv"])
def test_what_nobody_sees_before_an_ending_makes_no_other_dataset(front: Front, name: str) -> None:
    front.put("people.yaml", "max_trials: 7\n")
    front.put(name)
    assert front.drop(name) == "people-1-a1"
    assert front.world.run("people-1-a1").config.max_trials == 7
    front.put("people.yaml", "max_trials: 8\n")
    assert front.drop("people.yaml") == "people-2-a1"
    front.sweep()
    assert len(front.states()) == 2


def test_each_runs_data_stays_as_its_own_configuration_had_it_staged(front: Front) -> None:
    front.put("people.csv")
    front.drop("people.csv")
    first = front.world.run("people-1-a1").snapshot
    front.put("people.yaml", "label: member\n")
    front.drop("people.yaml")
    second = front.world.run("people-2-a1").snapshot
    assert first is not None
    assert second is not None
    assert (first.schema.label, second.schema.label) == ("y", "member")
    assert first.path != second.path
    for snapshot in (first, second):
        assert list(front.files.list("data", snapshot.path))


def test_one_that_says_what_holds_anyway_starts_nothing(front: Front) -> None:
    front.put("people.csv")
    front.drop("people.csv")
    front.put("people.yaml", "label: y\n")
    assert front.drop("people.yaml") == "people-1-a1"
    assert len(front.states()) == 1


def test_data_that_was_refused_for_its_label_is_taken_once_the_configuration_names_it(front: Front) -> None:
    front.put("people.csv", people().replace(",y\n", ",outcome\n", 1))
    assert front.problem(front.drop("people.csv")).code == "label-missing"
    front.put("people.yaml", "label: outcome\n")
    assert front.sweep() == 1, "its event was lost"
    assert front.states()["people-2-a1"] == "deploying"


def test_a_wrong_one_is_told_under_its_own_name_and_line_and_a_corrected_one_is_taken_up(
    front: Front,
) -> None:
    front.put("people.csv")
    front.put("people.yaml", "max_trials: 4\nlable: y\n")
    run_id = front.drop("people.csv")
    problem = front.problem(run_id)
    assert (problem.where["file"], problem.where["line"], problem.where["column"]) == ("people.yaml", 2, 1)
    report = front.world.data.quarantined[f"people/{run_id}"].text
    assert report.startswith("The file incoming/people.yaml was not taken. people.csv waits for it.")
    assert "label" in problem.message
    front.drop("people.yaml")
    assert front.reports() == [], "the run's own report says it"
    front.put("people.yaml", "label: y\n")
    taken = str(front.drop("people.yaml"))
    assert front.states()[taken] == "deploying"


def test_a_wrong_one_alone_is_told_before_its_data_comes(front: Front) -> None:
    front.put("people.yaml", "gate: {margin: lots}\n")
    assert front.drop("people.yaml") is None
    (report,) = front.reports()
    assert report["source"]["blob"] == "people.yaml"
    assert (report["problem"]["code"], report["problem"]["where"]["line"]) == ("invalid-config", 1)


def test_one_that_goes_wrong_later_leaves_the_run_alone_and_is_told(front: Front) -> None:
    front.put("people.csv")
    front.drop("people.csv")
    front.put("people.yaml", "&a nonsense: *a")
    assert front.drop("people.yaml") == "people-1-a1"
    assert len(front.reports()) == 1
    assert list(front.states()) == ["people-1-a1"]


def test_back_and_forth_is_a_run_for_each_change(front: Front) -> None:
    front.put("people.csv")
    front.drop("people.csv")
    for n, trials in enumerate((7, 8, 7), start=2):
        front.put("people.yaml", f"max_trials: {trials}\n")
        assert front.drop("people.yaml") == f"people-{n}-a1"
    assert front.world.run("people-4-a1").config.max_trials == 7


def test_it_concerns_the_newest_file_of_its_name_alone(front: Front) -> None:
    front.put("people.csv")
    front.drop("people.csv")
    front.put("people.tsv", people(210, "\t"))
    front.drop("people.tsv")
    front.put("people.yaml", "max_trials: 7\n")
    assert front.drop("people.yaml") == "people-3-a1"
    assert front.world.run("people-3-a1").source.blob == "people.tsv"


NEAR = [
    "people.yml",
    "people.csv.yaml",
    "people.YAML",
    "people.yaml.txt",
    "people.yml.txt",
    "People.yml",
    "People.yaml",
    "people_config.yml",
    "people-config.yaml",
    "people (1).yaml",
]


@pytest.mark.parametrize("near", NEAR)
def test_a_near_name_is_warned_of_beside_the_data(front: Front, near: str) -> None:
    front.put("people.csv")
    front.put(near, "max_trials: 7\n")
    snapshot = front.world.run(str(front.drop("people.csv"))).snapshot
    assert snapshot is not None
    [told] = [w for w in snapshot.warnings if w.startswith(f"{near} is not read")]
    assert told.endswith("Rename it to people.yaml.")


@pytest.mark.parametrize("near", NEAR)
def test_a_near_name_is_named_where_its_data_is_refused(front: Front, near: str) -> None:
    front.put("people.csv", people().replace(",y\n", ",outcome\n", 1))
    front.put(near, "label: outcome\n")
    problem = front.problem(front.drop("people.csv"))
    assert problem.code == "label-missing"
    assert f"{near} is not read as this file's configuration. Rename it to people.yaml." in problem.remedy


@pytest.mark.parametrize("near", NEAR)
@pytest.mark.parametrize("folder", ["", "2024/"])
def test_one_that_waits_in_vain_is_told_of_where_people_look(front: Front, near: str, folder: str) -> None:
    front.put(f"{folder}people.csv")
    front.drop(f"{folder}people.csv")
    front.put(f"{folder}{near}", "max_trials: 7\n")
    for _ in range(2):
        front.sweep()
        assert front.drop(f"{folder}{near}") is None
    (report,) = front.reports()
    assert report["problem"]["code"] == "misnamed-config"
    assert f"only {folder}people.yaml is read" in report["problem"]["message"]
    assert f"rename it to {folder}people.yaml" in report["problem"]["remedy"].lower()


@pytest.mark.parametrize("other", ["people_config.csv", "people.yaml"])
def test_one_that_has_its_table_and_a_table_that_has_its_own_are_left_alone(front: Front, other: str) -> None:
    front.put("people.csv")
    front.put(other, "max_trials: 7\n" if other.endswith(".yaml") else None)
    front.put("people_config.yaml", "max_trials: 8\n")
    front.sweep()
    assert front.reports() == []
    for run_id in front.states():
        snapshot = front.world.run(run_id).snapshot
        assert snapshot is not None
        assert not [w for w in snapshot.warnings if "is not read" in w]


def test_one_that_comes_before_its_table_takes_effect_though_it_was_told_of(front: Front) -> None:
    front.put("people.csv")
    front.drop("people.csv")
    front.put("people_config.yaml", "max_trials: 7\n")
    front.sweep()
    assert len(front.reports()) == 1
    front.put("people_config.csv", people(210))
    assert front.world.run(str(front.drop("people_config.csv"))).config.max_trials == 7


def test_what_was_cut_to_the_owners_is_a_warning_and_what_is_locked_is_refused(front: Front) -> None:
    front.put("a.csv", None, dropml_gate_margin="1", dropml_timeout_minutes="8640")
    run = front.world.run(str(front.drop("a.csv")))
    assert (run.config.gate.margin, run.config.timeout_minutes) == (0.005, 60)
    assert run.snapshot is not None
    assert len([w for w in run.snapshot.warnings if "owner" in w]) == 2
    front.plan = replace(front.plan, owner=Owner(locked=frozenset({"gate.margin"})))
    front.put("b.csv", None, dropml_gate_margin="0")
    assert front.problem(front.drop("b.csv")).where["field"] == "dropml_gate_margin"
