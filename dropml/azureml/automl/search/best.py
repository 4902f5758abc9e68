"""The best trial's model: its members fitted once more on all rows, put together, saved and explained."""

from __future__ import annotations

from dropml.azureml.automl.search.board import Board
from dropml.azureml.automl.search.clock import Clock
from dropml.azureml.automl.search.pool import Pool
from dropml.azureml.automl.search.refits import Refits, refit_seconds
from dropml.azureml.automl.search.task import Finish, Outcome, Task
from dropml.azureml.automl.spec import JobSpec


class Best:
    def __init__(self, spec: JobSpec, board: Board, pool: Pool, clock: Clock, refits: Refits) -> None:
        self.spec, self.board, self.pool, self.clock, self.refits = spec, board, pool, clock, refits

    def save(self) -> str:
        """Returns the best trial's id. Its folder holds the model when this returns."""
        best = self.board.best
        mixture = best.result.mixture
        refitted = self._refit(mixture.members)
        self.board.events.phase("BestRunExplainModel")
        outputs = self.board.folder(best) / "outputs"
        work = Finish(
            mixture,
            refitted=refitted,
            model_dir=outputs / "mlflow-model",
            explain_dir=outputs.parent / "explanation" if self._explain() else None,
        )
        task = Task(work, "finish", self.spec.cpus, self.clock.end, grace=120.0)
        self.pool.start(task)
        outcome = self._wait()
        if outcome.error:
            raise RuntimeError(outcome.error)
        self.board.emit(best)
        return self.board.id(best)

    def _explain(self) -> bool:
        return self.spec.training_flag("enableModelExplainability", True)

    def _wait(self) -> Outcome:
        while True:
            for outcome in self.pool.wait(60.0):
                return outcome

    def _refit(self, members: list[str]) -> bool:
        """Fit on all rows what the search has not yet. False if that does not fit in: their trials' models stay."""
        self.pool.stop(keep=members)
        self.refits.finish_running()
        missing = [t for t in self.board.trials if t.out in members and t.out not in self.refits.done]
        if any(t.out in self.refits.failed for t in missing):
            return False
        if refit_seconds(missing, self.spec.cpus) > self.clock.left(self.clock.refit_end):
            return False
        return self.refits.run(missing)
