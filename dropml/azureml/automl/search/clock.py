"""The job's clock: when trials must end so that everything after them still fits into the timeout."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass
class Clock:
    """`start` as of `time.monotonic()`, which no jump of the clock moves; `timeout_s` the job's whole time.

    `refit_s` is what fitting the likely best model on all rows would take, as far as it is known. A guard that keeps
    less than about a fifth of the time overshoots on a busy machine: estimates are kept with a margin.
    """

    start: float
    timeout_s: float
    refit_s: float | None = None

    @property
    def end(self) -> float:
        return self.start + self.timeout_s

    @property
    def finish_s(self) -> float:
        """Putting together, saving, compiling, checking and explaining the best model."""
        return min(max(0.06 * self.timeout_s, 2.5), 20.0, 0.25 * self.timeout_s)

    @property
    def trials_end(self) -> float:
        """No trial runs beyond this moment."""
        guess = 0.15 * self.timeout_s if self.refit_s is None else 1.4 * self.refit_s
        if guess > 0.35 * self.timeout_s:  # too long: the trials' own models will do, and get that time
            guess = 0.0
        return self.refit_end - max(guess, 0.04 * self.timeout_s)

    @property
    def refit_end(self) -> float:
        """The refit gives way to the trials' own models at this moment."""
        return self.end - self.finish_s

    def left(self, moment: float) -> float:
        return moment - time.monotonic()
