"""What a growing file brings along is not taken for news; every other file is new as a whole."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest

from shared.domain.gate import Draw, KnownRows, newest
from shared.domain.gate.sample import row_hash

Row = tuple[str, ...]
Rows = Sequence[Row]


def told(earlier: Rows, now: Rows, remembered: int = 1000, limit: int = 1000) -> tuple[list[Row], int]:
    """The rows to score, and how many were left out."""
    known = KnownRows(earlier, remembered)
    everything, new = Draw(None, limit), Draw(None, limit)
    for place, row in enumerate(now):
        everything.add(place, row)
        if known.is_new(row):
            new.add(place, row)
    drawn, left_out = newest(everything, new, known)
    return [row for _, row in drawn], left_out


def rows(first: int, last: int) -> list[Row]:
    return [(str(n), "x") for n in range(first, last)]


def test_of_a_file_that_grew_what_came_since_is_new() -> None:
    found, left_out = told(rows(0, 500), rows(0, 600))
    assert (sorted(found), left_out) == (sorted(rows(500, 600)), 500)


def test_a_few_rows_that_were_taken_out_or_corrected_change_nothing() -> None:
    found, left_out = told(rows(0, 500), rows(40, 600))
    assert (sorted(found), left_out) == (sorted(rows(500, 600)), 460)


@pytest.mark.parametrize(
    ("earlier", "now"),
    [
        (rows(0, 500), rows(500, 600)),
        (rows(0, 500), rows(100, 600)),
        (rows(0, 500), rows(0, 500)),
        (rows(0, 500), rows(0, 520)),
        ([], rows(0, 100)),
    ],
    ids=["another file", "one that overlaps", "the same rows", "little news", "after none"],
)
def test_else_all_of_it_is_scored(earlier: list[Row], now: list[Row]) -> None:
    found, left_out = told(earlier, now)
    assert (sorted(found), left_out) == (sorted(now), 0)


def test_rows_that_repeat_are_counted() -> None:
    """Few distinct rows: what came since has the shares that it has, not one of each kind."""
    before: Rows = [("a",)] * 900 + [("b",)] * 100
    since: Rows = [("a",)] * 90 + [("b",)] * 10
    found, left_out = told(before, random.Random(1).sample([*before, *since], 1100))
    assert (Counter(found), left_out) == (Counter(since), 1000)


def test_each_row_is_asked_about_once() -> None:
    known = KnownRows([("a",), ("a",), ("b",)])
    assert [known.is_new((name,)) for name in "aaabc"] == [False, False, True, False, True]
    assert (known.again, known.grown) == (3, True)


@pytest.mark.parametrize(("again", "grown"), [(9, True), (8, False)])
def test_nine_of_ten_rows_that_come_again_make_a_file_that_grew(again: int, grown: bool) -> None:
    known = KnownRows(rows(0, 10))
    for row in rows(0, again):
        assert not known.is_new(row)
    assert known.grown is grown


def test_sixty_rows_are_the_fewest_that_count_as_news() -> None:
    found, left_out = told(rows(0, 500), rows(0, 560))
    assert (len(found), left_out) == (60, 500)
    assert told(rows(0, 500), rows(0, 559))[1] == 0


def test_memory_is_bounded_and_what_it_can_not_tell_counts_as_neither() -> None:
    before, now = rows(0, 3000), rows(0, 4000)
    found, left_out = told(before, now, remembered=1000)
    assert left_out == 1000
    assert 200 < len(found) < 500
    assert not set(found) & set(before)
    reach = sorted(row_hash(row) for row in before)[1000]
    assert set(found) == {row for row in rows(3000, 4000) if row_hash(row) < reach}
    known = KnownRows(before, 1000)
    told_of = {known.is_new(row) for row in rows(3000, 4000) if row_hash(row) >= reach}
    assert (told_of, known.again) == ({False}, 0)


def test_the_order_of_the_earlier_rows_changes_nothing() -> None:
    before = rows(0, 300) * 3
    for seed in range(3):
        mixed = random.Random(seed).sample(before, len(before))
        assert told(mixed, before + rows(300, 900), remembered=100) == told(
            before, before + rows(300, 900), remembered=100
        )
