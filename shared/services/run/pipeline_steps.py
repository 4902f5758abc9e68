"""One step of a pipeline run: publish what is missing, start it, adopt its AutoML job, follow it to the end, or end it."""

from __future__ import annotations

from dataclasses import replace

from shared.domain import names
from shared.domain.config import DatasetConfig
from shared.domain.errors import DropMLError, NotFound, Refused, Transient
from shared.domain.run.acts import Act
from shared.domain.run.cost import missing
from shared.domain.run.documents import Run
from shared.domain.run.parts import RunProblem, Training
from shared.domain.run.pipeline_run import PipelineParameters, PipelineRun, PipelineStep
from shared.domain.run.states import State
from shared.domain.spend import Caps, Refusal
from shared.services import conditional
from shared.services.guard import safely
from shared.services.run.context import Context
from shared.services.run.levers import cancelling
from shared.services.run.ports import JOB_DONE, Pipelines, TrainingJob
from shared.services.run.retraining import derive, latest_data
from shared.services.run.spending import PIPELINE, let_through
from shared.services.run.training import training_job

PAUSED = "dataset-paused"


def configured(config: DatasetConfig, said: PipelineParameters) -> DatasetConfig:
    """The dataset's configuration with what the trigger said."""
    minutes = said.timeout_minutes or config.timeout_minutes
    trials = said.max_trials or config.max_trials
    return replace(
        config,
        timeout_minutes=minutes,
        trial_timeout_minutes=min(config.trial_timeout_minutes, minutes),
        max_trials=trials,
        max_concurrent_trials=min(config.max_concurrent_trials, trials),
    )


def job_of(now: PipelineRun, base: Run) -> TrainingJob:
    job = training_job(base)
    config = configured(job.config, now.parameters)
    return replace(job, config=config, varied=config != job.config)


def taken(now: PipelineRun, ctx: Context, pipelines: Pipelines, *, fresh: bool) -> PipelineRun:
    """The pipeline run after its step. `fresh`: this very call has written `starting_at`, so nothing was started yet."""
    base = ctx.store.load(now.base)[0] if now.base else latest_data(now.slug, ctx)
    if now.in_doubt and not fresh:
        return _found_again(now, base, ctx, pipelines)
    if now.cancelling:
        return _cancelled(now, ctx, pipelines)
    if now.status == "publishing":
        return _published(now, base, ctx, pipelines)
    found = ctx.azureml.job(now.job or "")
    if now.run_id is None:
        child = pipelines.automl_child(now.job or "")
        if child:
            return replace(now, run_id=_adopted(now, child, base, ctx), error=None)
    if found and found.status == "Completed" and now.run_id:
        return replace(now, status="completed", error=None, steps=kept(now, ctx, pipelines))
    if found and found.status not in JOB_DONE and _late(now, job_of(now, base), ctx):
        ctx.azureml.cancel(found.name)
        message = f"The pipeline job was still {found.status} after {_hours(job_of(now, base), ctx):g} hours and was cancelled."
        remedy = (
            "See the cluster's most nodes and its quota; POST /api/pipelines/{dataset}/runs starts another."
        )
        problem = RunProblem(code="pipeline-failed", message=message, remedy=remedy)
        return replace(now, status="failed", error=problem, steps=kept(now, ctx, pipelines))
    if found is None or found.status in JOB_DONE:
        how = f"The pipeline job ended as {found.status if found else 'gone'}."
        message = f"{how} {(found and found.error) or ''}".strip()
        remedy = "Look at the pipeline job in the studio; POST /api/pipelines/{dataset}/runs starts another."
        problem = RunProblem(code="pipeline-failed", message=message, remedy=remedy)
        return replace(now, status="failed", error=problem, steps=kept(now, ctx, pipelines))
    return now


def _hours(job: TrainingJob, ctx: Context) -> float:
    """So long it may be published, or its job run: what a run may stand still, and the training that is in it."""
    return ctx.pace.open_run_hours + job.config.timeout_minutes / 60


def _late(now: PipelineRun, job: TrainingJob, ctx: Context) -> bool:
    since = now.paced_at
    if since is None:  # begun by an earlier release
        since = ctx.active() - max(0.0, ctx.clock() - now.updated_at)
    return ctx.active() - since > _hours(job, ctx) * 3600


def kept(now: PipelineRun, ctx: Context, pipelines: Pipelines) -> tuple[PipelineStep, ...]:
    """The steps as they are; what was known of them before where they can't be read."""
    if now.job is None:
        return now.steps
    try:
        return tuple(pipelines.steps(now.job))
    except DropMLError as error:
        safely(ctx.log, "steps can't be read", id=now.id, **error.to_dict())
        return now.steps


def _published(now: PipelineRun, base: Run, ctx: Context, pipelines: Pipelines) -> PipelineRun:
    job = job_of(now, base)
    state = pipelines.published(now.slug, now.dataset, job)
    if state not in ("failed", "published") and _late(now, job, ctx):
        problem = RunProblem(
            code="publish-failed",
            message=f"Publishing has not come to an end in {_hours(job, ctx):g} hours.",
            remedy="Look at the dataset's batch endpoint in the studio, then ask again.",
        )
        return replace(now, status="failed", error=problem)
    if state == "failed":
        remedy = "Delete the dataset's batch endpoint in the studio, check quota and rights, then ask again."
        problem = RunProblem(code="publish-failed", message="Publishing failed.", remedy=remedy)
        return replace(now, status="failed", error=problem)
    if state != "published":
        pipelines.begin_publish(now.slug, now.dataset, job)
        return now
    if now.only_publish:
        return replace(now, status="published", error=None)
    if now.starting_at is None:
        refusal = _refusal(now, job, ctx)
        if refusal:
            return replace(now, error=RunProblem(refusal.code, refusal.message, refusal.remedy))
        return replace(now, starting_at=ctx.clock(), error=None)
    name = pipelines.invoke(now.slug, now.dataset, job, now.id)
    return replace(now, status="running", job=name, error=None)


def _refusal(now: PipelineRun, job: TrainingJob, ctx: Context) -> Refusal | None:
    """Why it can't be started now: it then waits, as a run would."""
    dataset = ctx.store.dataset(now.slug)
    if dataset and dataset.paused:
        resumed = f"POST /api/datasets/{now.slug}/resume lets it go on."
        return Refusal(
            PAUSED, f"{dataset.paused.actor} paused the dataset: nothing trains.", resumed, tomorrow=False
        )
    compute = ctx.guardrails.look()
    config = job.config
    own = Caps(config.daily_runs, config.daily_training_minutes)
    key = f"{PIPELINE}{now.slug}~{now.id}"
    return (missing(compute) if compute else None) or let_through(
        key, now.slug, config.timeout_minutes, own, ctx
    )


def refused(now: PipelineRun, error: DropMLError, *, foreseen: bool) -> PipelineRun:
    """After a step that raised: what was refused has started nothing; of what gave no answer nobody knows."""
    if foreseen and not isinstance(error, Transient):
        return replace(now, starting_at=None)
    return now


def _found_again(now: PipelineRun, base: Run, ctx: Context, pipelines: Pipelines) -> PipelineRun:
    """The job that an earlier start may have left. Where there is none once reads have settled, none was started."""
    started = now.starting_at or 0.0
    name = pipelines.started(now.slug, now.dataset, job_of(now, base), now.id, started)
    if name:
        return replace(now, status="running", job=name, error=None)
    if abs(ctx.clock() - started) > ctx.pace.settle_seconds:
        return replace(now, starting_at=None)
    return now


def _cancelled(now: PipelineRun, ctx: Context, pipelines: Pipelines) -> PipelineRun:
    """The run that came of it first, then the pipeline job, then the pipeline run."""
    if now.job:
        job = ctx.azureml.job(now.job)
        run_id = now.run_id or _claimed(now, ctx)
        if run_id:
            _cancel_run(run_id, now, ctx)
        if job is not None and job.status not in JOB_DONE:
            ctx.azureml.cancel(now.job)
    asked = now.cancelling
    who = asked.actor if asked else "dropml"
    why = f": {asked.note}" if asked and asked.note else "."
    problem = RunProblem(
        code="cancelled",
        message=f"Cancelled by {who}{why}",
        remedy="POST /api/pipelines/{dataset}/runs starts another.",
    )
    return replace(now, status="cancelled", error=problem, steps=kept(now, ctx, pipelines))


def _claimed(now: PipelineRun, ctx: Context) -> str | None:
    """The run that a host adopted before it died."""
    dataset = ctx.store.dataset(now.slug)
    return dataset.drops.get(_delivery(now)) if dataset else None


def _delivery(now: PipelineRun) -> str:
    return f"pipeline:{now.id}"


def _cancel_run(run_id: str, now: PipelineRun, ctx: Context) -> None:
    """The wish, into the run's document; one that has ended stays as it ended."""

    def attempt() -> None:
        run, etag = ctx.store.load(run_id)
        if run.is_open and run.cancelling is None and now.cancelling is not None:
            ctx.store.save(cancelling.cancelled(run, now.cancelling), etag)

    try:
        conditional.write(attempt, run_id)
    except NotFound:
        return


def wished(now: PipelineRun, act: Act) -> PipelineRun:
    """With the wish to cancel. Raises Refused where it has ended otherwise."""
    if now.cancelling or now.status == "cancelled":
        return now
    if not now.is_open:
        run = f"POST /api/runs/{now.run_id}/cancel ends the run that came of it." if now.run_id else ""
        raise Refused(
            f"The pipeline run is {now.status}, not open.",
            remedy=run or "Nothing of it goes on.",
            code="not-open",
        )
    return replace(now, cancelling=act)


def _adopted(now: PipelineRun, child: str, base: Run, ctx: Context) -> str:
    """The pipeline's AutoML job becomes a run, which alone registers and deploys."""
    key = names.digest(now.slug, base.source.content_hash, base.config_hash, "pipeline", now.id)

    def build(n: int, attempt: int) -> Run:
        at = ctx.clock()
        run = derive(base, n, attempt, key=key, cause="pipeline", actor=now.actor, at=at)
        run = replace(run, config=configured(run.config, now.parameters))
        job = Training(child, at, pipeline_run=now.id, pipeline_job=now.job)
        return run.advance(State.TRAINING, at, detail={"job": child}, training=job)

    return ctx.store.claim(now.slug, key, build, delivery=_delivery(now))[0]
