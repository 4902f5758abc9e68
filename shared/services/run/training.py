"""From a dropped file to a registered model; `deploying` goes on from there.

A step makes the run of the next moment, with at most one external effect; the same run again means: wait for the next tick.
Every effect can be found again by its name, so that doing it after a crash finds it instead of repeating it. No step waits
for Azure: a long-running operation is begun, and a later step reads its state.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from shared.domain import names
from shared.domain.errors import Conflict, DropMLError, NotFound
from shared.domain.run import quarantine
from shared.domain.run.documents import Run
from shared.domain.run.parts import Model, RunProblem, Snapshot, Training, Trial
from shared.domain.run.states import State
from shared.services.run import artifacts, failing
from shared.services.run.context import Context
from shared.services.run.mending import settle_refusals
from shared.services.run.patience import Gone, in_state
from shared.services.run.ports import JOB_DONE, DeploymentSpec, TrainingJob

T = TypeVar("T")
#: The part of a run that is begun a second time where the service itself let the first one fail.
JOB = "job"


def snapshot_of(run: Run) -> Snapshot:
    """The run's data. Raises DropMLError where it has none: a state that no run should reach."""
    return there(run.snapshot, run, "data")


def placement_of(run: Run) -> tuple[str, str]:
    """Names of the run's endpoint and deployment. Raises DropMLError where it has none."""
    placement = there(run.placement, run, "endpoint")
    return placement.endpoint, there(placement.deployment, run, "deployment")


def there(part: T | None, run: Run, what: str) -> T:
    if part is None:
        raise DropMLError(
            f"The run {run.run_id} has no {what} although it is {run.state}.",
            remedy="Drop the file again, or POST /api/runs/{id}/retry.",
            code="incomplete-run",
        )
    return part


def deployment_spec(run: Run) -> DeploymentSpec:
    """The run's deployment as its placement says it shall be."""
    model = there(run.model, run, "model")
    endpoint, deployment = placement_of(run)
    where = there(run.placement, run, "endpoint")
    return DeploymentSpec(
        endpoint,
        deployment,
        model.id,
        model.label,
        tags={"dropml_run": run.run_id},
        mode=where.mode,
        code=where.code,
        environment=where.environment,
        threshold=where.threshold,
    )


def training_job(run: Run) -> TrainingJob:
    """The AutoML job of a run; its name is the run's id, or the second one after it."""
    snapshot = snapshot_of(run)
    return TrainingJob(
        name=names.second(run.run_id) if JOB in run.repeated else run.run_id,
        experiment=run.slug,
        data=run.slug,
        data_version=snapshot.version,
        label=snapshot.schema.label,
        config=run.config,
        weight_column=snapshot.weight_column,
        tags={"dropml_run": run.run_id, "dropml_dataset": run.dataset, "dropml_cause": run.cause},
    )


def may_repeat(run: Run, part: str) -> bool:
    return part not in run.repeated


def dropped(run: Run, ctx: Context) -> Run:
    return run.advance(State.VALIDATING, ctx.clock())


def validating(run: Run, ctx: Context) -> Run:
    """The verdict fell when the file was streamed; here it takes effect."""
    if run.problem is not None:
        return _quarantined(run, run.problem, ctx)
    settle_refusals(run, ctx)
    snapshot = snapshot_of(run)
    if snapshot.bad_rows_path:
        ctx.data.put_aside(snapshot.bad_rows_path, f"{run.slug}/{run.run_id}")
    ctx.azureml.register_data(
        run.slug,
        snapshot.version,
        snapshot.path,
        properties={"content_hash": run.source.content_hash, "rows": str(snapshot.rows)},
        tags={"dropml_dataset": run.dataset},
    )
    return run.advance(State.REGISTERED, ctx.clock(), detail={"asset": f"{run.slug}:{snapshot.version}"})


def _quarantined(run: Run, problem: RunProblem, ctx: Context) -> Run:
    report = quarantine.report(
        problem, dataset=run.dataset, run_id=run.run_id, source=run.source, at=ctx.clock()
    )
    try:
        ctx.data.quarantine(run.source, f"{run.slug}/{run.run_id}", report)
    except (NotFound, Conflict) as error:
        if isinstance(error, Conflict) and error.error_code != "source-changed":
            raise  # another host copies it at this moment
        problem = replace(problem, note="The file was replaced or removed before it could be copied here.")
    detail: dict[str, object] = {"code": problem.code, "message": problem.message, **problem.where}
    return run.advance(State.QUARANTINED, ctx.clock(), detail=detail, problem=problem)


def registered(run: Run, ctx: Context) -> Run:
    job = training_job(run)
    if ctx.azureml.job(job.name) is None:
        ctx.azureml.submit(job)
    begun = Training(job.name, ctx.clock())
    return run.advance(State.TRAINING, ctx.clock(), detail={"job": job.name}, training=begun)


def training(run: Run, ctx: Context) -> Run:
    """Follow the job: its trials while it runs, its best child at the end, an explanation where there is none."""
    under_way = there(run.training, run, "job")
    job = ctx.azureml.job(under_way.name)
    if job is None:
        raise Gone(f"There is no job {under_way.name}.", remedy="Retry the run.", code="job-gone")
    if job.status == "Failed" and job.system_error and may_repeat(run, JOB) and not under_way.pipeline_job:
        why = f"The job {job.name} failed by a fault of the service, a second one is begun: {job.error}"
        return run.repeat(State.REGISTERED, ctx.clock(), JOB, why)
    if job.status == "Completed" and job.best_child:
        trials = ctx.azureml.trials(job.name, metrics=True)
        best = next((t for t in trials if t.name == job.best_child), Trial(job.best_child))
        done = run.advance(
            State.TRAINED,
            ctx.clock(),
            detail={"best": best.name},
            trials=tuple(trials),
            best=best,
            training=replace(under_way, status=job.status),
        )
        artifacts.keep(done, ctx)
        return done
    if job.status in JOB_DONE:
        return failing.failed(run, job, ctx)
    if in_state(run, ctx) > failing.allowed(run):
        return failing.late(run, job, ctx)
    trials = ctx.azureml.trials(job.name, metrics=False)
    seen = [(t.name, t.status) for t in run.trials]
    if job.status == under_way.status and seen == [(t.name, t.status) for t in trials]:
        return run
    return replace(run, training=replace(under_way, status=job.status), trials=tuple(trials))


def trained(run: Run, ctx: Context) -> Run:
    version, best = names.model_version(run.n, run.attempt), there(run.best, run, "best trial")
    model_id = ctx.azureml.register_model(
        run.slug,
        version,
        best.name,
        tags={"dropml_run": run.run_id, "algorithm": str(best.algorithm)},
        properties={
            "data_asset": f"{run.slug}:{snapshot_of(run).version}",
            "content_hash": run.source.content_hash,
        },
    )
    model = Model(run.slug, version, model_id)
    return run.advance(State.MODEL_REGISTERED, ctx.clock(), detail={"model": model.label}, model=model)
