"""Fits on all rows: beside the search where a processor is free for it, else after it."""

from __future__ import annotations

import numpy as np

from dropml.azureml.automl.search.board import Trial
from dropml.azureml.automl.search.clock import Clock
from dropml.azureml.automl.search.pool import Pool
from dropml.azureml.automl.search.task import Outcome, Refit, Task


def refit_seconds(members: list[Trial], cpus: int) -> float:
    """What fitting `members` on all rows should take.

    From the processor time of their trials, times how much the machine's other work has slowed these down.
    """
    if not members:
        return 0.0
    results = [t.result for t in members]
    seconds = [r.fit_s * (r.plan.share if r.plan else 1.0) for r in results]
    slowdown = float(np.median([r.wall_s / max(r.fit_s, 1e-3) for r in results]))
    return float(max(*seconds, sum(seconds) / cpus) * min(max(slowdown, 1.0), 4.0))


class Refits:
    """`done` and `failed`: folders of the trials that have been fitted on all rows, or could not be in time."""

    def __init__(self, pool: Pool, clock: Clock, cpus: int) -> None:
        self._pool, self._clock, self._cpus = pool, clock, cpus
        self.done: set[str] = set()
        self.failed: set[str] = set()

    @property
    def running(self) -> set[str]:
        return {task.out for task in self._pool.running if isinstance(task.work, Refit)}

    def start(self, trial: Trial, threads: int = 1) -> None:
        plan = trial.result.plan
        if trial.params is None or plan is None:
            raise ValueError(
                f"{trial.algorithm} is an ensemble: its members are fitted on all rows, not itself"
            )
        work = Refit(trial.algorithm, trial.params, plan.rounds, plan.tuned)
        self._pool.start(Task(work, trial.out, threads, self._clock.refit_end, grace=0.3))

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
        waiting = sorted(trials, key=lambda t: t.result.fit_s)
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
