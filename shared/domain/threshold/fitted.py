"""What thresholds are worth by a smooth curve through the rows, in place of the few rows that happen to lie around each.

The maximum of a raw curve follows the noise of some dozens of rows. Two numbers, the logistic curve of truth on log-odds
(Platt, Probabilistic Outputs for Support Vector Machines, 1999), say how many rows of each class to expect on every part of
the scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, isfinite, log

from shared.domain.threshold.counts import Counts

#: Rows of each class that it takes at least.
LEAST_ROWS = 30
#: Expected counts are told in so small parts of a row, so that they stay counts.
PARTS = 1000
#: Steps of Newton's method, the longest of them, and what keeps the slope of rows that part cleanly from growing for ever.
_STEPS, _LONGEST, _PENALTY = 50, 3.0, 1e-3
_NEAREST = 1e-6


@dataclass(frozen=True)
class _Part:
    """Rows between two thresholds, at these log-odds."""

    odds: float
    positive: int
    negative: int


def expected(thresholds: Sequence[tuple[float, Counts]]) -> list[tuple[float, Counts]] | None:
    """The counts that are to be expected at each threshold, in PARTS of a row, ascending.

    None where the rows are too few to tell, or where higher probabilities don't go with the class.
    """
    found = sorted(thresholds, key=lambda entry: entry[0])
    if not found:
        return None
    first = found[0][1]
    if min(first.tp + first.fn, first.fp + first.tn) < LEAST_ROWS:
        return None
    second = first.tp + first.fp >= found[-1][1].tp + found[-1][1].fp
    cuts = [cut for cut, _ in found]
    counts = [count if second else count.swapped() for _, count in found]
    parts = _parts(cuts, counts)
    line = _line(parts)
    if line is None:
        return None
    told = list(zip(cuts, _sums(parts, line), strict=True))
    return told if second else [(cut, count.swapped()) for cut, count in told]


def _parts(cuts: Sequence[float], counts: Sequence[Counts]) -> list[_Part]:
    """The rows below the first threshold, between two of them each, and above the last."""
    edges = [0.0, *cuts, 1.0]
    whole = counts[0]
    above = [(whole.tp + whole.fn, whole.fp + whole.tn), *((one.tp, one.fp) for one in counts), (0, 0)]
    return [
        _Part(_odds((low + high) / 2), more[0] - fewer[0], more[1] - fewer[1])
        for low, high, more, fewer in zip(edges[:-1], edges[1:], above[:-1], above[1:], strict=True)
    ]


def _odds(share: float) -> float:
    inside = min(max(share, _NEAREST), 1 - _NEAREST)
    return log(inside / (1 - inside))


def _line(parts: Sequence[_Part]) -> tuple[float, float] | None:
    """Intercept and slope of the log-odds of truth on those of the model, by Newton's method; None where the slope isn't up."""
    held = [part for part in parts if part.positive + part.negative]
    start, slope = 0.0, 1.0
    for _ in range(_STEPS):
        pull, turn, flat, mixed, steep = 0.0, -_PENALTY * slope, 1e-12, 0.0, _PENALTY
        for part in held:
            rows, share = part.positive + part.negative, _share(start + slope * part.odds)
            off, weight = part.positive - rows * share, rows * share * (1 - share)
            pull, turn = pull + off, turn + off * part.odds
            flat, mixed, steep = (
                flat + weight,
                mixed + weight * part.odds,
                steep + weight * part.odds * part.odds,
            )
        size = flat * steep - mixed * mixed
        if size <= 0:
            break
        steps = (steep * pull - mixed * turn) / size, (flat * turn - mixed * pull) / size
        start, slope = (
            now + max(-_LONGEST, min(_LONGEST, step)) for now, step in zip((start, slope), steps, strict=True)
        )
        if max(map(abs, steps)) < 1e-9:
            break
    return (start, slope) if slope > 0 and isfinite(start) and isfinite(slope) else None


def _share(odds: float) -> float:
    return 1 / (1 + exp(-max(-700.0, min(700.0, odds))))


def _sums(parts: Sequence[_Part], line: tuple[float, float]) -> list[Counts]:
    """Expected counts at each threshold between the parts."""
    likely = []
    for part in parts:
        rows, share = part.positive + part.negative, _share(line[0] + line[1] * part.odds)
        likely.append((rows * share, rows * (1 - share)))
    below_positive = below_negative = 0.0
    positive, negative = (sum(column) for column in zip(*likely, strict=True))
    found = []
    for more, fewer in likely[:-1]:
        below_positive, below_negative = below_positive + more, below_negative + fewer
        parted = positive - below_positive, negative - below_negative, below_positive, below_negative
        found.append(Counts(*(round(PARTS * rows) for rows in parted)))
    return found
