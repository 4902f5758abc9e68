"""The figures of a column, against what sorting and counting say."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.table.profile.figures import frequent, histogram, profiled, quantiles
from shared.domain.table.profile.parts import BINS, FREQUENT, QUANTILES, SHOWN, ColumnProfile

floats = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=300).map(sorted)


@given(floats)
def test_a_quantile_is_a_value_that_its_share_of_the_values_does_not_exceed(values: list[float]) -> None:
    found = quantiles(values)
    assert (found[0], found[-1]) == (values[0], values[-1])
    for share, quantile in zip(QUANTILES, found, strict=True):
        assert sum(value <= quantile for value in values) >= share * len(values) - 1e-6
        assert sum(value < quantile for value in values) <= share * len(values) + 1e-6


@given(floats)
def test_a_histogram_holds_each_value_once(values: list[float]) -> None:
    found = histogram(values)
    assert found is not None
    assert sum(found.counts) == len(values)
    assert len(found.counts) == len(found.edges) - 1 <= BINS
    assert list(found.edges) == sorted(found.edges)
    assert (found.edges[0], found.edges[-1]) == (values[0], values[-1])


def test_bins_are_of_equal_width_and_hold_their_lower_edge() -> None:
    found = histogram([float(value) for value in range(21)])
    assert found is not None
    assert found.edges == tuple(map(float, range(21)))
    assert found.counts == (*(1,) * 19, 2)


@given(st.lists(st.text(min_size=1, max_size=2), min_size=1, max_size=400))
def test_the_most_frequent_come_first_with_their_counts(values: list[str]) -> None:
    counts = Counter(values)
    found = frequent(counts, len(values))
    assert len(found) <= FREQUENT
    assert all(counts[item.value] == item.count for item in found)
    left = [count for value, count in counts.items() if value not in {item.value for item in found}]
    if len(counts) <= FREQUENT:
        assert not left
    elif left:
        assert max(left) <= min((item.count for item in found), default=1)


def test_a_long_value_is_shown_by_its_beginning() -> None:
    column = profiled(ColumnProfile("x", "string", 2, 0, 1, True), ["a" * 1000] * 2)
    assert [len(item.value) for item in column.frequent] == [SHOWN]


def test_numbers_written_in_several_ways_are_one_value() -> None:
    column = profiled(ColumnProfile("x", "number", 4, 1, 2, True), ["1.50", "1.5", "", "2"])
    assert [(item.value, item.count, item.share) for item in column.frequent] == [
        ("1.5", 2, 0.5),
        ("2.0", 1, 0.25),
    ]
    assert (column.sampled, column.sampled_gaps, column.quantiles[0]) == (4, 1, 1.5)


def test_dates_have_a_first_and_a_last() -> None:
    column = profiled(ColumnProfile("x", "datetime", 3, 1, 2, True), ["2024-02-01", "", "2023-01-31"])
    assert (column.earliest, column.latest, column.quantiles, column.histogram) == (
        "2023-01-31",
        "2024-02-01",
        (),
        None,
    )
