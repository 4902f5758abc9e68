"""The trials of a job: started in turn within the limits, then the ensembles, then the best one's model."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import metrics, portfolio
from .events import Events
from .limits import Clock, EarlyTermination
from .pool import Outcome, Pool
from .portfolio import Candidate
from .spec import JobSpec, UserError
from .store import Store
from .worker_task import Task

MIN_TRIAL_S = 1.0
ENSEMBLES = {"vote": ("enableVoteEnsemble", "VotingEnsemble"), "stack": ("enableStackEnsemble", "StackEnsemble")}


@dataclass
class Trial:
    iteration: int
    algorithm: str
    preprocessor: str
    start: float
    candidate: Candidate | None = None
    end: float | None = None
    status: str = "Running"
    result: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    artifacts: list[str] = field(default_factory=list)

    @property
    def out(self) -> str:
        return f"trial{self.iteration}"


class Trials:
    def __init__(self, spec: JobSpec, job_dir: Path, events: Events, store: Store, pool: Pool, clock: Clock) -> None:
        self.spec, self.job_dir, self.events = spec, job_dir, events
        self.store, self.pool, self.clock = store, pool, clock
        self.facts = store.facts()
        self.trials: list[Trial] = []
        self._candidates = portfolio.candidates(spec)
        self._early = EarlyTermination(spec.limits.enable_early_termination)
        self._slots = min(spec.limits.max_concurrent_trials, spec.cpus)
        self._ensembles = [k for k, (flag, _) in ENSEMBLES.items() if spec.training_flag(flag, True)]
        self._single_limit = max(1, spec.limits.max_trials - len(self._ensembles))

    # --- single models

    def start(self) -> None:
        """Start as many trials as may run at once."""
        while len(self.pool.running) < self._slots and self._may_start():
            candidate = next(self._candidates)
            algorithm = portfolio.supported(self.spec)[candidate.algorithm]
            trial = self._add(candidate.algorithm, algorithm.preprocessor, candidate)
            limit = self.spec.limits.trial_timeout_s
            deadline = min(self.clock.trials_end, trial.start + limit if limit else self.clock.trials_end)
            # One trial takes no more than half of what is left, so that others follow.
            deadline = min(deadline, trial.start + max(MIN_TRIAL_S, 0.5 * self.clock.left(self.clock.trials_end)))
            options = {"algorithm": candidate.algorithm, "params": candidate.params}
            self.pool.start(Task("trial", trial.out, max(1, self.spec.cpus // self._slots), deadline, options))

    def _may_start(self) -> bool:
        if len(self.trials) >= self._single_limit or self._early.reached or self._exit_score_reached():
            return False
        left = self.clock.left(self.clock.trials_end)
        # A trial that could not end in time would only be cut short: better leave the time to the ensembles.
        usual = sorted(t.end - t.start for t in self.trials if t.end and t.status == "Completed")
        needed = max(MIN_TRIAL_S, 0.7 * usual[len(usual) // 2]) if usual else MIN_TRIAL_S
        return left > needed or not self.trials

    def run(self) -> None:
        """Until no trial runs and none may start."""
        while True:
            self.start()
            if not self.pool.running:
                break
            for outcome in self.pool.wait(60.0):
                self._finished(self._of(outcome), outcome)
        if not self._completed():
            errors = {t.error for t in self.trials if t.error}
            raise UserError("No trial completed. " + " ".join(sorted(errors)))
        for kind in self._ensembles:
            self._run_ensemble(kind)

    def _exit_score_reached(self) -> bool:
        wanted = self.spec.limits.exit_score
        if wanted is None:
            return False
        wanted = metrics.signed(self.facts.primary, wanted)
        return any(self._score(t) >= wanted for t in self._completed())

    # --- ensembles

    def _run_ensemble(self, kind: str) -> None:
        members = self._members()
        if len(members) < 2:
            return
        deadline = min(self.clock.trials_end + 0.05 * self.clock.timeout_s, self.clock.refit_end)
        trial = self._add(ENSEMBLES[kind][1], "", None)
        options = {"members": [t.out for t in members]}
        self.pool.start(Task(kind, trial.out, self.spec.cpus, deadline, options))
        for outcome in self.pool.wait(self.clock.left(self.clock.refit_end)):
            self._finished(trial, outcome)

    def _members(self) -> list[Trial]:
        """The best 12 single models."""
        single = [t for t in self._completed() if t.candidate]
        return sorted(single, key=self._score, reverse=True)[:12]

    # --- the best model

    def finish(self) -> str:
        """Refit the best model's members on all rows, save it. Returns the best trial's id."""
        best = max(self._completed(), key=self._score)
        members = self._member_names(best)
        refit = self._refit(members)
        folder = self.job_dir / "trials" / str(best.iteration)
        self.events.phase("BestRunExplainModel")
        options = {
            "members": members,
            "refit": refit,
            "weights": list(best.result["weights"].values()) if "weights" in best.result else None,
            "coef": best.result.get("coef"),
            "intercept": best.result.get("intercept"),
            "threshold": best.result.get("threshold"),
            "model_dir": str(folder / "outputs" / "mlflow-model"),
        }
        task = Task("finish", "finish", self.spec.cpus, self.clock.end, options, grace=60.0)
        self.pool.start(task)
        outcome = self.pool.wait(self.clock.timeout_s)[0]
        if outcome.error:
            raise RuntimeError(outcome.error)
        self._publish(best)
        return self._id(best)

    def _member_names(self, best: Trial) -> list[str]:
        if "weights" in best.result:
            return list(best.result["weights"])
        return list(best.result.get("members", [best.out]))

    def _refit(self, members: list[str]) -> bool:
        """Fit the members on all rows. False, and the trials' own models stay, if that does not fit into the time."""
        by_out = {t.out: t for t in self.trials}
        waiting = sorted(members, key=lambda m: -(by_out[m].end or 0) + by_out[m].start)
        at_once = min(len(waiting), self.spec.cpus)
        threads = max(1, self.spec.cpus // at_once)
        done = 0
        while waiting or self.pool.running:
            while waiting and len(self.pool.running) < at_once:
                trial = by_out[waiting.pop(0)]
                assert trial.candidate
                options = {
                    "algorithm": trial.candidate.algorithm,
                    "params": trial.candidate.params,
                    "rounds": trial.result.get("rounds"),
                }
                self.pool.start(Task("refit", trial.out, threads, self.clock.refit_end, options, grace=0.3))
            for outcome in self.pool.wait(60.0):
                if outcome.error:
                    self.pool.stop()
                    return False
                done += 1
        return done == len(members)

    def _publish(self, trial: Trial) -> None:
        """Move a trial's chart files beside its model and tell of its artifacts."""
        folder = self.job_dir / "trials" / str(trial.iteration)
        trial.artifacts = sorted(str(p.relative_to(folder).as_posix()) for p in folder.rglob("*") if p.is_file())
        self._emit(trial)

    # --- bookkeeping

    def _add(self, algorithm: str, preprocessor: str, candidate: Candidate | None) -> Trial:
        trial = Trial(len(self.trials), algorithm, preprocessor, time.time(), candidate)
        self.trials.append(trial)
        self._emit(trial)
        return trial

    def _of(self, outcome: Outcome) -> Trial:
        return next(t for t in self.trials if t.out == outcome.task.out)

    def _finished(self, trial: Trial, outcome: Outcome) -> None:
        trial.end = time.time()
        trial.error = outcome.error
        trial.status = "Failed" if outcome.error else "Completed"
        if outcome.result:
            trial.result = outcome.result
            self._early.add(self._score(trial))
            charts = self.store.root / trial.out / "metrics"
            target = self.job_dir / "trials" / str(trial.iteration) / "metrics"
            if charts.is_dir():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(charts, target)
        self._publish(trial)

    def _completed(self) -> list[Trial]:
        return [t for t in self.trials if t.status == "Completed"]

    def _score(self, trial: Trial) -> float:
        value = trial.result["metrics"].get(self.facts.primary)
        return float("-inf") if value is None or value != value else metrics.signed(self.facts.primary, value)

    def _id(self, trial: Trial) -> str:
        return f"{self.spec.job}_{trial.iteration}"

    def _emit(self, trial: Trial) -> None:
        self.events.emit(
            "trial",
            id=self._id(trial),
            iteration=trial.iteration,
            algorithm=trial.algorithm,
            preprocessor=trial.preprocessor,
            status=trial.status,
            start=trial.start,
            end=trial.end,
            metrics=trial.result.get("metrics", {}),
            error=trial.error,
            artifacts=trial.artifacts,
        )
