"""The search: trials started in turn within the job's limits, then the ensembles over them."""

from __future__ import annotations

import time

from dropml.azureml.automl.fit import metrics
from dropml.azureml.automl.search import portfolio
from dropml.azureml.automl.search.board import Board, Trial
from dropml.azureml.automl.search.clock import Clock
from dropml.azureml.automl.search.early_termination import EarlyTermination
from dropml.azureml.automl.search.ensemble import ENSEMBLE_TREES
from dropml.azureml.automl.search.pool import Pool
from dropml.azureml.automl.search.refits import Refits, refit_seconds
from dropml.azureml.automl.search.task import Fit, Refit, Stack, Task, Vote
from dropml.azureml.automl.spec import JobSpec, UserError

MIN_TRIAL_S = 0.5
FIRST_WAVE = 5  # trials that should all get their turn, however short the time
LIKELY_MEMBERS = 4  # singles that the best ensemble will probably be made of
MEMBERS = {"vote": 12, "stack": 5}  # singles to choose from; a stack takes them all
ENSEMBLES = {
    "vote": ("enableVoteEnsemble", "VotingEnsemble"),
    "stack": ("enableStackEnsemble", "StackEnsemble"),
}


class Search:
    def __init__(self, spec: JobSpec, board: Board, pool: Pool, clock: Clock) -> None:
        self.spec, self.board, self.pool, self.clock = spec, board, pool, clock
        self._candidates = portfolio.candidates(spec)
        self._known = portfolio.supported(spec)
        self._early = EarlyTermination(spec.limits.enable_early_termination)
        self._slots = min(spec.limits.max_concurrent_trials, spec.cpus)
        self.threads = max(1, spec.cpus // self._slots)
        wanted = [kind for kind, (flag, _) in ENSEMBLES.items() if spec.training_flag(flag, True)]
        # max_trials counts the ensembles too; they need two models to work on.
        self._ensembles = wanted[: max(0, spec.limits.max_trials - 2)]
        self._single_limit = spec.limits.max_trials - len(self._ensembles)
        self.refits = Refits(pool, clock, spec.cpus)

    def start(self) -> None:
        """Start as many trials as may run at once."""
        while len(self._running) < self._slots and self._may_start():
            candidate = next(self._candidates, None)
            if candidate is None:
                self._single_limit = len(self.board.trials)
                return
            trial = self.board.add(
                candidate.algorithm, self._known[candidate.algorithm].preprocessor, candidate.params
            )
            work = Fit(candidate.algorithm, candidate.params)
            deadline, grace = self._deadline(trial)
            self.pool.start(Task(work, trial.out, self.threads, deadline, grace))

    @property
    def _running(self) -> list[Task]:
        return [task for task in self.pool.running if isinstance(task.work, Fit)]

    def _use_free_processors(self) -> None:
        """Fit the best models so far on all rows already, on processors that no trial may use."""
        if len(self.board.completed) < FIRST_WAVE or self.clock.refit_s is None:
            return
        for trial in self.board.best_singles(LIKELY_MEMBERS):
            if len(self.pool.running) >= self.spec.cpus:
                return
            if not self.refits.known(trial.out):
                self.refits.start(trial)

    def _deadline(self, trial: Trial) -> tuple[float, float]:
        """When the fit should end by itself, and how much later it is killed.

        While the first algorithms are tried each gets a fair share of what is left, doubled because few need it all;
        later a trial gets at most half, so that others can follow it.
        """
        left = self.clock.left(self.clock.trials_end)
        own = self.spec.limits.trial_timeout_s
        first = min(FIRST_WAVE, self._single_limit) - trial.iteration
        share = min(0.5, 2.0 * self._slots / first) if first > 1 else 0.5
        seconds = max(MIN_TRIAL_S, share * left)
        if own is not None and own < seconds:
            return trial.start + 0.9 * own, 0.1 * own
        return trial.start + seconds, max(0.5, 0.25 * seconds)

    def _may_start(self) -> bool:
        if len(self.board.trials) >= self._single_limit or self._early.reached or self._exit_score_reached():
            return False
        if not self.board.trials:
            return True
        usual = sorted(t.seconds for t in self.board.completed)
        # A trial cut short tells little: leave the time to the ensembles instead.
        needed = usual[len(usual) // 2] if len(self.board.trials) >= FIRST_WAVE and usual else 0.0
        return self.clock.left(self.clock.trials_end) > max(MIN_TRIAL_S, needed)

    def run(self) -> None:
        """Until no trial runs and none may start; then the ensembles. Raises UserError if none completed."""
        while True:
            self.start()
            if not self._running:
                break
            self._use_free_processors()
            for outcome in self.pool.wait(60.0):
                if isinstance(outcome.task.work, Refit):
                    self.refits.ended(outcome)
                    continue
                trial = self.board.finished(outcome)
                if trial.status == "Completed":
                    self._early.add(self.board.score(trial))
                    self.clock.refit_s = self._refit_seconds()
        if not self.board.completed:
            errors = sorted({t.error for t in self.board.trials if t.error})
            raise UserError("No trial completed. " + " ".join(errors))
        for kind in self._ensembles:
            self._run_ensemble(kind)

    def _refit_seconds(self) -> float:
        likely = self.board.best_singles(LIKELY_MEMBERS)
        return refit_seconds([t for t in likely if not self.refits.known(t.out)], self.spec.cpus)

    def _exit_score_reached(self) -> bool:
        wanted = self.spec.limits.exit_score
        if wanted is None:
            return False
        wanted = metrics.signed(self.board.facts.primary, wanted)
        return any(self.board.score(t) >= wanted for t in self.board.completed)

    def _trees(self, trial: Trial) -> int:
        """Trees that a row walks through; 0 for what is no tree model."""
        plan = trial.result.plan
        outputs = self.board.facts.n_classes if self.board.facts.n_classes > 2 else 1
        return int((plan.rounds if plan else None) or 0) * outputs

    def _run_ensemble(self, kind: str) -> None:
        quick = [name for name, algorithm in self._known.items() if algorithm.compilable]
        members = self.board.best_singles(MEMBERS[kind], quick)
        if len(members) < 2:
            return
        trees = {t.out: self._trees(t) for t in members}
        if kind == "stack":  # it takes them all: so those that are too many are not among them
            members = _affordable(members, trees)
        trial = self.board.add(ENSEMBLES[kind][1], "", None)
        deadline = time.monotonic() + max(0.5, min(0.04 * self.clock.timeout_s, 20.0))
        names = [t.out for t in members]
        work = Stack(names) if kind == "stack" else Vote(names, trees)
        self.pool.start(Task(work, trial.out, self.spec.cpus, deadline, grace=5.0))
        while trial.status == "Running":
            for outcome in self.pool.wait(60.0):
                if isinstance(outcome.task.work, Refit):
                    self.refits.ended(outcome)
                else:
                    self.board.finished(outcome)


def _affordable(members: list[Trial], trees: dict[str, int]) -> list[Trial]:
    """The best ones whose trees scoring can afford together; two at least."""
    kept, total = members[:2], sum(trees[t.out] for t in members[:2])
    for trial in members[2:]:
        if total + trees[trial.out] <= ENSEMBLE_TREES:
            kept, total = [*kept, trial], total + trees[trial.out]
    return kept
