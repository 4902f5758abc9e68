"""Why a training ended without a model: one sentence, one remedy, a code, the trial's own words and the end of its log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shared.domain.errors import DropMLError
from shared.domain.failures import explained
from shared.domain.run.documents import Run
from shared.domain.run.parts import Canary, FailedTrial, RunProblem, Trial, brief
from shared.domain.run.states import State
from shared.services.guard import safely
from shared.services.run import trouble
from shared.services.run.context import Context
from shared.services.run.ports import Job

#: After the experiment timeout, so much more for the compute to come up and the job to finish (seconds).
TRAINING_ALLOWANCE = 3600.0
#: Characters of a log that a problem keeps.
LOG_TAIL = 4000
#: Statuses of a job that no machine works on yet (JobStatus).
WAITING = frozenset({"NotStarted", "Provisioning", "Preparing", "Queued", "Starting"})


def failed(run: Run, job: Job, ctx: Context) -> Run:
    """The run after its job has ended without a model. What explains it is fetched as far as it can be had."""
    trials = _trials(job, ctx)
    told = _telling(trials)
    run = replace(run, trials=tuple(trials) or run.trials)
    said = job.error or "it left no model"
    if job.status == "Canceled":
        problem = RunProblem(
            code="training-cancelled",
            message=f"The AutoML job {job.name} was cancelled in Azure.",
            remedy=f"Ask who cancelled it (Azure's activity log), then POST /api/runs/{run.run_id}/retry.",
        )
    else:
        problem = explained(said, *([told.message] if told else [])) or RunProblem(
            code="training-failed",
            message=f"The AutoML job ended as {job.status}.",
            remedy="Read the message and the log, correct data or limits, then POST /api/runs/{id}/retry.",
        )
        problem = replace(problem, message=brief(f"{problem.message} Azure ML says: {said}"))
    return run.fail(ctx.clock(), replace(problem, trial=told, log_tail=_log(told, job, ctx)))


def allowed(run: Run) -> float:
    """Seconds that the job may take, from the state's beginning."""
    return run.config.timeout_minutes * 60 + TRAINING_ALLOWANCE


def open_hours(run: Run, usual: float) -> float:
    """Hours that the run may stay where it is: a training that may take longer than `usual` has its own time."""
    return max(usual, allowed(run) / 3600) if run.state is State.TRAINING else usual


def late(run: Run, job: Job, ctx: Context) -> Run:
    """The run after its job went on past what is allowed: cancelled, and explained at once."""
    ctx.azureml.cancel(job.name)
    minutes = f"{allowed(run) / 60:.0f} minutes"
    if job.status in WAITING:
        problem = RunProblem(
            code="job-never-started",
            message=f"The AutoML job was still {job.status} after {minutes}: it got no machine, and was cancelled.",
            remedy="See the cluster's most nodes, its quota and what else it runs, then POST /api/runs/{id}/retry.",
        )
    else:
        problem = RunProblem(
            code="training-timeout",
            message=f"The AutoML job was still {job.status} after {minutes} and was cancelled.",
            remedy="Check timeout_minutes of the dataset and the log, then POST /api/runs/{id}/retry.",
        )
    return run.fail(ctx.clock(), replace(problem, log_tail=_log(None, job, ctx)))


def overdue(run: Run, ctx: Context) -> Run:
    """The run after it stayed too long in one state; a job that it waited for is ended as far as that can be done.

    A canary goes back first, however long that takes: ending it would leave callers with a split that nobody watches.
    """
    problem = trouble.overdue(run, open_hours(run, ctx.pace.open_run_hours))
    if run.state is State.CANARY and run.gate and run.gate.champion_run:
        canary = run.canary or Canary(0)
        return replace(run, canary=replace(canary, breach=canary.breach or problem.message))
    if run.state is State.TRAINING and run.training:
        try:
            ctx.azureml.cancel(run.training.name)
        except DropMLError as error:
            safely(ctx.log, "job could not be cancelled", run_id=run.run_id, **error.to_dict())
    return run.fail(ctx.clock(), problem)


def _trials(job: Job, ctx: Context) -> list[Trial]:
    try:
        return ctx.azureml.trials(job.name, metrics=False)
    except DropMLError:  # what failed is told all the same
        return []


def _telling(trials: Sequence[Trial]) -> FailedTrial | None:
    """The first trial that failed by a reason of its own."""
    first = next((trial for trial in trials if trial.status == "Failed" and trial.error), None)
    return FailedTrial(first.name, first.algorithm, first.error or "") if first else None


def _log(trial: FailedTrial | None, job: Job, ctx: Context) -> str:
    """The end of the trial's log, or of the job's where it has none."""
    for name in ([trial.name] if trial else []) + [job.name]:
        try:
            if text := ctx.azureml.job_log(name):
                return text[-LOG_TAIL:]
        except DropMLError:
            continue
    return ""
