"""The threshold that a rule asks for, out of those that there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.domain.threshold.counts import METRICS, Counts
from shared.domain.threshold.fitted import expected
from shared.domain.threshold.rule import ThresholdRule

#: A share below its bound by no more than this is rounding.
_ROUNDING = 1e-12
#: The share of the best worth by which that of a smooth curve's choice may fall short: more is no noise, the curve doesn't fit.
CLEARLY_LESS = 0.1


@dataclass(frozen=True)
class Chosen:
    """A threshold; or None, and why the rule finds none."""

    threshold: float | None
    why: str = ""


def chosen(rule: ThresholdRule, thresholds: Sequence[tuple[float, Counts]]) -> Chosen:
    """What the rule makes of the thresholds and their counts. Of equally good ones the nearest to one half is taken."""
    if rule.value is not None:
        return Chosen(rule.value)
    if not thresholds:
        return Chosen(None, "there are no rows to choose it on")
    first = thresholds[0][1]
    for rows, which in ((first.tp + first.fn, "positive"), (first.fp + first.tn, "other")):
        if not rows:
            return Chosen(None, f"the rows to choose it on hold none of the {which} class")
    if rule.min_precision is not None:
        return _bounded("precision", "recall", rule.min_precision, thresholds)
    if rule.min_recall is not None:
        return _bounded("recall", "precision", rule.min_recall, thresholds)
    if rule.cost is not None:
        cost = rule.cost
        return Chosen(_smoothly_best(thresholds, lambda counts: -counts.cost(cost)))
    return Chosen(_smoothly_best(thresholds, METRICS[rule.maximise or "f1"]))


def _smoothly_best(thresholds: Sequence[tuple[float, Counts]], metric: Callable[[Counts], float]) -> float:
    """Where a smooth curve through the rows is worth most, unless the rows are worth clearly less there than at best."""
    raw, smooth = best(thresholds, one(metric)), expected(thresholds)
    if smooth is None:
        return raw
    chosen_by, worth = best(smooth, one(metric)), {cut: metric(counts) for cut, counts in thresholds}
    return chosen_by if worth[chosen_by] >= worth[raw] - CLEARLY_LESS * abs(worth[raw]) else raw


def one(metric: Callable[[Counts], float]) -> Callable[[Counts], tuple[float, ...]]:
    """What counts are worth by one metric alone."""
    return lambda counts: (metric(counts),)


def best(thresholds: Sequence[tuple[float, Counts]], worth: Callable[[Counts], tuple[float, ...]]) -> float:
    """The threshold whose counts are worth most."""

    def rank(entry: tuple[float, Counts]) -> tuple[tuple[float, ...], float, float]:
        threshold, counts = entry
        return worth(counts), -abs(threshold - 0.5), -threshold

    return max(thresholds, key=rank)[0]


def _bounded(bound: str, most: str, least: float, thresholds: Sequence[tuple[float, Counts]]) -> Chosen:
    """The most of one share with at least so much of the other."""

    def shares(counts: Counts) -> tuple[float, float]:
        """`most`, then `bound`; -1 for a share of no rows, which reaches nothing."""
        known = {"precision": counts.precision, "recall": counts.recall}
        first, second = known[most], known[bound]
        return -1.0 if first is None else first, -1.0 if second is None else second

    reach = [entry for entry in thresholds if shares(entry[1])[1] >= least - _ROUNDING]
    if reach:
        return Chosen(best(reach, shares))
    highest = best(thresholds, lambda counts: shares(counts)[::-1])
    there = next(counts for threshold, counts in thresholds if threshold == highest)
    other, top = shares(there)
    return Chosen(
        None,
        f"a {bound} of {least:g} is out of reach: the highest is {top:.4f}, with a {most} of {other:.4f}, at the "
        f"threshold {highest:g}",
    )
