"""Judging numbers by R2 over the same holdout rows.

A difference in R2 is a ratio of sums over rows; its interval is Student's t of the linearised ratio (Cochran, Sampling
Techniques, 1977, ch. 6).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from shared.domain.gate.rules import (
    MIN_CLASS_ROWS,
    Comparison,
    Guess,
    Measured,
    decide,
)
from shared.domain.gate.spans import Span
from shared.domain.gate.verdict import GateConfig, Verdict

METRIC = "r2_score"
#: Errors are capped here (and their squares at its square), so that a wild answer stays a number.
_CAP = 1e50
#: A squared spread below this is none.
_NO_SPREAD = 1e-100


def judge_regression(
    truth: Sequence[float],
    challenger: Sequence[float],
    champion: Sequence[float] | None,
    config: GateConfig,
) -> Verdict:
    """As for labels; guessing is to answer the mean (R2 = 0). Without a champion pass None."""
    return decide(measure_numbers(truth, challenger, champion), config)


def measure_numbers(
    truth: Sequence[float], challenger: Sequence[float], champion: Sequence[float] | None
) -> Measured:
    """R2 of both and of their difference."""
    mean = sum(truth) / len(truth) if truth else 0.0
    spread = [_squared(t - mean) for t in truth]
    if sum(spread) <= _NO_SPREAD:
        why = "the holdout is empty" if not truth else "the holdout's labels are all the same"
        return Measured(METRIC, 0.0, None, len(truth), len(truth), nothing=why)
    new = _errors(truth, challenger)
    value, low, high = _ratio([s - e for s, e in zip(spread, new, strict=True)], spread)
    against = before = None
    if champion is not None:
        old = _errors(truth, champion)
        was, was_low, was_high = _ratio([s - e for s, e in zip(spread, old, strict=True)], spread)
        before = Guess(METRIC, was, was_low, 0.0, was_high)
        against = Comparison(was, *_ratio([e - n for e, n in zip(old, new, strict=True)], spread))
    rows = len(truth)
    shortage = f"{rows} holdout rows" if rows < MIN_CLASS_ROWS else None
    guess, span = Guess(METRIC, value, low, 0.0, high), Span(value, low, high)
    return Measured(
        METRIC, value, guess, rows, rows, against, shortage=shortage, champion_guess=before, span=span
    )


def _squared(error: float) -> float:
    return min(_CAP * _CAP, error * error)  # NaN, too, is as bad as can be: nothing is less than it


def _errors(truth: Sequence[float], answers: Sequence[float]) -> list[float]:
    return [_squared(t - a) for t, a in zip(truth, answers, strict=True)]


def _ratio(gains: Sequence[float], spread: Sequence[float]) -> tuple[float, float, float]:
    """sum(gains) / sum(spread) with its 95 % interval."""
    total, n = sum(spread), len(spread)
    ratio = sum(gains) / total
    scatter = sum(min(abs(g - ratio * s), _CAP * _CAP) ** 2 for g, s in zip(gains, spread, strict=True))
    half = _t(n - 1) * sqrt(scatter * n / (n - 1)) / total
    return ratio, ratio - half, ratio + half


def _t(df: int) -> float:
    """97.5th percentile of Student's t (Cornish-Fisher expansion; Abramowitz & Stegun 26.7.5), low under df = 3."""
    z = 1.959964
    return z + (z**3 + z) / (4 * df) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df * df)
