"""Types across versions: what holds, what is taken anew, and what a refusal or a warning tells of a column of another type."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.domain.run.parts import Snapshot
from shared.domain.schema import Column
from tests.support.intake_front import Front

ROWS = 240


def table(x: Callable[[int], object], label: Callable[[int], object] = lambda i: "ny"[i % 3 == 0]) -> str:
    return "age,x,y\n" + "".join(f'{20 + i % 37},"{x(i)}",{label(i)}\n' for i in range(ROWS))


def whole(i: int) -> object:
    return i % 37


def spoilt(i: int) -> object:
    return "n/k" if i == 9 else i % 37


def empty(_: int) -> object:
    return ""


def percent(i: int) -> object:
    return f"{i % 37}%"


@pytest.fixture
def front() -> Front:
    return Front()


def dropped(front: Front, text: str, **metadata: str) -> str:
    front.put("people.csv", text, **metadata)
    return str(front.drop("people.csv"))


def taken(front: Front, text: str, **metadata: str) -> Snapshot:
    run = front.world.run(dropped(front, text, **metadata))
    assert run.problem is None, run.problem
    assert run.snapshot is not None
    return run.snapshot


def column(snapshot: Snapshot) -> Column:
    return next(column for column in snapshot.schema.columns if column.name == "x")


@pytest.mark.parametrize(
    ("now", "kind"),
    [
        (whole, "integer"),
        (lambda i: i + 0.5, "number"),
        (lambda i: f"2024-01-{1 + i % 28:02d}", "datetime"),
        (lambda i: "ab"[i % 2], "string"),
    ],
)
def test_a_column_that_never_had_a_value_holds_to_nothing(
    front: Front, now: Callable[[int], object], kind: str
) -> None:
    assert column(taken(front, table(empty))).empty
    assert column(taken(front, table(empty) + "30,,n\n")).empty, "still"
    found = taken(front, table(now))
    assert (column(found).type, column(found).nullable, column(found).empty) == (kind, True, False)
    told = [change.message for change in found.changes if change.kind == "retyped"]
    assert told == ([] if kind == "string" else [f'Field "x" had no value before and is now {kind}.'])


def test_a_column_of_numbers_without_a_value_stays_one(front: Front) -> None:
    taken(front, table(whole))
    assert column(taken(front, table(empty))).type == "integer"
    assert column(taken(front, table(lambda i: i + 0.5))).type == "number"


@pytest.mark.parametrize(
    ("before", "now", "kind", "words"),
    [
        (spoilt, whole, "integer", "numbers"),
        (lambda i: f"{1 + i % 28:02d}/01/2024", lambda i: f"2024-01-{1 + i % 28:02d}", "datetime", "dates"),
        (
            lambda i: "1" if i == 9 else ("true", "false")[i % 2],
            lambda i: ("true", "false")[i % 2],
            "boolean",
            "true and false",
        ),
        (lambda i: f"n/k{i}", lambda i: f"{i},5", "number", "numbers"),
    ],
)
def test_what_was_text_stays_text_and_is_told_so_unless_types_are_free(
    front: Front, before: Callable[[int], object], now: Callable[[int], object], kind: str, words: str
) -> None:
    taken(front, table(before))
    kept = taken(front, table(now))
    assert (column(kept).type, column(kept).notation) == ("string", "")
    [told] = [said for said in kept.warnings if "'x'" in said and "stays text" in said]
    assert f"was text in people-1-a1 and stays text, though all its values are {words} now" in told
    assert f"`schema: free` in NAME.yaml beside NAME.csv, and it is read as {words}." in told
    assert not any("'x' is text" in said for said in kept.warnings)
    assert column(taken(front, table(now), dropml_schema="free")).type == kind


def test_advice_on_a_column_that_was_text_before_says_all_that_it_takes(front: Front) -> None:
    first = taken(front, table(spoilt))
    [told] = [said for said in first.warnings if "'n/k'" in said]
    assert "schema" not in told
    again = taken(front, table(lambda i: "n/k" if i == 11 else i % 37))
    [told] = [said for said in again.warnings if "'n/k'" in said]
    assert told.endswith(
        "It was text in people-1-a1, too, and stays so unless NAME.yaml says `schema: free`."
    )


def test_what_is_said_of_numbers_makes_numbers_of_what_was_text_and_callers_are_asked_for(
    front: Front,
) -> None:
    """Who sends the text would be refused by the next model: that is for a person to say."""
    taken(front, table(percent))
    run_id = dropped(front, table(percent), dropml_numbers="percent")
    problem = front.problem(run_id)
    assert problem.code == "schema-incompatible"
    assert 'Field "x" was string and is now integer. It is read as numbers written like' in problem.message
    assert "accept-schema" in problem.remedy
    found = taken(front, table(percent), dropml_numbers="percent", dropml_schema="free")
    assert column(found).type == "integer"
    assert column(taken(front, table(lambda i: f"{1 + i % 28}%"), dropml_numbers="percent")).type == "integer"


@pytest.mark.parametrize(
    ("before", "now", "told", "where", "example"),
    [
        (whole, spoilt, "It holds 'n/k' among numbers (once on line 11).", 11, ("n/k", "0")),
        (
            lambda i: f"2024-01-{1 + i % 28:02d}",
            lambda i: f"{13 + i % 15}/01/2024",
            "It holds dates whose day and month could be taken for each other, such as '13/01/2024' (line 2)",
            2,
            ("13/01/2024", "2024-01-01"),
        ),
        (
            lambda i: i + 0.5,
            lambda i: f"{1 + i % 9},{331 + i % 9}",
            "'9,339' may be 9339 or 9.339. Say `numbers:",
            None,
            ("9,339", "0.5"),
        ),
        (
            whole,
            lambda i: ("true", "false")[i % 2],
            "It holds such values as 'true'.",
            None,
            ("true", "0"),
        ),
        (
            whole,
            lambda i: f"0{i % 40:02d}",
            "It holds such values as '000', which would lose a zero or digits as numbers.",
            None,
            ("000", "0"),
        ),
        (
            whole,
            lambda i: f"{i} kg",
            "It holds units behind numbers, such as '0 kg' (line 2)",
            2,
            ("0 kg", "0"),
        ),
    ],
)
def test_a_column_of_another_type_is_refused_with_the_value_that_made_it_so(
    front: Front,
    before: Callable[[int], object],
    now: Callable[[int], object],
    told: str,
    where: int | None,
    example: tuple[str, str],
) -> None:
    taken(front, table(before))
    problem = front.problem(dropped(front, table(now)))
    assert problem.code == "schema-incompatible"
    assert told in problem.message
    assert (problem.where["column"], problem.where.get("line")) == ("x", where)
    assert problem.example is not None
    assert (problem.example.bad, problem.example.good) == example


def test_a_column_left_out_is_not_told_with_the_place_of_another(front: Front) -> None:
    taken(front, table(whole))
    text = table(spoilt).replace("age,", "years,", 1)
    problem = front.problem(dropped(front, text))
    assert problem.where["column"] == "age"
    assert "line" not in problem.where
    assert "'n/k' among numbers (once on line 11)" in problem.message


@pytest.mark.parametrize(
    ("before", "now"), [("01", ("0.0", "1.0")), ("12", ("01", "02")), (("true", "false"), ("TRUE", "FALSE"))]
)
def test_a_label_in_another_notation_changes_answers_and_is_refused(
    front: Front, before: tuple[str, str], now: tuple[str, str]
) -> None:
    taken(front, table(whole, lambda i: before[i % 3 == 0]))
    problem = front.problem(dropped(front, table(whole, lambda i: now[i % 3 == 0])))
    assert problem.code == "schema-incompatible"
    assert 'The label "y" spells its values otherwise: ' in problem.message
    assert f'"{before[0]}" is now "{now[0]}"' in problem.message
    assert [change.kind for change in problem.changes] == ["label-values"]


def test_a_class_in_another_notation_beside_one_that_is_the_same_is_no_shift(front: Front) -> None:
    taken(front, table(whole, lambda i: ("1", "10")[i % 3 == 0]))
    found = taken(front, table(whole, lambda i: ("01", "10")[i % 3 == 0]))
    assert [(change.kind, change.breaking) for change in found.changes] == [("label-values", False)]
    assert '"1" is now "01"' in found.changes[0].message


def test_true_is_true_however_it_is_spelt(front: Front) -> None:
    taken(front, table(lambda i: ("true", "false")[i % 2]))
    assert taken(front, table(lambda i: ("TRUE", "False")[i % 2]), dropml_schema="strict").changes == ()


@pytest.mark.parametrize("word", ["1", "unknown"])
@pytest.mark.parametrize("at", [0, 9, 200])
def test_a_word_among_true_and_false_is_told_with_its_line(front: Front, word: str, at: int) -> None:
    found = taken(front, table(lambda i: word if i == at else ("true", "false")[i % 2]))
    assert column(found).type == "string"
    [told] = [said for said in found.warnings if "'x'" in said]
    assert told == (
        f"Column 'x' is text: it holds {word!r} among true and false (once on line {at + 2}). Leave all other cells empty, "
        "and it is read as true and false."
    )
