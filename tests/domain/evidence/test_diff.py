"""The prediction diff: which rows flip and where, of bounded size, and without values unless they are asked for."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.answers import Answers
from shared.domain.documents import from_json, to_json
from shared.domain.evidence import Diff, Scored, diff_of
from shared.domain.evidence.diff import MOST_CELLS, MOST_FLIPS
from shared.domain.evidence.segments import CELLS, MOST, Judged, segments
from shared.domain.gate import Seen
from shared.domain.schema import Column, Schema, Value

SCHEMA = Schema(
    "y",
    (
        Column("job", "string", categories=("clerk", "nurse", "sailor")),
        Column("age", "integer"),
        Column("name", "string"),
        Column("member", "boolean", nullable=True),
    ),
    ("no", "yes"),
)
JOBS = ("clerk", "nurse", "sailor")


def people(count: int) -> list[list[Value]]:
    return [
        [JOBS[i % 3], 20 + i % 50, f"person {i}", None if i % 10 == 0 else i % 2 == 0] for i in range(count)
    ]


def said(labels: list[str]) -> Answers:
    return Answers(labels, [[0.8, 0.2] if label == "no" else [0.3, 0.7] for label in labels], ["no", "yes"])


def town(count: int = 900, *, worse: str = "sailor") -> Scored:
    """The champion is right; the challenger is wrong of every second row of one job."""
    rows = people(count)
    truth = ["yes" if i % 2 else "no" for i in range(count)]
    new = [
        "no" if row[0] == worse and label == "yes" else label for row, label in zip(rows, truth, strict=True)
    ]
    return Scored(Seen(truth, said(new), said(truth)), rows, range(1, count + 1), SCHEMA, "bank/B/holdout")


def diff(scored: Scored, **options: Any) -> Diff:
    return diff_of("bank-2-a1", "bank-1-a1", 7.0, scored, **options)


def test_each_flip_is_told_by_its_row() -> None:
    found = diff(town())
    assert (found.rows, found.flips, found.lost, found.won) == (900, 150, 150, 0)
    first = found.shown[0]
    assert (first.row, first.truth, first.champion, first.challenger) == (6, "yes", "yes", "no")
    assert (first.champion_probability, first.challenger_probability) == (0.7, 0.8)
    assert {cell.truth + cell.answer: (cell.champion, cell.challenger) for cell in found.confusion} == {
        "nono": (450, 450),
        "yesyes": (450, 300),
        "yesno": (0, 150),
    }


def test_no_value_of_a_row_is_kept_unless_it_is_asked_for() -> None:
    assert "person" not in json.dumps(to_json(diff(town())))
    shown = diff(town(), keep_values=True).shown[0]
    assert shown.values == {"job": "sailor", "age": 25, "name": "person 5", "member": False}


def test_the_segment_that_got_worse_comes_first() -> None:
    found = diff(town())
    worst = found.segments[0]
    assert (worst.column, worst.value, worst.rows, worst.flips) == ("job", "sailor", 300, 150)
    assert (worst.champion, worst.challenger, worst.worse, worst.better) == (1.0, 0.5, True, False)
    clerks = next(each for each in found.segments if each.value == "clerk")
    assert (clerks.flips, clerks.worse) == (0, False)
    assert {each.column for each in found.segments} == {"job", "age", "member"}, "names are no segments"
    assert {each.value for each in found.segments if each.column == "member"} == {"(empty)", "true", "false"}
    ages = [each for each in found.segments if each.column == "age"]
    assert len(ages) == 5
    assert sum(each.rows for each in ages) == 900
    assert {"below 30", "from 60"} <= {each.value for each in ages}


def test_what_got_better_is_told_too() -> None:
    scored = town()
    old, new = scored.seen.champion, scored.seen.challenger
    assert old is not None
    turned = replace(scored, seen=replace(scored.seen, challenger=old, champion=new))
    found = diff(turned)
    assert (found.won, found.lost) == (150, 0)
    assert next(each.value for each in found.segments if each.better) == "sailor"
    assert not any(each.worse for each in found.segments)


def test_chance_alone_makes_no_segment_worse() -> None:
    """Twenty files, in each of which both models err of one row in ten, anywhere."""
    accused = 0
    for seed in range(20):
        rng = random.Random(seed)
        truth = ["yes" if rng.random() < 0.5 else "no" for _ in range(900)]

        def errs(truth: list[str] = truth, rng: random.Random = rng) -> Answers:
            return said(
                [label if rng.random() < 0.9 else {"no": "yes", "yes": "no"}[label] for label in truth]
            )

        scored = Scored(Seen(truth, errs(), errs()), people(900), range(900), SCHEMA, "h")
        accused += any(each.worse for each in diff(scored).segments)
    assert accused <= 2


def test_a_first_model_has_its_own_numbers() -> None:
    scored = town()
    found = diff(replace(scored, seen=replace(scored.seen, champion=None)))
    assert (found.flips, found.shown) == (0, ())
    assert {cell.champion for cell in found.confusion} == {None}
    assert {each.champion for each in found.segments} == {None}


def test_lost_won_and_other_flips_are_all_shown() -> None:
    schema = replace(SCHEMA, classes=("a", "b", "c"))
    count = 3000
    truth = ["a"] * count
    old = ["a" if i % 10 else "b" for i in range(count)]
    new = ["b" if i % 10 else ("a" if i % 20 else "c") for i in range(count)]
    scored = Scored(Seen(truth, Answers(new), Answers(old)), people(count), range(count), schema, "h")
    found = diff(scored)
    assert len(found.shown) == MOST_FLIPS
    kinds = [(flip.champion, flip.challenger) for flip in found.shown]
    assert min(kinds.count(kind) for kind in (("a", "b"), ("b", "a"), ("b", "c"))) >= MOST_FLIPS // 3
    assert {flip.champion_probability for flip in found.shown} == {None}


def test_its_size_is_bounded() -> None:
    """Hundreds of classes and columns, and every row flips."""
    classes = tuple(f"class {n}" for n in range(300))
    columns = tuple(Column(f"c{n}", "string", categories=tuple("abcdefgh")) for n in range(40))
    rng = random.Random(1)
    rows = [[rng.choice("abcdefgh") for _ in columns] for _ in range(3000)]
    truth, old, new = (rng.choices(classes, k=3000) for _ in range(3))
    scored = Scored(
        Seen(truth, Answers(new), Answers(old)), rows, range(3000), Schema("y", columns, classes), "h"
    )
    found = diff(scored, keep_values=True)
    assert (len(found.confusion), len(found.shown), len(found.segments)) == (MOST_CELLS, MOST_FLIPS, MOST)
    assert found.cells_left_out > 0
    assert found.segments_left_out == 40 * 8 - MOST
    assert len(json.dumps(to_json(found))) < 300_000


def test_of_a_very_wide_table_the_first_columns_are_looked_at() -> None:
    columns = [Column(f"c{n}", "integer") for n in range(300)]
    rows = [[1] * 300] * 20_000
    judged = Judged([1.0] * 20_000, None, [False] * 20_000)
    found, left_out, not_looked = segments(columns, rows, judged)
    assert (len(found), left_out, not_looked) == (CELLS // 20_000, 0, 300 - CELLS // 20_000)


def test_numbers_differ_by_how_far() -> None:
    schema = replace(SCHEMA, classes=())
    rows = people(600)
    truth = [float(i) for i in range(600)]
    rng = random.Random(2)
    old = [value + rng.uniform(-1, 1) for value in truth]
    new = [
        value + (50 if row[0] == "nurse" else 0) + rng.uniform(-1, 1)
        for value, row in zip(truth, rows, strict=True)
    ]
    seen = Seen(list(map(repr, truth)), Answers(list(map(repr, new))), Answers(list(map(repr, old))))
    found = diff(Scored(seen, rows, range(1, 601), schema, "h"))
    assert (found.measure, found.flips, len(found.shown)) == ("mean_absolute_error", 600, MOST_FLIPS)
    assert found.lost + found.won == 600
    assert {rows[flip.row - 1][0] for flip in found.shown} == {"nurse"}
    worst = found.segments[0]
    assert (worst.value, worst.worse) == ("nurse", True)
    assert worst.challenger > 40
    assert 0 < (worst.champion or 0) < 1


def test_of_two_equal_errors_none_is_lost_and_none_won() -> None:
    """Both are one off, to either side: the row differs, and nobody is better at it."""
    seen = Seen(["0", "0", "0"], Answers(["1", "1", "3"]), Answers(["-1", "2", "2"]))
    found = diff(Scored(seen, people(3), range(1, 4), replace(SCHEMA, classes=()), "h"))
    assert (found.flips, found.lost, found.won) == (3, 1, 1)
    assert [(flip.row, flip.truth, flip.champion, flip.challenger) for flip in found.shown] == [
        (1, "0", "-1", "1"),
        (2, "0", "2", "1"),
        (3, "0", "2", "3"),
    ]


def test_numbers_that_stayed_are_not_shown() -> None:
    seen = Seen(["0", "0", "0"], Answers(["1", "4.5", "2"]), Answers(["1", "2", "3"]))
    found = diff(Scored(seen, people(3), range(1, 4), replace(SCHEMA, classes=()), "h"), keep_values=True)
    assert (found.flips, found.lost, found.won) == (2, 1, 1)
    assert [(flip.row, flip.champion, flip.challenger) for flip in found.shown] == [
        (2, "2", "4.5"),
        (3, "3", "2"),
    ]
    assert found.shown[0].values == {"job": "nurse", "age": 21, "name": "person 1", "member": False}
    first = diff(
        Scored(replace(seen, champion=None), people(3), range(1, 4), replace(SCHEMA, classes=()), "h")
    )
    assert (first.flips, first.lost, first.won, first.shown) == (0, 0, 0, ())


def test_probabilities_are_shown_to_six_places() -> None:
    new = Answers(["no"], [[0.7654321, 0.2345679]], ["no", "yes"])
    old = Answers(["yes"], [[0.1234567, 0.8765433]], ["no", "yes"])
    (flip,) = diff(Scored(Seen(["yes"], new, old), people(1), [1], SCHEMA, "h")).shown
    assert (flip.champion_probability, flip.challenger_probability) == (0.876543, 0.765432)


def test_an_answer_without_a_probability_of_its_own_is_shown_without() -> None:
    """The model answers a word that is none of its classes."""
    new = Answers(["maybe"], [[0.4, 0.6]], ["no", "yes"])
    (flip,) = diff(Scored(Seen(["yes"], new, said(["yes"])), people(1), [1], SCHEMA, "h")).shown
    assert (flip.challenger, flip.challenger_probability, flip.champion_probability) == ("maybe", None, 0.7)


def test_the_most_frequent_mistakes_are_kept() -> None:
    truth = ["a"] * 6 + ["b"] * 4
    new = ["a"] * 3 + ["b"] * 3 + ["b"] * 4
    old = ["c"] * 5 + ["a"] + ["b"] * 4
    scored = Scored(Seen(truth, Answers(new), Answers(old)), people(10), range(10), SCHEMA, "h")
    cells = [(cell.truth, cell.answer, cell.challenger, cell.champion) for cell in diff(scored).confusion]
    assert cells == [("b", "b", 4, 4), ("a", "c", 0, 5), ("a", "a", 3, 1), ("a", "b", 3, 0)]


def test_a_diff_of_an_earlier_release_opens() -> None:
    """Only what each has ever had."""
    document = {
        "run_id": "bank-2-a1", "champion_run": None, "at": 1.0, "rows": 9, "holdout": "h", "label": "y",
    }  # fmt: skip
    opened = from_json(document, Diff)
    assert opened == Diff("bank-2-a1", None, 1.0, 9, "h", "y")
    counts = (opened.flips, opened.lost, opened.won, opened.cells_left_out)
    assert (*counts, opened.segments_left_out, opened.columns_left_out) == (0, 0, 0, 0, 0, 0)
    assert (opened.schema, opened.measure) == (1, "accuracy")


def test_answers_that_lack_a_row_are_refused() -> None:
    for schema in (SCHEMA, replace(SCHEMA, classes=())):
        for new, old in ((["1"], ["1", "2"]), (["1", "2"], ["1"])):
            seen = Seen(["1", "2"], Answers(new), Answers(old))
            with pytest.raises(ValueError, match=r"zip\(\)"):
                diff(Scored(seen, people(2), range(2), schema, "h"))


@pytest.mark.parametrize("rows", [0, 1, 9])
def test_hardly_any_rows_have_no_segments(rows: int) -> None:
    found = diff(town(rows))
    assert (found.rows, found.segments) == (rows, ())
