"""What is kept of a table while it streams by, against exact answers."""

from __future__ import annotations

import random
from collections import Counter
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.table.blocks import Block
from shared.domain.table.profile import sketches
from shared.domain.table.profile.sketches import Distinct, RowSample, Sketches, estimated

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
    return list(zip(*sample.columns(), strict=True))


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


@given(st.lists(st.lists(st.text(max_size=4), max_size=50), max_size=10), st.integers(0, 300))
def test_up_to_its_bound_the_count_is_exact(parts: list[list[str]], most: int) -> None:
    count = Distinct(most)
    for part in parts:
        count.update(set(part))
    truth = len({value for part in parts for value in part})
    assert count.count == (truth if truth <= most else None)


@pytest.mark.parametrize("truth", [3, 1500, 8_000, 40_000, 1_000_000])
@pytest.mark.parametrize("rows", [12_000, 60_000])
def test_beyond_its_bound_the_count_is_near(truth: int, rows: int) -> None:
    """Of values that are about as frequent, within a fifth."""
    draw = random.Random(truth)
    table = [draw.randrange(truth) for _ in range(rows)]
    found = estimated(Counter(draw.sample(table, 10_000)).values(), rows)
    assert found == pytest.approx(len(set(table)), rel=0.2)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=300), st.integers(0, 10**9))
def test_an_estimate_is_no_less_than_was_seen_and_no_more_than_there_are_rows(
    counts: list[int], more: int
) -> None:
    rows = sum(counts) + more
    assert len(counts) <= estimated(counts, rows) <= rows
    assert estimated(counts, sum(counts)) == len(counts)
    assert estimated([1] * len(counts), rows) == pytest.approx(rows, rel=0.06)


@given(rows, st.integers(1, 50))
def test_gaps_and_distinct_values_are_those_of_the_table(table: list[tuple[str, ...]], size: int) -> None:
    found = Sketches(2)
    for block in blocks(table, size):
        found.update(block, [set(column) for column in block.columns])
    for at in range(2):
        column = [row[at] for row in table]
        assert found.gaps[at] == column.count("")
        assert found.distinct[at].count == len(set(column) - {""})


@pytest.mark.slow
def test_a_wide_table_is_sampled_within_the_same_bounds() -> None:
    wide = Sketches(5000)
    draw = random.Random(1)
    for _ in range(4):
        columns = [[f"{draw.random()}" for _ in range(100)] for _ in range(5000)]
        wide.update(Block(columns, range(100), True), [set(column) for column in columns])
    assert len(wide.rows) * 5000 <= sketches.MOST_CELLS
    assert sum(len(distinct._seen) for distinct in wide.distinct) == 0
    assert {distinct.count for distinct in wide.distinct} == {None}
