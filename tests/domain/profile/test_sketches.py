"""What is kept of a table while it streams by, against exact answers."""

from __future__ import annotations

import random
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.table.blocks import Block
from shared.domain.table.profile import sketches
from shared.domain.table.profile.sketches import Distinct, RowSample, Sketches

rows = st.lists(st.tuples(st.text(max_size=3), st.text(max_size=2)), min_size=1, max_size=200)


def blocks(table: list[tuple[str, ...]], size: int) -> list[Block]:
    """The table in blocks of `size` rows."""
    parts = [table[i : i + size] for i in range(0, len(table), size)]
    return [
        Block([list(column) for column in zip(*part, strict=True)], range(len(part)), False) for part in parts
    ]


def sampled(table: list[tuple[str, ...]], most: int, size: int = 64) -> list[tuple[str, ...]]:
    with patch.object(sketches, "MOST_ROWS", most):
        sample = RowSample(len(table[0]))
    for block in blocks(table, size):
        sample.update(block)
    assert sample.seen == len(table)
    return list(zip(*sample.columns, strict=True))


@given(rows, st.integers(1, 50))
def test_a_table_that_fits_is_its_own_sample(table: list[tuple[str, ...]], size: int) -> None:
    assert sampled(table, 200, size) == table


@given(rows, st.integers(1, 30), st.integers(1, 50), st.integers(1, 50))
def test_a_sample_is_rows_of_the_table_and_the_same_however_they_arrive(
    table: list[tuple[str, ...]], most: int, size: int, other: int
) -> None:
    numbered = [(f"{i}", *row) for i, row in enumerate(table)]
    found = sampled(numbered, most, size)
    assert found == sampled(numbered, most, other)
    assert len(set(found)) == len(found) == min(most, len(table))
    assert set(found) <= set(numbered)


def test_every_row_has_the_same_chance() -> None:
    """Of 2,000 rows 50 are drawn, 200 times over: each tenth of the table gives 1,000 of the 10,000, within five deviations."""
    tenths = [0] * 10
    for seed in range(200):
        for _, row in sampled([(f"{seed}", f"{i}") for i in range(2000)], 50):
            tenths[int(row) // 200] += 1
    assert sum(tenths) == 10_000
    assert all(abs(count - 1000) < 150 for count in tenths), tenths


def test_long_values_are_cut_and_still_differ() -> None:
    long = "x" * 100_000
    found = sampled([(long + "a", "1"), (long + "b", "2"), (long + "a", "3")], 200)
    assert found[0][0] == found[2][0] != found[1][0]
    assert max(len(cell) for row in found for cell in row) < 100


@given(st.lists(st.lists(st.text(max_size=4), max_size=50), max_size=10), st.integers(64, 600))
def test_up_to_its_bound_the_count_is_exact(parts: list[list[str]], most: int) -> None:
    count = Distinct(most)
    for part in parts:
        count.update(set(part))
    truth = len({value for part in parts for value in part})
    assert count.exact == (truth <= most)
    if count.exact:
        assert count.count(10**9) == truth


@pytest.mark.parametrize("truth", [1500, 40_000, 300_000])
def test_beyond_its_bound_the_count_is_near(truth: int) -> None:
    """The estimate of 1,000 hashes deviates by 3 %, rounding to two digits by 5 % at most."""
    count = Distinct(1000)
    for start in range(0, truth, 7000):
        count.update({f"value {i}" for i in range(start, min(truth, start + 9000))})
    assert not count.exact
    assert count.count(10**9) == pytest.approx(truth, rel=0.2)
    assert count.count(1600) <= 1600


@given(rows, st.integers(1, 50))
def test_gaps_and_distinct_values_are_those_of_the_table(table: list[tuple[str, ...]], size: int) -> None:
    found = Sketches(2)
    for block in blocks(table, size):
        found.update(block, [set(column) for column in block.columns])
    for at in range(2):
        column = [row[at] for row in table]
        assert found.gaps[at] == column.count("")
        assert found.distinct[at].count(len(table)) == len(set(column) - {""})


def test_a_wide_table_is_sampled_within_the_same_bounds() -> None:
    wide = Sketches(5000)
    draw = random.Random(1)
    for _ in range(4):
        columns = [[f"{draw.random()}" for _ in range(100)] for _ in range(5000)]
        wide.update(Block(columns, range(100), True), [set(column) for column in columns])
    assert len(wide.rows) * 5000 <= sketches.MOST_CELLS
    assert sum(len(distinct._kept) for distinct in wide.distinct) <= 2 * 5000 * sketches.LEAST_EXACT
    assert wide.distinct[0].count(400) == pytest.approx(400, rel=0.6)
