"""How far a column's distribution has moved between two versions: the population stability index.

PSI is the sum over bins of (b - a) ln(b / a), the shares before and after. Bins are fixed by the version before. From equal
distributions chance alone gives about (bins - 1) (1/n + 1/m) on n and m rows (Yurdakul and Naranjo, Statistical properties
of the population stability index, Journal of Risk Model Validation 14, 2020), so that much is taken off. By custom 0.1 is
some change, 0.25 is much.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from math import log

from shared.domain.schema import ColumnType
from shared.domain.table.profile.parts import QUANTILES, ColumnProfile

#: Fewer rows of either version tell nothing.
FEWEST = 100
#: Quantiles between two edges: ten bins.
_STEP = 2
#: A share of nothing would be infinitely far from any other.
_LEAST = 1e-4
_NUMBERS = ("integer", "number")


def psi(before: ColumnProfile, after: ColumnProfile) -> float | None:
    """0 for the same distribution and upwards, beyond chance; None where the two can't be compared.

    That is: fewer than 100 rows, text against numbers, dates (which move by themselves), columns without any value.
    """
    if min(before.sampled, after.sampled) < FEWEST:
        return None
    numeric = before.type in _NUMBERS and after.type in _NUMBERS
    if not numeric and (before.type != after.type or before.type == "datetime"):
        return None
    if not (before.frequent or before.quantiles) or not (after.frequent or after.quantiles):
        return None
    if numeric and not (is_listed(before) and is_listed(after)):
        edges = edges_of(before)
        shares = binned(before, edges), binned(after, edges)
    else:
        shares = _values(before, after)
    return index(*shares, before.sampled, after.sampled)


def index(before: Sequence[float], after: Sequence[float], rows_before: int, rows_after: int) -> float:
    """The stability index of shares by bin, beyond what chance alone gives on so many rows."""
    occupied = [(a, b) for a, b in zip(before, after, strict=True) if a > 0 or b > 0]
    moved = ((max(a, _LEAST), max(b, _LEAST)) for a, b in occupied)
    found = sum((b - a) * log(b / a) for a, b in moved)
    return max(0.0, found - by_chance(len(occupied), rows_before, rows_after))


def by_chance(bins: int, rows_before: int, rows_after: int) -> float:
    """What equal distributions give on average."""
    return max(0, bins - 1) * (1 / rows_before + 1 / rows_after)


def edges_of(column: ColumnProfile) -> list[float]:
    """Of a column of numbers, what parts its values into ten bins, or fewer where values repeat."""
    return sorted(set(column.quantiles[_STEP:-1:_STEP]))


def gaps_of(column: ColumnProfile) -> float:
    return column.sampled_gaps / column.sampled


def is_listed(column: ColumnProfile) -> bool:
    """Whether its most frequent values are all that it has."""
    return sum(found.count for found in column.frequent) + column.sampled_gaps == column.sampled


def binned(column: ColumnProfile, edges: Sequence[float]) -> list[float]:
    """The share of gaps, then of the values in each bin (up to and with an edge)."""
    gaps = gaps_of(column)
    below = [0.0, *(_share_up_to(edge, column.quantiles) for edge in edges), 1.0]
    return [gaps, *((1 - gaps) * (high - low) for low, high in pairwise(below))]


def _share_up_to(value: float, quantiles: Sequence[float]) -> float:
    """The share of values up to `value`, with a straight line between two quantiles."""
    above = bisect_right(quantiles, value)
    if above == 0:
        return 0.0
    if above == len(quantiles):
        return 1.0
    low, high = quantiles[above - 1], quantiles[above]
    return QUANTILES[above - 1] + (value / 2 - low / 2) / (high / 2 - low / 2) * (
        QUANTILES[above] - QUANTILES[above - 1]
    )


def _values(before: ColumnProfile, after: ColumnProfile) -> tuple[list[float], list[float]]:
    """The share of gaps, of each value that was frequent before, and of all others.

    One that is no longer among the most frequent may still be there, up to the share of the last of them: it is taken to
    have moved no more than it must.
    """
    then, now = shares_of(before), shares_of(after)
    unlisted = 0.0 if is_listed(after) else min(now.values(), default=1.0)
    was = list(then.values())
    found = [now.get(value, min(share, unlisted)) for value, share in then.items()]
    return [gaps_of(before), *was, rest_of(before, was)], [gaps_of(after), *found, rest_of(after, found)]


def shares_of(column: ColumnProfile) -> dict[str | float, float]:
    """Of its most frequent values. TRUE is true, however a file spells it."""
    shares: dict[str | float, float] = {}
    for found in column.frequent:
        value = _value(found.value, column.type)
        shares[value] = shares.get(value, 0.0) + found.count / column.sampled
    return shares


def _value(shown: str, kind: ColumnType) -> str | float:
    if kind in _NUMBERS:
        return float(shown)
    return shown.lower() if kind == "boolean" else shown


def rest_of(column: ColumnProfile, shares: Sequence[float]) -> float:
    rest = 1 - gaps_of(column) - sum(shares)
    return rest if rest > 1e-9 else 0.0  # what rounding leaves is no share
