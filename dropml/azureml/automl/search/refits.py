"""Fits on all rows: beside the search where a processor is free for it, else after it."""

from __future__ import annotations

import numpy as np

from dropml.azureml.automl.search.board import Trial
from dropml.azureml.automl.search.clock import Clock
from dropml.azureml.automl.search.pool import Pool
from dropml.azureml.automl.search.task import Outcome, Task


def refit_seconds(members: list[Trial], cpus: int) -> float:
    """What fitting `members` on all rows should take.

    From the processor time of their trials, times how much the machine's other work has slowed these down.
    """
    if not members:
        return 0.0
    seconds = [t.result["fit_s"] * t.result["refit"]["share"] for t in members]
    slowdown = float(np.median([t.result["wall_s"] / max(t.result["fit_s"], 1e-3) for t in members]))
    return float(max(*seconds, sum(seconds) / cpus) * min(max(slowdown, 1.0), 4.0))


class Refits:
    """`done` and `failed`: folders of the trials that have been fitted on all rows, or could not be in time."""

    def __init__(self, pool: Pool, clock: Clock, cpus: int) -> None:
        self._pool, self._clock, self._cpus = pool, clock, cpus
        self.done: set[str] = set()
        self.failed: set[str] = set()

    @property
    def running(self) -> set[str]:
        return {task.out for task in self._pool.running if task.kind == "refit"}

    def start(self, trial: Trial, threads: int = 1) -> None:
        options = {
            "algorithm": trial.algorithm,
            "params": trial.params,
            "rounds": trial.result["refit"]["rounds"],
            "tuned": trial.result["refit"]["tuned"],
        }
        self._pool.start(Task("refit", trial.out, threads, self._clock.refit_end, options, grace=0.3))

    def ended(self, outcome: Outcome) -> None:
        (self.failed if outcome.error else self.done).add(outcome.task.out)

    def known(self, out: str) -> bool:
        return out in self.done or out in self.failed or out in self.running

    def finish_running(self) -> None:
        while self.running:
            for outcome in self._pool.wait(60.0):
                self.ended(outcome)

    def run(self, trials: list[Trial]) -> bool:
        """Fit these, as many at once as there are processors. False as soon as one fails: the rest is stopped."""
        waiting = sorted(trials, key=lambda t: float(t.result["fit_s"]))
        threads = max(1, self._cpus // max(1, len(waiting)))
        while waiting or self.running:
            while waiting and len(self._pool.running) < self._cpus:
                self.start(waiting.pop(), threads)
            for outcome in self._pool.wait(60.0):
                self.ended(outcome)
            if self.failed & {t.out for t in trials}:
                self._pool.stop()
                return False
        return True
