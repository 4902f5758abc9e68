"""Right and wrong answers of two classes, counted, and what such counts are worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt


@dataclass(frozen=True)
class Cost:
    """What one wrong answer of each kind costs, in whatever unit."""

    false_positive: float = 1.0
    false_negative: float = 1.0


@dataclass(frozen=True)
class Counts:
    """Rows by truth and answer; positive is the class that is looked for."""

    tp: int
    fp: int
    fn: int
    tn: int

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)

    def swapped(self) -> Counts:
        """With the other class as the positive one."""
        return Counts(self.tn, self.fn, self.fp, self.tp)

    @property
    def rows(self) -> int:
        return self.tp + self.fp + self.fn + self.tn

    @property
    def precision(self) -> float | None:
        """Of the rows answered positive, those that are; None where none was."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else None

    @property
    def recall(self) -> float | None:
        """Of the positive rows, those answered so; None where there is none."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else None

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where nothing is or was called positive."""
        wrong = self.fp + self.fn
        return 2 * self.tp / (2 * self.tp + wrong) if self.tp else 0.0

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes that occur."""
        recalls = [
            right / all_of
            for right, all_of in ((self.tp, self.tp + self.fn), (self.tn, self.tn + self.fp))
            if all_of
        ]
        return sum(recalls) / len(recalls) if recalls else 0.0

    @property
    def mcc(self) -> float:
        """Matthews' correlation of truth and answer; 0 where either has one class alone (Chicco & Jurman 2020)."""
        product = (self.tp + self.fp) * (self.tp + self.fn) * (self.tn + self.fp) * (self.tn + self.fn)
        return (self.tp * self.tn - self.fp * self.fn) / sqrt(product) if product else 0.0

    @property
    def accuracy(self) -> float:
        return (self.tp + self.tn) / self.rows if self.rows else 0.0

    def cost(self, cost: Cost) -> float:
        """Of all rows together."""
        return cost.false_positive * self.fp + cost.false_negative * self.fn


#: What a rule may maximise.
METRICS: dict[str, Callable[[Counts], float]] = {
    "f1": lambda counts: counts.f1,
    "balanced_accuracy": lambda counts: counts.balanced_accuracy,
    "mcc": lambda counts: counts.mcc,
}


@dataclass(frozen=True)
class Tradeoff:
    """What answers by one threshold are worth. `cost` is that of all rows together, where the rule has one."""

    tp: int
    fp: int
    fn: int
    tn: int
    precision: float | None
    recall: float | None
    f1: float
    balanced_accuracy: float
    mcc: float
    accuracy: float
    cost: float | None = None


def tradeoff(counts: Counts, cost: Cost | None = None) -> Tradeoff:
    """The counts with their numbers, rounded to six places."""
    precision, recall = counts.precision, counts.recall
    return Tradeoff(
        counts.tp,
        counts.fp,
        counts.fn,
        counts.tn,
        None if precision is None else round(precision, 6),
        None if recall is None else round(recall, 6),
        round(counts.f1, 6),
        round(counts.balanced_accuracy, 6),
        round(counts.mcc, 6),
        round(counts.accuracy, 6),
        None if cost is None else round(counts.cost(cost), 6),
    )
