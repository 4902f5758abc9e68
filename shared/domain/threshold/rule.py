"""How a threshold is to be chosen, and what a run keeps of the choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shared.domain.threshold.counts import Cost, Tradeoff

Maximise = Literal["f1", "balanced_accuracy", "mcc"]


@dataclass(frozen=True)
class ThresholdRule:
    """One of the first five is said. `positive` is the class that the others speak of; None: the rarer one.

    `value` is a threshold itself: a probability of the second class, whichever class is positive.
    """

    maximise: Maximise | None = None
    #: The highest recall with at least this precision, and the other way round.
    min_precision: float | None = None
    min_recall: float | None = None
    cost: Cost | None = None
    value: float | None = None
    positive: str | None = None

    def __str__(self) -> str:
        """As a person would say it: `maximise f1`."""
        if self.cost is not None:
            return f"cost {self.cost.false_positive:g} a false positive, {self.cost.false_negative:g} a false negative"
        for name in ("maximise", "min_precision", "min_recall"):
            said = getattr(self, name)
            if said is not None:
                return f"{name} {said}"
        return f"{self.value}"


@dataclass(frozen=True)
class Threshold:
    """A run's threshold. The second of `classes` is answered where its probability is at least `value`.

    None: the more probable class is answered; `note` says why, where a rule was to choose one. A rule chooses on one half
    of the holdout's rows (`chosen_on`); what it is worth is told by the other (`reported_on`), beside what the more probable
    class is worth there (`plain`). A number that was said is told by all rows.
    """

    value: float | None = None
    rule: ThresholdRule | None = None
    classes: tuple[str, ...] = ()
    positive: str = ""
    chosen_on: Tradeoff | None = None
    reported_on: Tradeoff | None = None
    plain: Tradeoff | None = None
    note: str = ""
    #: Who set it, when (unix seconds), and what they said of it.
    actor: str = "dropml"
    at: float = 0.0
    comment: str = ""
    #: Whether the deployment itself answers by it: it does, it lacks it, or it is being given it.
    deployment: Literal["follows", "lacks", "updating"] = "follows"
