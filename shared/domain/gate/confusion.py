"""Answers against the truth, counted, and the metrics of such counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

#: (true label, champion's answer, challenger's answer)
Cell = tuple[str, str, str]
#: (true label, answer) -> rows
Confusion = Mapping[tuple[str, str], int]
Metric = Callable[[Confusion], float]
CHAMPION, CHALLENGER = 1, 2
#: No label: files with NUL are refused.
WRONG = "\0"


def confusion(cells: Iterable[tuple[Cell, int]], who: int) -> Confusion:
    """The counts of one model's answers; `who` is CHAMPION or CHALLENGER."""
    out: dict[tuple[str, str], int] = {}
    for cell, rows in cells:
        key = (cell[0], cell[who])
        out[key] = out.get(key, 0) + rows
    return out


def class_rows(counts: Confusion) -> Counter[str]:
    """Rows of each class that occurs."""
    totals: Counter[str] = Counter()
    for (truth, _), rows in counts.items():
        totals[truth] += rows
    return totals


def recalls(counts: Confusion) -> dict[str, float]:
    """The share of each class's rows that were answered right."""
    return {c: counts.get((c, c), 0) / total for c, total in class_rows(counts).items()}


def balanced_accuracy(counts: Confusion) -> float:
    """Mean recall over the classes that occur."""
    found = recalls(counts)
    return sum(found.values()) / len(found)


def accuracy(counts: Confusion) -> float:
    """The share of rows that were answered right."""
    right = sum(rows for (truth, answer), rows in counts.items() if truth == answer)
    return right / sum(counts.values())


def norm_macro_recall(counts: Confusion) -> float:
    """Balanced accuracy between guessing (0) and knowing (1), by Azure's definition: (recall - 1/C) / (1 - 1/C)."""
    guessing = 1 / len(class_rows(counts))
    found = balanced_accuracy(counts)
    return found if guessing == 1 else (found - guessing) / (1 - guessing)


def precision_score_weighted(counts: Confusion) -> float:
    """Mean of the classes' precisions, weighted by their rows; nothing where a class was never answered."""
    true = class_rows(counts)
    answered = _answered(counts)
    found = sum(true[c] * counts.get((c, c), 0) / answered[c] for c in true if answered[c])
    return found / true.total()


def _answered(counts: Confusion) -> Counter[str]:
    answered: Counter[str] = Counter()
    for (_, answer), rows in counts.items():
        answered[answer] += rows
    return answered


def f1_macro(counts: Confusion) -> float:
    """Unweighted mean of the classes' F1, over the classes that occur among the true labels."""
    true = class_rows(counts)
    answered = _answered(counts)
    return sum(2 * counts.get((c, c), 0) / (answered[c] + true[c]) for c in true) / len(true)


def right_or_wrong(cells: Iterable[tuple[Cell, int]]) -> dict[Cell, int]:
    """Fewer cells, with WRONG for whatever a wrong answer was: all that recall and accuracy ask."""
    out: dict[Cell, int] = {}
    for (truth, old, new), rows in cells:
        key = (truth, truth if old == truth else WRONG, truth if new == truth else WRONG)
        out[key] = out.get(key, 0) + rows
    return out


METRICS: dict[str, Metric] = {
    "balanced_accuracy": balanced_accuracy,
    "accuracy": accuracy,
    "f1_macro": f1_macro,
    "norm_macro_recall": norm_macro_recall,
    "precision_score_weighted": precision_score_weighted,
}
#: Metrics that ask what a wrong answer was.
OF_WRONG_ANSWERS = frozenset({"f1_macro", "precision_score_weighted"})
