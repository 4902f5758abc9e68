"""What each threshold trades, in a bounded number of points."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import nextafter

from shared.domain.threshold.counts import Counts

#: The threshold that answers as a model without one: of two equal probabilities the first class wins.
PLAIN = nextafter(0.5, 1.0)
#: Most points of a curve.
MOST_POINTS = 200
#: Before a row in what is hashed: the halves must follow neither the hash that held the row out nor the gate's draw.
_SALT = "threshold\x1f"


class Graded:
    """Rows with the probability of the second class; counts answers by any threshold in the time of a search."""

    def __init__(self, rows: Iterable[tuple[bool, float]], *, second: bool = True) -> None:
        """`rows`: whether a row is of the positive class, and the probability of the second one, which `second` says is
        the positive one.
        """
        found = list(rows)
        self.positive = sorted(share for positive, share in found if positive)
        self.negative = sorted(share for positive, share in found if not positive)
        self.second = second

    def counts(self, threshold: float) -> Counts:
        """Of answers by this threshold."""
        below, wrong_below = bisect_left(self.positive, threshold), bisect_left(self.negative, threshold)
        above, wrong_above = len(self.positive) - below, len(self.negative) - wrong_below
        if self.second:
            return Counts(above, wrong_above, below, wrong_below)
        return Counts(below, wrong_below, above, wrong_above)

    def cuts(self) -> list[float]:
        """A threshold for each way in which the rows can be parted, ascending; none is nearer to a row than it must be."""
        shares = sorted({*self.positive, *self.negative})
        inner = [between(low, high) for low, high in pairwise(shares)]
        return [0.0, *inner, *([1.0] if not shares or shares[-1] < 1 else [])]


def between(low: float, high: float) -> float:
    """The number with the fewest digits near the middle that is above `low` and not above `high`."""
    middle = low + (high - low) / 2
    for digits in range(1, 18):
        rounded = round(middle, digits)
        if low < rounded <= high:
            return rounded
    return high


@dataclass(frozen=True)
class Point:
    """A threshold with its answers over the half on which thresholds are chosen, and over the other.

    Every threshold above `over` and up to `upto`, the probabilities of the rows around it, answers the same; None in curves
    of earlier releases.
    """

    threshold: float
    chosen_on: Counts
    reported_on: Counts
    over: float | None = None
    upto: float | None = None

    def holds_at(self, threshold: float) -> bool:
        """Whether answers by this threshold are known to be the point's own."""
        if self.over is None or self.upto is None:
            return threshold == self.threshold
        return self.over < threshold <= self.upto

    @property
    def whole(self) -> Counts:
        return self.chosen_on + self.reported_on

    def swapped(self) -> Point:
        """With the other class as the positive one."""
        return replace(self, chosen_on=self.chosen_on.swapped(), reported_on=self.reported_on.swapped())


@dataclass(frozen=True)
class Curve:
    """What every threshold of a run's model trades on the holdout: `dropml-state/thresholds/{run_id}.json`."""

    run_id: str
    classes: tuple[str, ...]
    positive: str
    points: tuple[Point, ...] = ()
    #: Those of the thresholds that the gate's rules chose from, or would have chosen: all there were, where they are few.
    cuts: tuple[float, ...] = ()

    def choices(self) -> list[tuple[float, Counts]]:
        """What a rule chooses from. Of thresholds that part the rows alike the gate's own stands for all, so that the same
        rule chooses the same later.
        """
        known = frozenset(self.cuts)
        own = {point.chosen_on for point in self.points if point.threshold in known}
        return [
            (point.threshold, point.chosen_on)
            for point in self.points
            if point.threshold in known or point.chosen_on not in own
        ]

    def of(self, positive: str) -> Curve:
        """The curve with this class as the positive one."""
        if positive == self.positive:
            return self
        return replace(self, positive=positive, points=tuple(point.swapped() for point in self.points))


def points(
    choosing: Graded, reporting: Graded, keep: Iterable[float], most: int = MOST_POINTS
) -> list[Point]:
    """The curve, ascending by threshold: those to `keep` exactly, and others spread evenly over both classes' rows."""
    whole = Graded([], second=choosing.second)
    whole.positive = sorted(choosing.positive + reporting.positive)
    whole.negative = sorted(choosing.negative + reporting.negative)
    kept = sorted(set(keep))
    others = [cut for cut in whole.cuts() if cut not in set(kept)]
    room = max(0, most - len(kept))
    if len(others) > room:
        others = _spread(others, whole, room)
    thresholds = sorted({*kept, *others})
    shares = sorted(whole.positive + whole.negative)
    return [Point(t, choosing.counts(t), reporting.counts(t), *_around(t, shares)) for t in thresholds]


def _around(threshold: float, shares: Sequence[float]) -> tuple[float, float]:
    """The last probability below a threshold and the first one that is not; -1 and 2 where no row has one."""
    at = bisect_left(shares, threshold)
    return shares[at - 1] if at else -1.0, shares[at] if at < len(shares) else 2.0


def _spread(cuts: Sequence[float], whole: Graded, most: int) -> list[float]:
    """At most so many of the cuts, at even steps of (recall of one class + recall of the other)."""

    def at(cut: float) -> float:
        lower = [bisect_left(rows, cut) / len(rows) for rows in (whole.positive, whole.negative) if rows]
        return sum(lower) / len(lower)

    if most < 1 or not (whole.positive or whole.negative):
        return []
    chosen: list[float] = []
    for cut in cuts:
        if at(cut) * (most - 1) >= len(chosen) and len(chosen) < most:
            chosen.append(cut)
    return chosen


def first_half(row: Sequence[object]) -> bool:
    """Whether thresholds are chosen on this row, or told by it. The same row is always on the same side."""
    text = _SALT + "\x1f".join(map(str, row))
    return hashlib.sha256(text.encode()).digest()[0] < 128
