"""The gate: may the challenger replace the champion? Pure statistics over the same holdout rows.

Labels only: MLflow no-code deployments answer labels. The difference is judged by a paired bootstrap within classes
(Efron & Tibshirani, An Introduction to the Bootstrap, ch. 8): rows are resampled with both answers attached.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

RESAMPLES = 1000
#: Under so many holdout rows of a class the comparison says little.
MIN_CLASS_ROWS = 30

#: (true label, champion's answer, challenger's answer) -> rows
Cells = Counter[tuple[str, str, str]]
#: (true label, answer) -> rows
Confusion = Counter[tuple[str, str]]


def balanced_accuracy(confusion: Confusion) -> float:
    """Mean recall over the classes that occur."""
    totals: Counter[str] = Counter()
    for (truth, _), rows in confusion.items():
        totals[truth] += rows
    return sum(confusion[(c, c)] / total for c, total in totals.items()) / len(totals)


def accuracy(confusion: Confusion) -> float:
    return sum(rows for (truth, answer), rows in confusion.items() if truth == answer) / confusion.total()


def f1_macro(confusion: Confusion) -> float:
    """Unweighted mean of the classes' F1, over the classes that occur among the true labels."""
    classes = {truth for truth, _ in confusion}
    scores = []
    for c in classes:
        hit = confusion[(c, c)]
        answered = sum(rows for (_, answer), rows in confusion.items() if answer == c)
        true = sum(rows for (truth, _), rows in confusion.items() if truth == c)
        scores.append(2 * hit / (answered + true))
    return sum(scores) / len(scores)


METRICS: dict[str, Callable[[Confusion], float]] = {
    "balanced_accuracy": balanced_accuracy,
    "accuracy": accuracy,
    "f1_macro": f1_macro,
}


def canonical_label(text: str) -> str:
    """One spelling for labels that differ in type only: a file's `True` or `1.0` is an answer's `true` or `1`."""
    if text.lower() in ("true", "false"):
        return text.lower()
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else str(number)


@dataclass(frozen=True)
class Verdict:
    """The gate's answer with its numbers. `low` and `high` bound the difference (challenger - champion) at 95 %."""

    decision: str  # promote | reject
    reason: str
    metric: str
    challenger: float
    champion: float | None
    difference: float | None
    low: float | None
    high: float | None
    margin: float
    rows: int
    smallest_class: int

    def to_dict(self) -> dict[str, Any]:
        return {k: round(v, 6) if isinstance(v, float) else v for k, v in asdict(self).items()}


def _confusion(cells: Iterable[tuple[tuple[str, str, str], int]], answer: int) -> Confusion:
    out: Confusion = Counter()
    for cell, rows in cells:
        out[(cell[0], cell[answer])] += rows
    return out


def bootstrap_interval(cells: Cells, metric: Callable[[Confusion], float], seed: str) -> tuple[float, float]:
    """95 % interval of the difference. Resampling whole cells within a class equals resampling its rows."""
    rng = random.Random(seed)
    by_class: dict[str, list[tuple[tuple[str, str, str], int]]] = {}
    for cell, rows in sorted(cells.items()):
        by_class.setdefault(cell[0], []).append((cell, rows))
    differences = []
    for _ in range(RESAMPLES):
        drawn: Cells = Counter()
        for members in by_class.values():
            weights = [rows for _, rows in members]
            drawn.update(rng.choices([cell for cell, _ in members], weights, k=sum(weights)))
        items = drawn.items()
        differences.append(metric(_confusion(items, 2)) - metric(_confusion(items, 1)))
    differences.sort()
    return differences[int(0.025 * RESAMPLES)], differences[int(0.975 * RESAMPLES) - 1]


def _common(truth: Sequence[str], metric_name: str) -> tuple[Callable[[Confusion], float], int]:
    return METRICS[metric_name], min(Counter(truth).values())


def judge_first(
    truth: Sequence[str], challenger: Sequence[str], *, metric: str, floor: float, insufficient: str
) -> Verdict:
    """No champion yet: the model must clear the floor."""
    if not truth:
        reason = f"insufficient evidence: the holdout is empty; the setting says {insufficient}"
        return Verdict(insufficient, reason, metric, 0.0, None, None, None, None, 0.0, 0, 0)
    measure, smallest = _common(truth, metric)
    value = measure(Counter(zip(truth, challenger, strict=True)))
    if value >= floor:
        decision, reason = "promote", f"no champion yet; {metric} {value:.4f} clears the floor {floor:.4f}"
    else:
        decision, reason = "reject", f"no champion yet; {metric} {value:.4f} is under the floor {floor:.4f}"
    if smallest < MIN_CLASS_ROWS:
        reason = f"insufficient evidence ({smallest} holdout rows of the rarest class); " + reason
        decision = insufficient
    return Verdict(decision, reason, metric, value, None, None, None, None, floor, len(truth), smallest)


def judge(
    truth: Sequence[str],
    champion: Sequence[str],
    challenger: Sequence[str],
    *,
    metric: str,
    margin: float,
    insufficient: str,
    seed: str,
) -> Verdict:
    """Promote when the challenger is better, or not worse than the champion by more than `margin`.

    "Not worse" asks more than a lucky point estimate: it takes a difference of at least -margin, and an interval that
    doesn't lie wholly below zero.
    """
    if not truth:
        reason = f"insufficient evidence: no shared holdout rows; the setting says {insufficient}"
        return Verdict(insufficient, reason, metric, 0.0, None, None, None, None, margin, 0, 0)
    measure, smallest = _common(truth, metric)
    cells: Cells = Counter(zip(truth, champion, challenger, strict=True))
    old, new = measure(_confusion(cells.items(), 1)), measure(_confusion(cells.items(), 2))
    low, high = bootstrap_interval(cells, measure, seed)
    difference = new - old
    if low > 0:
        decision, reason = "promote", f"better: {metric} {new:.4f} against {old:.4f}"
    elif difference >= -margin and high >= 0:
        decision, reason = "promote", f"not worse within the margin {margin}: {new:.4f} against {old:.4f}"
    else:
        decision, reason = "reject", f"worse: {metric} {new:.4f} against {old:.4f}"
    if smallest < MIN_CLASS_ROWS:
        reason = f"insufficient evidence ({smallest} holdout rows of the rarest class; the setting says {insufficient}); {reason}"
        decision = insufficient
    return Verdict(decision, reason, metric, new, old, difference, low, high, margin, len(truth), smallest)


def judge_regression(
    truth: Sequence[float],
    challenger: Sequence[float],
    champion: Sequence[float] | None,
    *,
    margin: float,
    seed: str,
) -> Verdict:
    """Regression: R2 on the holdout; paired bootstrap over rows. A first model must beat the mean (R2 > 0)."""
    name = "r2_score"
    if not truth:
        return Verdict(
            "promote",
            "insufficient evidence: the holdout is empty",
            name,
            0,
            None,
            None,
            None,
            None,
            margin,
            0,
            0,
        )
    new = _r2(truth, challenger)
    if champion is None:
        decision = "promote" if new > 0 else "reject"
        reason = f"no champion yet; {name} {new:.4f} {'beats' if new > 0 else 'does not beat'} the mean"
        return Verdict(decision, reason, name, new, None, None, None, None, margin, len(truth), len(truth))
    old = _r2(truth, champion)
    low, high = _r2_interval(truth, champion, challenger, seed)
    difference = new - old
    if low > 0:
        decision, reason = "promote", f"better: {name} {new:.4f} against {old:.4f}"
    elif difference >= -margin and high >= 0:
        decision, reason = "promote", f"not worse within the margin {margin}: {new:.4f} against {old:.4f}"
    else:
        decision, reason = "reject", f"worse: {name} {new:.4f} against {old:.4f}"
    return Verdict(decision, reason, name, new, old, difference, low, high, margin, len(truth), len(truth))


def _r2(truth: Sequence[float], answer: Sequence[float]) -> float:
    mean = sum(truth) / len(truth)
    total = sum((t - mean) ** 2 for t in truth)
    error = sum((t - a) ** 2 for t, a in zip(truth, answer, strict=True))
    return 1 - error / total if total else 0.0


def _r2_interval(
    truth: Sequence[float], champion: Sequence[float], challenger: Sequence[float], seed: str
) -> tuple[float, float]:
    """95 % interval of the difference in R2 over resampled rows."""
    rng = random.Random(seed)
    mean = sum(truth) / len(truth)
    rows = [
        ((t - old) ** 2 - (t - new) ** 2, (t - mean) ** 2)
        for t, old, new in zip(truth, champion, challenger, strict=True)
    ]
    differences = []
    for _ in range(RESAMPLES):
        drawn = rng.choices(rows, k=len(rows))
        total = sum(spread for _, spread in drawn)
        differences.append(sum(gain for gain, _ in drawn) / total if total else 0.0)
    differences.sort()
    return differences[int(0.025 * RESAMPLES)], differences[int(0.975 * RESAMPLES) - 1]
