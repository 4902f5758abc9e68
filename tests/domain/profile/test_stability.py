"""Two versions of a column: what moved, what didn't, and what chance alone does."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.schema import ColumnType
from shared.domain.table.profile.figures import profiled
from shared.domain.table.profile.parts import ColumnProfile
from shared.domain.table.profile.stability import psi

MUCH = 0.25


def column(values: Sequence[object], kind: ColumnType = "number") -> ColumnProfile:
    cells = [str(value) for value in values]
    gaps = cells.count("")
    known = set(cells) - {""}
    return profiled(ColumnProfile("x", kind, len(cells), gaps, len(known), True), cells)


def moved(before: ColumnProfile, after: ColumnProfile) -> float:
    found = psi(before, after)
    assert found is not None
    return found


def normal(mean: float, rows: int, seed: int) -> list[object]:
    draw = random.Random(seed)
    return [draw.gauss(mean, 1.0) for _ in range(rows)]


def test_the_same_rows_have_not_moved() -> None:
    for values in (normal(0, 500, 1), [7.0] * 500, [0, 1] * 250, [999] * 480 + list(range(20))):
        assert moved(column(values), column(values)) == 0


def test_two_draws_of_one_distribution_differ_by_chance_alone() -> None:
    for rows in (100, 300, 5000):
        found = [
            moved(column(normal(0, rows, seed)), column(normal(0, rows, seed + 100))) for seed in range(20)
        ]
        assert max(found) < MUCH
        assert sum(found) / len(found) < 0.1


def test_a_shift_of_the_mean_is_seen_and_more_of_it_is_more() -> None:
    before = column(normal(0, 2000, 1))
    slight, much, all_of_it = (moved(before, column(normal(mean, 2000, 2))) for mean in (0.3, 1, 10))
    assert 0.03 < slight < MUCH < much < all_of_it


def test_the_index_is_that_of_the_formula() -> None:
    # (0.3 - 0.5) ln(0.3/0.5) + (0.7 - 0.5) ln(0.7/0.5), less what chance gives
    before, after = column(["a", "b"] * 500, "string"), column((["a"] * 3 + ["b"] * 7) * 100, "string")
    assert moved(before, after) == pytest.approx(0.16946 - 2 / 1000, abs=1e-4)


def test_new_values_gaps_and_rare_ones() -> None:
    before = column(["a", "b"] * 500, "string")
    assert moved(before, column(["a", "b", "c"] * 300, "string")) > MUCH
    assert moved(before, column(["a", "b", ""] * 300, "string")) > MUCH
    # 0 and 1, of which the rare one is nowhere among the quantiles
    assert moved(column([0] * 990 + [1] * 10, "integer"), column([0] * 800 + [1] * 200, "integer")) > MUCH


def test_many_values_in_another_order_of_frequency_have_not_moved_much() -> None:
    draw = random.Random(3)
    words = [f"w{i}" for i in range(60)]
    before, after = (column([draw.choice(words) for _ in range(6000)], "string") for _ in range(2))
    assert moved(before, after) < 0.1


def test_whole_numbers_that_became_decimals_are_compared_as_numbers() -> None:
    before = column([1, 2, 3] * 100, "integer")
    assert moved(before, column([1.0, 2.0, 3.0] * 100, "number")) == 0


def test_what_cannot_be_compared_has_no_index() -> None:
    numbers, words = column(normal(0, 200, 1)), column(["a", "b"] * 100, "string")
    few, none = column(normal(0, 99, 1)), column([""] * 200)
    dates = column(["2024-01-01", "2024-01-02"] * 100, "datetime")
    for before, after in ((numbers, words), (numbers, few), (few, numbers), (dates, dates), (numbers, none)):
        assert psi(before, after) is None


CELLS = {
    "integer": st.integers(-(2**63), 2**63 - 1),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "boolean": st.sampled_from(["true", "false"]),
    "datetime": st.dates(),
    "string": st.text(max_size=3),
}


@given(st.data(), st.sampled_from(get_args(ColumnType)), st.sampled_from(get_args(ColumnType)))
def test_whatever_two_columns_hold_the_index_is_a_number_or_none(
    data: st.DataObject, one: ColumnType, other: ColumnType
) -> None:
    def drawn(kind: ColumnType) -> ColumnProfile:
        few = data.draw(st.lists(CELLS[kind] | st.just(""), min_size=1, max_size=30))
        return column((few * 101)[: data.draw(st.integers(99, 130))], kind)

    found = psi(drawn(one), drawn(other))
    assert found is None or 0 <= found < 100
