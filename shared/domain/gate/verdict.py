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
    """What the gate asks of a challenger. `margin`, `earlier_margin` and `floor` are in units of `metric`.

    `metric` auto is the run's primary metric where deployments answer probabilities, else balanced accuracy.
    """

    metric: str = "auto"
    margin: float = 0.005
    #: A first model must lie above it, besides beating guessing.
    floor: float = 0.0
    insufficient_evidence: Decision = "promote"
    allow_schema_change: bool = False
    policy: Policy = "not_worse"
    #: How much worse a challenger may be on the holdout of the champion's own file.
    earlier_margin: float = 0.02
    #: The share of its lead over guessing that a champion may lose on a new file before the file is suspicious.
    collapse: float = 0.3


@dataclass(frozen=True)
class ClassRecall:
    """Recall of one class over its `rows` in the holdout; `champion` is None for a first model."""

    label: str
    rows: int
    challenger: float
    champion: float | None = None


@dataclass(frozen=True)
class Latency:
    """Medians over `calls` pairs of calls, of `rows` rows each: one to the challenger, one to the champion."""

    calls: int
    rows: int
    challenger_ms: float
    champion_ms: float


@dataclass(frozen=True)
class Earlier:
    """The same comparison on the holdout of the champion's own file; `left_out`: rows that one of them can't take."""

    rows: int
    metric: str
    challenger: float
    champion: float
    difference: float
    low: float
    high: float
    left_out: int = 0


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
    #: Why the file's labels are not to be trusted, as a sentence; the decision is then `reject`.
    suspicious: str | None = None
    #: What speaks against the challenger itself, whether or not the file is suspicious.
    objection: str | None = None
    #: Why another metric was taken than was asked for, and what was not compared.
    note: str | None = None
    #: Expected calibration errors, where there are probabilities.
    calibration_error: float | None = None
    champion_calibration_error: float | None = None
    #: What the champion reaches in `guess_metric`, and its lower bound.
    champion_guess: float | None = None
    champion_guess_low: float | None = None
    #: What the challenger itself reaches in `guess_metric`, and its upper bound; lack in what earlier releases wrote.
    guess: float | None = None
    guess_high: float | None = None
    latency: Latency | None = None
    earlier: Earlier | None = None
    #: How far its probabilities lie from the champion's on the holdout, where it is proven better: the canary expects that.
    score_distance: float | None = None
