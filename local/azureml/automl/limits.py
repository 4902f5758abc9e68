"""The job's clock: when trials must end so that everything after them still fits into the timeout."""

from __future__ import annotations

import time
from dataclasses import dataclass

# Share of the timeout kept back for the refit on all rows, the compiled form, explanations and saving.
RESERVE = 0.22
EARLIEST_STOP, PATIENCE = 20, 10


@dataclass
class Clock:
    """`start` unix seconds, `timeout_s` the job's whole time."""

    start: float
    timeout_s: float

    @property
    def end(self) -> float:
        return self.start + self.timeout_s

    @property
    def trials_end(self) -> float:
        """No trial runs beyond this moment."""
        reserve = min(max(RESERVE * self.timeout_s, 3.0), 120.0)
        return self.end - min(reserve, 0.5 * self.timeout_s)

    @property
    def refit_end(self) -> float:
        """The refit gives way to the trials' own models at this moment."""
        return self.end - min(max(0.07 * self.timeout_s, 1.5), 30.0, 0.2 * self.timeout_s)

    def left(self, moment: float) -> float:
        return moment - time.time()


class EarlyTermination:
    """Azure's rule: no stop in the first 20 trials; then stop when 10 in a row bring no better score.

    learn.microsoft.com/azure/machine-learning/how-to-configure-auto-train (early stopping). The first trial after
    which it can stop is therefore the 31st... counted from 1, and the ensembles are still built.
    """

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._seen = 0
        self._best = float("-inf")
        self._since = 0

    def add(self, score: float) -> None:
        self._seen += 1
        if score > self._best + 1e-9:
            self._best, self._since = score, 0
        elif self._seen > EARLIEST_STOP:
            self._since += 1

    @property
    def reached(self) -> bool:
        return self._enabled and self._since >= PATIENCE
