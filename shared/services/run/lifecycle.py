"""`step`: at most one external effect, then one conditional write of the run.

Every effect can be found again by its name, so that doing it after a crash finds it instead of repeating it. No step waits
for Azure: a long-running operation is begun, and a later step reads its state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shared.domain import names
from shared.domain.errors import Conflict, DropMLError, NotFound, Transient, Upstream
from shared.domain.run.run import Run, State
from shared.domain.table import quarantine
from shared.services.run.ports import JOB_DONE, AzureML, Data, Scorer, TrainingJob
from shared.services.run.runs import Runs
from shared.settings import Settings

#: After the experiment timeout, so much more for the compute to come up and the job to finish (seconds).
TRAINING_ALLOWANCE = 3600.0
#: Refusals by the service before a run gives up.
STRIKES = 3
#: Refusals closer together count as one: trigger and timer may ask at the same moment.
STRIKE_SECONDS = 2.0


@dataclass(frozen=True)
class Context:
    """What a step works with."""

    settings: Settings
    runs: Runs
    azureml: AzureML
    scorer: Scorer
    data: Data
    clock: Callable[[], float]
    log: Callable[..., None]


def training_job(run: Run, settings: Settings) -> TrainingJob:
    """The AutoML job of a run; its name is the run's id."""
    return TrainingJob(
        name=run.run_id,
        experiment=run.slug,
        data=run.slug,
        data_version=run.data["version"],
        label=run.data["schema"]["label"],
        config=run.config,
        weight_column=run.data.get("weight_column"),
        tags={"dropml_run": run.run_id, "dropml_dataset": run.dataset, "dropml_cause": run.cause},
    )


# Each step changes the run in place and returns whether anything changed. False means: wait for the next tick.


def dropped(run: Run, ctx: Context) -> bool:
    run.advance(State.VALIDATING, ctx.clock())
    return True


def validating(run: Run, ctx: Context) -> bool:
    """The verdict fell when the file was streamed; here it takes effect."""
    if run.error is not None:
        try:
            ctx.data.quarantine(run.source, f"{run.slug}/{run.run_id}", quarantine_report(run, ctx.clock()))
        except (NotFound, Conflict) as error:
            if isinstance(error, Conflict) and error.error_code != "source-changed":
                raise  # another host copies it at this moment
            run.error["note"] = "The file was replaced or removed before it could be copied here."
        run.advance(State.QUARANTINED, ctx.clock(), error=run.error)
        return True
    ctx.azureml.register_data(
        run.slug,
        run.data["version"],
        run.data["path"],
        properties={"content_hash": run.source["content_hash"], "rows": str(run.data["rows"])},
        tags={"dropml_dataset": run.dataset},
    )
    run.advance(State.REGISTERED, ctx.clock(), asset=f"{run.slug}:{run.data['version']}")
    return True


def quarantine_report(run: Run, at: float) -> dict[str, Any]:
    """What stands beside a quarantined file."""
    return quarantine.report(
        run.error or {}, dataset=run.dataset, run_id=run.run_id, source=run.source, at=at
    )


def registered(run: Run, ctx: Context) -> bool:
    if ctx.azureml.job(run.run_id) is None:
        ctx.azureml.submit(training_job(run, ctx.settings))
    run.job = {"name": run.run_id, "submitted_at": ctx.clock()}
    run.advance(State.TRAINING, ctx.clock(), job=run.run_id)
    return True


def training(run: Run, ctx: Context) -> bool:
    job = ctx.azureml.job(run.job["name"])
    if job is None:
        raise DropMLError(
            f"The job {run.job['name']} no longer exists.", remedy="Retry the run.", code="job-gone"
        )
    if job.status == "Completed" and job.best_child:
        run.trials = ctx.azureml.trials(job.name, metrics=True)
        best = next((t for t in run.trials if t["name"] == job.best_child), None)
        run.best = {"child": job.best_child, **(best or {"algorithm": None, "metrics": {}})}
        run.job["status"] = job.status
        run.advance(State.TRAINED, ctx.clock(), best=job.best_child)
        return True
    if job.status in JOB_DONE:
        raise DropMLError(
            f"The AutoML job ended as {job.status}: {job.error or 'it left no model'}",
            remedy="Read the job's logs in the studio, correct data or limits, then POST /api/runs/{id}/retry.",
            code="training-failed",
        )
    limit = run.config["timeout_minutes"] * 60 + TRAINING_ALLOWANCE
    if ctx.clock() - run.entered_at > limit:
        ctx.azureml.cancel(job.name)
        raise DropMLError(
            f"The AutoML job was still {job.status} after {limit / 60:.0f} minutes and was cancelled.",
            remedy="Check the compute's quota and queue, then POST /api/runs/{id}/retry.",
            code="training-timeout",
        )
    trials = ctx.azureml.trials(job.name, metrics=False)
    seen = (job.status, [(t["name"], t["status"]) for t in trials])
    if seen == (run.job.get("status"), [(t["name"], t["status"]) for t in run.trials]):
        return False
    run.job["status"], run.trials = job.status, trials
    return True


def trained(run: Run, ctx: Context) -> bool:
    version = names.model_version(run.n, run.attempt)
    model_id = ctx.azureml.register_model(
        run.slug,
        version,
        run.best["child"],
        tags={"dropml_run": run.run_id, "algorithm": str(run.best.get("algorithm"))},
        properties={
            "data_asset": f"{run.slug}:{run.data['version']}",
            "content_hash": run.source["content_hash"],
        },
    )
    run.model = {"name": run.slug, "version": version, "id": model_id}
    run.advance(State.MODEL_REGISTERED, ctx.clock(), model=f"{run.slug}:{version}")
    return True


def model_registered(run: Run, ctx: Context) -> bool:
    """Find or make the endpoint, then begin the deployment at 0 % traffic."""
    name = names.endpoint(run.slug, ctx.settings.workspace_id, run.dataset)
    endpoint = ctx.azureml.endpoint(name)
    if endpoint is None:
        ctx.azureml.begin_endpoint(
            name, f"DropML: {run.dataset}", {"dropml_dataset": run.dataset, "dropml_slug": run.slug}
        )
        run.endpoint = {"name": name}
        return False
    if endpoint.state == "Failed":
        raise DropMLError(
            f"The endpoint {name} could not be created.",
            remedy=f"Delete the endpoint {name} in the studio, check quota and rights, then retry the run.",
            code="endpoint-failed",
        )
    if endpoint.state != "Succeeded":
        return False
    deployment = names.deployment(run.n, run.attempt)
    if ctx.azureml.deployment(name, deployment) is None:
        ctx.azureml.begin_deployment(name, deployment, run.model["id"], {"dropml_run": run.run_id})
    run.endpoint = {"name": name, "deployment": deployment, "scoring_uri": endpoint.scoring_uri}
    run.endpoint["auth_mode"] = endpoint.auth_mode
    run.advance(State.DEPLOYING, ctx.clock(), endpoint=name, deployment=deployment)
    return True


def deploying(run: Run, ctx: Context) -> bool:
    name, deployment = run.endpoint["name"], run.endpoint["deployment"]
    found = ctx.azureml.deployment(name, deployment)
    if found is None or found.state in ("Failed", "Canceled"):
        tail = ctx.azureml.logs(name, deployment) if found else ""
        if found:
            ctx.azureml.begin_delete_deployment(name, deployment)
        state = found.state if found else "gone"
        raise DropMLError(
            f"The deployment {deployment} is {state}. Last lines of its log: {tail[-800:] or 'none'}",
            remedy="Check quota of the instance type and the log, then POST /api/runs/{id}/retry.",
            code="deployment-failed",
        )
    if found.state != "Succeeded":
        return False
    run.endpoint["app_insights_enabled"] = found.app_insights_enabled
    run.advance(State.VERIFYING, ctx.clock())
    return True


def explain_overdue(run: Run, hours: float) -> dict[str, Any]:
    last = f" The last trouble: {run.trouble['message']}" if run.trouble else ""
    return {
        "code": "stuck",
        "message": f"The run stayed in {run.state} for more than {hours:g} hours.{last}",
        "remedy": "Check the resource it waits for in the studio, then POST /api/runs/{id}/retry.",
    }


Step = Callable[[Run, Context], bool]


def steps() -> dict[State, Step]:
    """The step of each open state."""
    from shared.services.run import canary, promotion

    return {
        State.DROPPED: dropped,
        State.VALIDATING: validating,
        State.REGISTERED: registered,
        State.TRAINING: training,
        State.TRAINED: trained,
        State.MODEL_REGISTERED: model_registered,
        State.DEPLOYING: deploying,
        State.VERIFYING: promotion.verifying,
        State.GATE: promotion.gate,
        State.CANARY: canary.canary,
    }


def step(run_id: str, ctx: Context) -> bool:
    """One step of one run. True when it moved and may move again at once; False when it must wait or is done."""
    run, etag = ctx.runs.load(run_id)
    if run.pending or not run.is_open:
        etag = ctx.runs.settle(run, etag)
    if not run.is_open:
        return False
    before = run.to_dict()
    try:
        moved = steps()[run.state](run, ctx)
    except DropMLError as error:
        run = Run.from_dict(before)
        ctx.log("step failed", run_id=run_id, state=str(run.state), **error.to_dict())
        moved = _trouble(run, error, ctx)
    if run.is_open and ctx.clock() - run.entered_at > ctx.settings.open_run_hours * 3600:
        run.fail(ctx.clock(), explain_overdue(run, ctx.settings.open_run_hours))
    if run.to_dict() == before:
        return False
    if run.state != before["state"]:
        ctx.log("run moved", run_id=run_id, before=before["state"], state=str(run.state))
    ctx.runs.save(run, etag)
    return moved and run.is_open


def _trouble(run: Run, error: DropMLError, ctx: Context) -> bool:
    """A step went wrong: end the run, or try the same step again at the next tick; whether the run has ended.

    What may pass is tried until the run is overdue. What the service refuses is tried STRIKES times: another host may
    just have done the very same thing, and what it did is found by name the next time. A step's own verdict ends the run.
    """
    passing = isinstance(error, Transient | Conflict)
    count, last = run.trouble.get("count", 0), run.trouble.get("at", 0.0)
    count += not passing and ctx.clock() - last > STRIKE_SECONDS
    verdict = not isinstance(error, Upstream | NotFound)
    if not passing and (count >= STRIKES or verdict):
        # A canary first goes back to the champion: ending here would leave callers with a split that nobody watches.
        if run.state is State.CANARY and not (verdict and "breach" in run.gate):
            run.gate.setdefault("breach", error.message)
        else:
            run.fail(ctx.clock(), error.to_dict())
            return True
    trouble = {"count": count, "message": error.message}
    if trouble != {k: run.trouble.get(k) for k in trouble}:
        run.trouble = trouble | {"at": ctx.clock()}
    return False


def advance(run_id: str, ctx: Context, deadline: float) -> None:
    """Step until the run must wait or the deadline (clock time) comes. Losing a race to another host ends quietly."""
    try:
        while ctx.clock() < deadline and step(run_id, ctx):
            continue
    except Conflict:
        ctx.log("another host works on this run", run_id=run_id)


def advance_all(ctx: Context) -> int:
    """Every open run, each as far as it goes; returns how many were looked at. One run's trouble stops no other."""
    deadline = ctx.clock() + ctx.settings.step_deadline_seconds
    count = 0
    for run_id in ctx.runs.open_runs():
        if ctx.clock() >= deadline:
            break
        try:
            advance(run_id, ctx, deadline)
        except DropMLError as error:
            ctx.log("run could not be advanced", run_id=run_id, **error.to_dict())
        count += 1
    return count
