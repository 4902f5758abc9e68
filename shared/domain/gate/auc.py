"""AUC_weighted with DeLong's intervals: of one model, and of the difference of two over the same rows.

AUC_weighted is the mean of each class's area against all others, weighted by the class's rows
(https://learn.microsoft.com/azure/machine-learning/how-to-understand-automated-ml, classification metrics).

DeLong, DeLong, Clarke-Pearson, Comparing the Areas under Two or More Correlated ROC Curves (Biometrics 1988): an area is a
mean over pairs of rows, so each row has a share in it, and rows of a class are drawn apart from those of another. The weighted
mean is as linear, so a row's share in it is the weighted sum of its shares in the areas, with all covariances kept; with two
classes both areas are one, and the interval is DeLong's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import sqrt

from shared.domain.gate.scores import Scores
from shared.domain.gate.spans import Span

NAME = "AUC_weighted"
#: What knowing nothing reaches.
GUESSING = 0.5
#: Two-sided 5 % of the normal distribution.
_Z = 1.959964


@dataclass(frozen=True)
class Area:
    """The weighted area, and what each row has to do with it, up to a constant a class."""

    value: float
    shares: list[float]


def area(truth: Sequence[str], scores: Scores) -> Area:
    """Needs rows of two classes at least. A class that the model doesn't know has one score: its area is a half."""
    rows, counts = len(truth), Counter(truth)
    total, shares = 0.0, [0.0] * rows
    for name, own in counts.items():
        others = rows - own
        column = scores.get(name)
        if column is None:
            total += own * GUESSING
            continue
        own_seen = others_seen = 0
        ordered = sorted(range(rows), key=column.__getitem__)
        for _, tied in groupby(ordered, key=column.__getitem__):
            group = list(tied)
            mine = sum(truth[i] == name for i in group)
            theirs = len(group) - mine
            below = others_seen + theirs / 2
            above = own - own_seen - mine / 2
            for i in group:
                shares[i] += (below if truth[i] == name else above) / (rows * others)
            total += mine * below / others
            own_seen += mine
            others_seen += theirs
    return Area(total / rows, shares)


def span(truth: Sequence[str], found: Area) -> Span:
    """The area with its 95 % interval."""
    half = _half(truth, found.shares)
    return Span(found.value, max(0.0, found.value - half), min(1.0, found.value + half))


def difference(truth: Sequence[str], new: Area, old: Area) -> Span:
    """New - old with its 95 % interval."""
    value = new.value - old.value
    half = _half(truth, [a - b for a, b in zip(new.shares, old.shares, strict=True)])
    return Span(value, value - half, value + half)


def _half(truth: Sequence[str], shares: Sequence[float]) -> float:
    """Rows of a class vary among themselves; a class of one row tells nothing of it."""
    by_class: dict[str, list[float]] = {}
    for name, share in zip(truth, shares, strict=True):
        by_class.setdefault(name, []).append(share)
    variance = 0.0
    for values in by_class.values():
        n = len(values)
        if n > 1:
            mean = sum(values) / n
            variance += n / (n - 1) * sum((value - mean) ** 2 for value in values)
    return _Z * sqrt(variance)
