"""The figures of one column, from the rows of a sample."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from math import isfinite

from shared.domain.schema import ColumnType
from shared.domain.table.profile.parts import (
    BINS,
    FREQUENT,
    QUANTILES,
    SHOWN,
    ColumnProfile,
    Frequent,
    Histogram,
)
from shared.domain.table.profile.readings import numbers
from shared.domain.table.profile.sketches import estimated


def profiled(whole: ColumnProfile, sample: Sequence[str]) -> ColumnProfile:
    """What is known of all rows, with what the sample's values add; gaps are the empty string."""
    gaps, ordered = sample.count(""), list[float]()
    if whole.type in ("integer", "number"):
        ordered = sorted(value for value in numbers(sample) if value is not None)
        values: Mapping[str, int] = {plain(x, whole.type): count for x, count in Counter(ordered).items()}
    else:
        values = Counter(filter(None, sample))
    if not whole.distinct_exact:
        known = whole.rows - whole.gaps
        whole = replace(
            whole, distinct=estimated(values.values(), known), distinct_exact=len(sample) == whole.rows
        )
    dated = whole.type == "datetime" and values
    return replace(
        whole,
        sampled=len(sample),
        sampled_gaps=gaps,
        earliest=min(values) if dated else "",
        latest=max(values) if dated else "",
        quantiles=quantiles(ordered),
        frequent=frequent(values, len(sample)),
        histogram=histogram(ordered),
    )


def plain(value: float, kind: ColumnType) -> str:
    """A number as it is shown among others of its column."""
    return str(int(value)) if kind == "integer" else repr(value)


def shown(value: str) -> str:
    """A value as it may be shown: bounded in length."""
    return value if len(value) <= SHOWN else f"{value[: SHOWN - 1]}…"


def frequent(values: Mapping[str, int], rows: int) -> tuple[Frequent, ...]:
    """The most frequent of the values, gaps left out; of many values, only those that occur more than once."""
    found = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    if len(found) > FREQUENT:
        found = [(value, count) for value, count in found[:FREQUENT] if count > 1]
    return tuple(Frequent(shown(value), count, round(count / rows, 6)) for value, count in found)


def quantiles(ordered: Sequence[float]) -> tuple[float, ...]:
    """At QUANTILES: each a value that occurs (the smallest that at least so large a share doesn't exceed)."""
    if not ordered:
        return ()
    steps = len(QUANTILES) - 1
    return tuple(ordered[max(0, -(-step * len(ordered) // steps) - 1)] for step in range(steps + 1))


def histogram(ordered: Sequence[float]) -> Histogram | None:
    """Bins of equal width over the range of the values; one bin where there is one value."""
    if not ordered:
        return None
    low, high = ordered[0], ordered[-1]
    width = (high - low) / BINS
    if not (width > 0 and isfinite(width) and low + width > low and high - width < high):
        return Histogram((low, high), (len(ordered),))
    edges = (*(low + width * step for step in range(BINS)), high)
    below = [*(bisect_left(ordered, edge) for edge in edges[:-1]), len(ordered)]
    return Histogram(edges, tuple(end - start for start, end in pairwise(below)))
