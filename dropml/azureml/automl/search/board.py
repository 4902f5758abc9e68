"""The job's trials: their state, their scores, and their events."""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dropml.azureml.automl.events import Events
from dropml.azureml.automl.fit import metrics
from dropml.azureml.automl.scratch import Facts, Scratch
from dropml.azureml.automl.search.task import Outcome, Result


@dataclass
class Trial:
    iteration: int
    algorithm: str
    preprocessor: str
    start: float
    params: dict[str, Any] | None = None  # None for an ensemble
    end: float | None = None
    status: str = "Running"
    outcome: Result | None = None  # of a completed one
    error: str | None = None
    begun: float = field(default_factory=time.monotonic)  # `start` and `end` are stamps, which may jump
    over: float | None = None

    @property
    def out(self) -> str:
        """Where in the scratch folder the trial leaves what it made."""
        return f"trial{self.iteration}"

    @property
    def result(self) -> Result:
        """Raises RuntimeError where the trial has none: it runs, or has failed."""
        if self.outcome is None:
            raise RuntimeError(f"trial {self.iteration} ({self.status}) has no result")
        return self.outcome

    @property
    def seconds(self) -> float:
        return (self.over or time.monotonic()) - self.begun


class Board:
    """Every change of a trial becomes an event; artifacts move from the scratch folder into `job_dir/trials/{iteration}`."""

    def __init__(self, job: str, job_dir: Path, events: Events, scratch: Scratch, facts: Facts) -> None:
        self.job, self.job_dir, self.events, self.scratch, self.facts = job, job_dir, events, scratch, facts
        self.trials: list[Trial] = []

    def add(self, algorithm: str, preprocessor: str, params: dict[str, Any] | None) -> Trial:
        trial = Trial(len(self.trials), algorithm, preprocessor, time.time(), params)
        self.trials.append(trial)
        self.emit(trial)
        return trial

    def finished(self, outcome: Outcome) -> Trial:
        trial = next(t for t in self.trials if t.out == outcome.task.out)
        trial.end, trial.over = time.time(), time.monotonic()
        trial.error = outcome.error
        trial.status = "Failed" if outcome.error else "Completed"
        trial.outcome = outcome.result
        self._move_artifacts(trial)
        self.emit(trial)
        return trial

    def cancel_running(self) -> None:
        for trial in self.trials:
            if trial.status == "Running":
                trial.status, trial.end, trial.over = "Canceled", time.time(), time.monotonic()
                self.emit(trial)

    def _move_artifacts(self, trial: Trial) -> None:
        made, target = self.scratch.root / trial.out, self.folder(trial)
        for source in [*made.glob("metrics/*"), *made.glob("outputs")]:
            target.mkdir(parents=True, exist_ok=True)
            shutil.move(source, target / source.name)

    def folder(self, trial: Trial) -> Path:
        return self.job_dir / "trials" / str(trial.iteration)

    @property
    def completed(self) -> list[Trial]:
        return [t for t in self.trials if t.status == "Completed"]

    def best_singles(self, count: int, algorithms: Collection[str] | None = None) -> list[Trial]:
        """The best completed trials that are no ensembles, of these algorithms if at least two are."""
        single = [t for t in self.completed if t.params is not None]
        chosen = [t for t in single if algorithms is None or t.algorithm in algorithms]
        single = chosen if len(chosen) >= 2 else single
        return sorted(single, key=self.score, reverse=True)[:count]

    @property
    def best(self) -> Trial:
        return max(self.completed, key=self.score)

    def score(self, trial: Trial) -> float:
        """The primary metric, turned so that more is better."""
        value = trial.result.metrics.get(self.facts.primary)
        return float("-inf") if value is None or value != value else metrics.signed(self.facts.primary, value)

    def id(self, trial: Trial) -> str:
        return f"{self.job}_{trial.iteration}"

    def emit(self, trial: Trial) -> None:
        folder = self.folder(trial)
        files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
        self.events.emit(
            "trial",
            id=self.id(trial),
            iteration=trial.iteration,
            algorithm=trial.algorithm,
            preprocessor=trial.preprocessor,
            status=trial.status,
            start=trial.start,
            end=trial.end,
            metrics=trial.outcome.metrics if trial.outcome else {},
            error=trial.error,
            artifacts=files,
        )
