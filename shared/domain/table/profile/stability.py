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
    if numeric and not (_listed(before) and _listed(after)):
        edges = sorted(set(before.quantiles[_STEP:-1:_STEP]))
        shares = _bins(before, edges), _bins(after, edges)
    else:
        shares = _values(before, after)
    occupied = [(a, b) for a, b in zip(*shares, strict=True) if a > 0 or b > 0]
    chance = (len(occupied) - 1) * (1 / before.sampled + 1 / after.sampled)
    moved = ((max(a, _LEAST), max(b, _LEAST)) for a, b in occupied)
    return max(0.0, sum((b - a) * log(b / a) for a, b in moved) - chance)


def _gaps(column: ColumnProfile) -> float:
    return column.sampled_gaps / column.sampled


def _listed(column: ColumnProfile) -> bool:
    """Whether its most frequent values are all that it has."""
    return sum(found.count for found in column.frequent) + column.sampled_gaps == column.sampled


def _bins(column: ColumnProfile, edges: Sequence[float]) -> list[float]:
    """The share of gaps, then of the values in each bin (up to and with an edge)."""
    gaps = _gaps(column)
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
    then, now = _shares(before), _shares(after)
    unlisted = 0.0 if _listed(after) else min(now.values(), default=1.0)
    was = list(then.values())
    found = [now.get(value, min(share, unlisted)) for value, share in then.items()]
    return [_gaps(before), *was, _rest(before, was)], [_gaps(after), *found, _rest(after, found)]


def _shares(column: ColumnProfile) -> dict[str | float, float]:
    numeric = column.type in _NUMBERS
    return {
        float(found.value) if numeric else found.value: found.count / column.sampled
        for found in column.frequent
    }


def _rest(column: ColumnProfile, shares: Sequence[float]) -> float:
    rest = 1 - _gaps(column) - sum(shares)
    return rest if rest > 1e-9 else 0.0  # what rounding leaves is no share
