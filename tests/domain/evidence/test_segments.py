"""Where two models differ: which rows a segment has, and when it is worse beyond chance."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from shared.domain.evidence.segments import Judged, Segment, segments
from shared.domain.schema import Column, Value

TOWN = Column("town", "string", categories=("a", "b"))


def found(column: Column, values: Sequence[Value], judged: Judged) -> dict[str, Segment]:
    kept, left_out, unseen = segments([column], [[value] for value in values], judged)
    assert (left_out, unseen) == (0, 0)
    return {segment.value: segment for segment in kept}


def right(lost: int, won: int, rows: int) -> Judged:
    """Of `rows` rows, the first `lost` only the champion has right, the next `won` only the challenger; all else both."""
    champion = [1.0] * lost + [0.0] * won + [1.0] * (rows - lost - won)
    challenger = [0.0] * lost + [1.0] * (rows - lost)
    return Judged(challenger, champion, [old != new for old, new in zip(champion, challenger, strict=True)])


def test_numbers_of_few_values_have_a_segment_each() -> None:
    values: list[Value] = [1] * 30 + [2.5] * 20 + [None] * 15
    seen = found(Column("n", "number"), values, right(3, 0, 65))
    assert {name: segment.rows for name, segment in seen.items()} == {"1": 30, "2.5": 20, "(empty)": 15}
    assert {name: segment.flips for name, segment in seen.items()} == {"1": 3, "2.5": 0, "(empty)": 0}


def test_numbers_of_many_values_are_cut_into_a_range_of_the_same_size_each() -> None:
    seen = found(Column("n", "integer"), list(range(100)), right(0, 0, 100))
    assert {name: segment.rows for name, segment in seen.items()} == {
        "below 20": 20,
        "20 to below 40": 20,
        "40 to below 60": 20,
        "60 to below 80": 20,
        "from 80": 20,
    }


@pytest.mark.parametrize(("lost", "won", "worse"), [(8, 1, False), (10, 1, True), (1, 8, False)])
def test_worse_is_beyond_chance_by_mcnemar_with_its_correction(lost: int, won: int, worse: bool) -> None:
    """Of two segments each is held to 2.24 deviations: (7 - 1) / 3 is less than that, (9 - 1) / sqrt(11) more."""
    seen = found(TOWN, ["a"] * 40 + ["b"] * 40, right(lost, won, 80))
    assert (seen["a"].worse, seen["a"].better) == (worse, False)
    assert (seen["b"].worse, seen["b"].better) == (False, False)
    assert seen["a"].champion == pytest.approx((40 - won) / 40)
    assert seen["a"].challenger == pytest.approx((40 - lost) / 40)


def test_better_is_told_alike() -> None:
    seen = found(TOWN, ["a"] * 40 + ["b"] * 40, right(1, 10, 80))
    assert (seen["a"].worse, seen["a"].better) == (False, True)


def test_errors_are_shown_as_errors_and_compared_in_pairs() -> None:
    champion = [-1.0, -2.0] * 20
    challenger = [-1.5, -2.6] * 20
    seen = found(TOWN, ["a"] * 20 + ["b"] * 20, Judged(challenger, champion, [False] * 40, errors=True))
    assert (seen["a"].champion, seen["a"].challenger) == (1.5, 2.05)
    assert (seen["a"].worse, seen["a"].better) == (True, False)
    assert list(seen) == ["a", "b"]
