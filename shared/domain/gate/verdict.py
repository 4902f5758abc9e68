"""What the gate is asked and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Decision = Literal["promote", "reject"]
#: `not_worse` promotes what is not worse by more than the margin, `better` only what is proven better.
Policy = Literal["not_worse", "better"]
#: How much the holdout can say: fewer than 30 rows of a class (or, in a regression, altogether) are little.
Evidence = Literal["enough", "little", "none"]


@dataclass(frozen=True)
class GateConfig:
    """What the gate asks of a challenger. `margin` and `floor` are in units of `metric`."""

    metric: str = "balanced_accuracy"
    margin: float = 0.005
    #: A first model must lie above it, besides beating guessing.
    floor: float = 0.0
    insufficient_evidence: Decision = "promote"
    allow_schema_change: bool = False
    policy: Policy = "not_worse"


@dataclass(frozen=True)
class ClassRecall:
    """Recall of one class over its `rows` in the holdout; `champion` is None for a first model."""

    label: str
    rows: int
    challenger: float
    champion: float | None = None


@dataclass(frozen=True)
class Verdict:
    """The gate's answer with its numbers. `low` and `high` bound the difference (challenger - champion) at 95 %.

    `guessing` is what guessing reaches in `guess_metric` and `guess_low` the lower bound of what the challenger does.
    """

    decision: Decision
    reason: str
    metric: str = "balanced_accuracy"
    challenger: float = 0.0
    champion: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    margin: float = 0.0
    rows: int = 0
    smallest_class: int = 0
    policy: Policy = "not_worse"
    evidence: Evidence = "enough"
    floor: float | None = None
    guess_metric: str | None = None
    guessing: float | None = None
    guess_low: float | None = None
    per_class: tuple[ClassRecall, ...] = ()
