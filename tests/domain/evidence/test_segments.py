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


@pytest.mark.parametrize(("gain", "better"), [(0.195, False), (0.2, True)])
@pytest.mark.parametrize("side", [1, -1])
def test_of_ten_errors_the_spread_is_that_of_a_sample(gain: float, better: bool, side: int) -> None:
    """By hand: gains of a mean, 0.3 more or less by turns. Over ten rows that is 3 x mean / 0.3 deviations; 1.96 are needed."""
    challenger = [-1.0 + side * (gain + 0.3), -1.0 + side * (gain - 0.3)] * 5
    town = found(TOWN, ["a"] * 10, Judged(challenger, [-1.0] * 10, [True] * 10, errors=True))["a"]
    assert (town.better, town.worse) == ((better, False) if side > 0 else (False, better))


def test_errors_that_all_moved_alike_have_no_spread_to_tell_by() -> None:
    town = found(TOWN, ["a"] * 10, Judged([-2.0] * 10, [-1.0] * 10, [True] * 10, errors=True))["a"]
    assert (town.worse, town.better) == (False, False)
    assert (town.champion, town.challenger) == (1.0, 2.0)


@pytest.mark.parametrize(("rows", "told"), [(9, False), (10, True)])
def test_ten_rows_are_the_fewest_of_a_segment(rows: int, told: bool) -> None:
    seen = found(TOWN, ["a"] * rows + ["b"] * 20, right(0, 0, rows + 20))
    assert ("a" in seen) is told


def test_the_eight_most_frequent_values_are_looked_at() -> None:
    towns = Column("town", "string", categories=tuple("abcdefghi"))
    values: list[Value] = [name for at, name in enumerate("abcdefghi") for _ in range(20 - at)]
    assert list(found(towns, values, right(0, 0, len(values)))) == list("abcdefgh")


@pytest.mark.parametrize(("values", "segments_of"), [(8, 8), (9, 5)])
def test_numbers_of_more_than_eight_values_are_cut_into_ranges(values: int, segments_of: int) -> None:
    numbers: list[Value] = [at % values for at in range(20 * values)]
    assert len(found(Column("n", "integer"), numbers, right(0, 0, len(numbers)))) == segments_of


def test_shares_are_told_to_six_places() -> None:
    town = found(TOWN, ["a"] * 30, right(10, 0, 30))["a"]
    assert (town.challenger, town.champion) == (0.666667, 1.0)
    alone = found(TOWN, ["a"] * 30, Judged([1.0] * 20 + [0.0] * 10, None, [False] * 30))["a"]
    assert (alone.challenger, alone.champion) == (0.666667, None)
    alone = found(TOWN, ["a"] * 30, Judged([-1.0] * 20 + [0.0] * 10, None, [False] * 30, errors=True))["a"]
    assert alone.challenger == 0.666667


def test_the_worst_come_first_then_the_better_ones_then_what_differs_most() -> None:
    names = Column("town", "string", categories=("better", "same", "stirred", "worse"))
    kinds: dict[str, tuple[float, float]] = {
        "same": (1.0, 1.0),
        "better": (1.0, 0.0),
        "stirred": (0.0, 0.0),
        "worse": (0.0, 1.0),
    }
    values: list[Value] = [name for name in kinds for _ in range(20)]
    new, old = ([kinds[str(name)][side] for name in values] for side in (0, 1))
    flips = [name != "same" for name in values]
    seen = found(names, values, Judged(new, old, flips))
    assert list(seen) == ["worse", "better", "stirred", "same"]
