"""The best trial's model: its members fitted once more on all rows, put together, saved and explained."""

from __future__ import annotations

from typing import Any

from .board import Board, Trial
from .limits import Clock
from .pool import Pool
from .spec import JobSpec
from .worker_task import Task


class Best:
    def __init__(self, spec: JobSpec, board: Board, pool: Pool, clock: Clock, threads: int) -> None:
        self.spec, self.board, self.pool, self.clock, self.threads = spec, board, pool, clock, threads

    def save(self) -> str:
        """Returns the best trial's id. Its folder holds the model when this returns."""
        best = self.board.best
        members = _members(best)
        refit = self._refit(members)
        self.board.events.phase("BestRunExplainModel")
        outputs = self.board.folder(best) / "outputs"
        options: dict[str, Any] = {
            **parts(best.result),
            "members": members,
            "refit": refit,
            "model_dir": str(outputs / "mlflow-model"),
            "explain_dir": str(outputs / "explanation") if self._explain() else None,
        }
        task = Task("finish", "finish", self.spec.cpus, self.clock.end, options, grace=120.0)
        self.pool.start(task)
        outcome = self._wait()
        if outcome.error:
            raise RuntimeError(outcome.error)
        self.board.emit(best)
        return self.board.id(best)

    def _explain(self) -> bool:
        return self.spec.training_flag("enableModelExplainability", True)

    def _wait(self) -> Any:
        while True:
            for outcome in self.pool.wait(60.0):
                return outcome

    def _refit(self, members: list[str]) -> bool:
        """Fit the members on all rows. False if that does not fit into the time: their trials' models stay."""
        by_out = {t.out: t for t in self.board.trials}
        expected = refit_seconds([by_out[out] for out in members], self.threads, self.spec.cpus)
        if expected > self.clock.left(self.clock.refit_end):
            return False
        waiting = sorted(members, key=lambda out: by_out[out].result["fit_s"])
        at_once = min(len(waiting), self.spec.cpus)
        threads = max(1, self.spec.cpus // at_once)
        while waiting or self.pool.running:
            while waiting and len(self.pool.running) < at_once:
                self.pool.start(self._refit_task(by_out[waiting.pop()], threads))
            if any(outcome.error for outcome in self.pool.wait(60.0)):
                self.pool.stop()
                return False
        return True

    def _refit_task(self, trial: Trial, threads: int) -> Task:
        assert trial.candidate is not None
        options = {
            "algorithm": trial.candidate.algorithm,
            "params": trial.candidate.params,
            "rounds": trial.result["refit"]["rounds"],
            "tuned": trial.result["refit"]["tuned"],
        }
        return Task("refit", trial.out, threads, self.clock.refit_end, options, grace=0.3)


def refit_seconds(members: list[Trial], threads: int, cpus: int) -> float:
    """What fitting `members` on all rows should take; each took its trial `threads` threads."""
    seconds = [t.result["fit_s"] * t.result["refit"]["share"] for t in members]
    at_once = min(len(seconds), cpus)
    slower = max(1.0, threads / max(1, cpus // at_once)) ** 0.7  # threads never helped in full
    return max(max(seconds) * slower, sum(seconds) / at_once * slower)


def _members(best: Trial) -> list[str]:
    if "weights" in best.result:
        return list(best.result["weights"])
    return list(best.result.get("members", [best.out]))


def parts(result: dict[str, Any]) -> dict[str, Any]:
    """How a trial's members make its model: weights of a vote, coefficients of a stack, a decision threshold."""
    return {
        "weights": list(result["weights"].values()) if "weights" in result else None,
        "coef": result.get("coef"),
        "intercept": result.get("intercept"),
        "threshold": result.get("threshold"),
    }
