"""A file is held against the version before, before any money is spent; what is incompatible is told with a diff."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest
import yaml

from shared.domain.run.parts import RunProblem
from tests.support.intake_front import Front
from tests.support.staging_area import people

Rows = list[list[str]]


@pytest.fixture
def front() -> Front:
    front = Front()
    front.put("people.csv")
    assert front.world.run(str(front.drop("people.csv"))).problem is None
    return front


def table(change: Callable[[Rows], Rows] = lambda rows: rows, rows: int = 200) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(change(list(csv.reader(io.StringIO(people(rows))))))
    return out.getvalue()


def column(rows: Rows, name: str, value: Callable[[int, str], str]) -> Rows:
    at = rows[0].index(name)
    return [rows[0]] + [[*row[:at], value(i, row[at]), *row[at + 1 :]] for i, row in enumerate(rows[1:])]


def without(rows: Rows, name: str) -> Rows:
    at = rows[0].index(name)
    return [row[:at] + row[at + 1 :] for row in rows]


def added(rows: Rows, value: Callable[[int], str]) -> Rows:
    return [["extra", *rows[0]]] + [[value(i), *row] for i, row in enumerate(rows[1:])]


def dropped(front: Front, text: str, policy: str = "", **metadata: str) -> str:
    """The run of the next version."""
    if policy:
        metadata["dropml_schema"] = policy
    front.put("people.csv", text, **metadata)
    return str(front.drop("people.csv"))


BREAKING: dict[str, Callable[[Rows], Rows]] = {
    "removed": lambda rows: without(rows, "income"),
    "retyped": lambda rows: column(rows, "age", lambda i, value: "unknown" if i == 7 else value),
    "date that is text": lambda rows: column(rows, "joined", lambda i, value: f"{value[8:]}.{value[5:7]}."),
    "added, and must be sent": lambda rows: added(rows, lambda i: str(i % 9)),
    "labels that share nothing": lambda rows: column(
        rows, "y", lambda i, value: {"yes": "ja"}.get(value, "nein")
    ),
}
HARMLESS: dict[str, Callable[[Rows], Rows]] = {
    "added, and may be empty": lambda rows: added(rows, lambda i: "" if i % 3 else "7"),
    "whole numbers with decimals": lambda rows: column(rows, "age", lambda i, value: f"{value}.5"),
    "a new label value": lambda rows: column(rows, "y", lambda i, value: "maybe" if i % 5 == 0 else value),
    "label shift": lambda rows: column(rows, "y", lambda i, value: "yes" if i % 20 else "no"),
    "half the rows and fewer": lambda rows: rows[:90],
    "a distribution that moved": lambda rows: column(rows, "age", lambda i, _: str(60 + i % 50)),
}


@pytest.mark.parametrize("kind", BREAKING)
def test_what_breaks_the_contract_is_quarantined_with_its_diff_and_nothing_stays_staged(
    front: Front, kind: str
) -> None:
    staged = sorted(info.name for info in front.files.list("data"))
    run_id = dropped(front, table(BREAKING[kind]))
    assert front.states()[run_id] == "quarantined"
    problem = front.problem(run_id)
    assert problem.code == "schema-incompatible"
    assert any(change.breaking or change.kind == "retyped" for change in problem.changes)
    report = front.world.data.quarantined[f"people/{run_id}"]
    for change in problem.changes:
        assert change.message in f"{problem.message} {report.text}" or change.kind in report.text
    assert f"/api/quarantine/{run_id}/accept-schema" in problem.remedy
    assert sorted(info.name for info in front.files.list("data")) == staged
    assert front.world.azureml.submissions <= 1, "no money was spent on it"


def test_the_report_lists_what_was_and_what_is(front: Front) -> None:
    run_id = dropped(front, table(lambda rows: BREAKING["retyped"](without(rows, "income"))))
    text = front.world.data.quarantined[f"people/{run_id}"].text
    assert "  removed  income  number -> -" in text
    assert "  retyped  age     integer -> string" in text
    assert [(c.kind, c.column, c.before, c.after) for c in front.problem(run_id).changes] == [
        ("removed", "income", "number", ""),
        ("retyped", "age", "integer", "string"),
    ]


@pytest.mark.parametrize("kind", [*BREAKING, *HARMLESS])
def test_free_refuses_nothing_and_tells_it(front: Front, kind: str) -> None:
    run = front.world.run(dropped(front, table((BREAKING | HARMLESS)[kind]), "free"))
    assert run.problem is None
    assert run.snapshot is not None
    assert run.snapshot.changes
    assert all(f": {change.message}" in " ".join(run.snapshot.warnings) for change in run.snapshot.changes)


@pytest.mark.parametrize("kind", HARMLESS)
def test_compatible_takes_what_breaks_nobody(front: Front, kind: str) -> None:
    run = front.world.run(dropped(front, table(HARMLESS[kind])))
    assert run.problem is None
    assert run.snapshot is not None
    assert run.snapshot.changes


@pytest.mark.parametrize("kind", [*BREAKING, *HARMLESS])
def test_strict_takes_only_the_same_again(front: Front, kind: str) -> None:
    problem = front.problem(dropped(front, table((BREAKING | HARMLESS)[kind]), "strict"))
    drift = kind in ("label shift", "half the rows and fewer", "a distribution that moved")
    assert problem.code == ("data-drift" if drift else "schema-incompatible")


def test_the_same_kind_of_table_is_taken_under_every_policy(front: Front) -> None:
    for i, policy in enumerate(("strict", "compatible", "free")):
        run = front.world.run(dropped(front, table(rows=210 + i), policy))
        assert run.problem is None
        assert run.snapshot is not None
        assert run.snapshot.changes == ()


def test_who_lets_the_gate_pass_a_changed_schema_is_not_stopped_at_intake(front: Front) -> None:
    run_id = dropped(front, table(BREAKING["removed"]), dropml_gate_allow_schema_change="true")
    assert front.states()[run_id] != "quarantined"


def test_a_column_that_is_kept_out_is_no_change(front: Front) -> None:
    run_id = dropped(front, table(rows=201), dropml_drop="income")
    assert front.states()[run_id] != "quarantined"


def test_types_hold_where_all_values_fit_them(front: Front) -> None:
    """Numbers that happen to be whole, identifiers without a leading zero, no gap, nothing at all."""

    def narrower(rows: Rows) -> Rows:
        rows = column(rows, "income", lambda _, value: value.partition(".")[0])
        rows = column(rows, "member", lambda _i, _value: "")
        return column(rows, "code", lambda i, _: str(10_000 + i))

    run = front.world.run(dropped(front, table(narrower), "strict"))
    assert run.problem is None, run.problem
    assert run.snapshot is not None
    types = {column.name: (column.type, column.nullable) for column in run.snapshot.schema.columns}
    assert types["income"] == ("number", False)
    assert types["code"] == ("string", False)
    assert types["member"] == ("boolean", True)
    text = b"".join(front.files.stream("data", f"{run.snapshot.path}/MLTable")).decode()
    kinds = {
        name: conversion["column_type"]
        for step in yaml.safe_load(text)["transformations"]
        for conversion in step.get("convert_column_types", [])
        for name in conversion["columns"]
    }
    assert kinds["code"] == "string"
    assert kinds["income"] == "float"
    assert "boolean" in kinds["member"]
    again = front.world.run(dropped(front, table(rows=220), "compatible"))
    assert again.problem is None, "the gap may close again"
    assert again.snapshot is not None
    assert next(c for c in again.snapshot.schema.columns if c.name == "member").nullable


def test_a_version_that_failed_binds_nobody(front: Front) -> None:
    second = dropped(front, table(HARMLESS["added, and may be empty"]))
    run, etag = front.world.store.load(second)
    front.world.store.save(run.fail(1.0, RunProblem("training-failed", "It failed.")), etag)
    third = dropped(front, table(BREAKING["removed"]))
    assert front.states()[third] != "quarantined", "no version before it stands: the first is no champion yet"


def test_a_distribution_that_moved_is_told_with_what_it_was_and_is(front: Front) -> None:
    def moved(rows: Rows) -> Rows:
        rows = HARMLESS["a distribution that moved"](rows)
        return column(rows, "city", lambda i, _: "Rome" if i % 10 else "Kiel")

    run = front.world.run(dropped(front, table(moved)))
    assert run.snapshot is not None
    found = {change.column: change for change in run.snapshot.changes}
    assert {change.kind for change in found.values()} == {"distribution"}
    assert set(found) == {"age", "city"}, "identifiers move with every file, and the rest is as it was"
    assert found["age"].before.startswith("around 4")
    assert found["age"].after.startswith("around 8")
    assert '"Rome"' in found["city"].after


def test_a_label_of_few_rows_shifts_by_chance(front: Front) -> None:
    front.put("few.csv", people(90))
    assert front.world.run(str(front.drop("few.csv"))).problem is None
    front.put("few.csv", table(HARMLESS["label shift"], rows=90), dropml_schema="strict")
    assert front.world.run(str(front.drop("few.csv"))).problem is None


def test_without_a_profile_the_rest_is_compared(front: Front) -> None:
    snapshot = front.world.run("people-1-a1").snapshot
    assert snapshot is not None
    front.files.put("data", snapshot.profile_path, b"{broken")
    assert (
        front.world.run(dropped(front, table(HARMLESS["a distribution that moved"]), "strict")).problem
        is None
    )
    front.files.delete("data", snapshot.profile_path)
    assert front.problem(dropped(front, table(BREAKING["removed"]))).code == "schema-incompatible"


def warnings(front: Front, run_id: str) -> str:
    snapshot = front.world.run(run_id).snapshot
    assert snapshot is not None
    return " ".join(snapshot.warnings)


def test_a_new_label_value_is_told_with_what_follows_from_it(front: Front) -> None:
    told = warnings(front, dropped(front, table(HARMLESS["a new label value"])))
    assert 'The label "y" has values that it never had: "maybe".' in told
    assert "The model before never answers a new value" in told
    gone = warnings(front, dropped(front, table(rows=210)))
    assert 'no longer has "maybe". A model that is trained on this file never answers it.' in gone


def test_a_shift_of_the_label_is_told_class_by_class(front: Front) -> None:
    told = warnings(front, dropped(front, table(HARMLESS["label shift"])))
    assert '"yes" was 25 % of the rows and is 95 %' in told
    assert '"no" was 75 % of the rows and is 5 %' in told


def test_a_label_that_is_spelt_otherwise_is_told_as_that(front: Front) -> None:
    shouted = table(lambda rows: column(rows, "y", lambda _, value: value.upper()))
    problem = front.problem(dropped(front, shouted))
    assert '"no" is now "NO", "yes" is now "YES"' in problem.message
    assert [change.kind for change in problem.changes] == ["label-values"], (
        "the same shares under other words"
    )


def test_another_label_is_told_before_a_model_of_the_first_is_live(front: Front) -> None:
    run_id = dropped(front, table(), dropml_label="member")
    assert 'The label is "member"; that of the version before (people-1-a1) was "y".' in warnings(
        front, run_id
    )


def test_another_kind_of_label_is_told(front: Front) -> None:
    numbers = table(lambda rows: column(rows, "y", lambda i, _: f"{i * 1.5}"))
    told = warnings(front, dropped(front, numbers, dropml_task="regression"))
    assert "is taken for a quantity; in the version before (people-1-a1) it was classes" in told


def test_a_label_under_another_name_is_recognised_by_the_version_before(front: Front) -> None:
    renamed = table(lambda rows: [[*rows[0][:-1], "outcome"], *rows[1:]])
    problem = front.problem(dropped(front, renamed))
    assert problem.code == "label-missing"
    assert "The version before had it; new in this file is 'outcome'." in problem.message
    assert "people.yaml beside people.csv (label: outcome)" in problem.remedy
    assert problem.example is not None
    assert problem.example.good == "label: outcome"
