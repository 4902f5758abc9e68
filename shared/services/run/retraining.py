"""New runs on data that is already registered: on a schedule, by hand, or out of the published pipeline."""

from __future__ import annotations

from typing import Any

from shared.domain import names
from shared.domain.errors import Conflict, DropMLError, NotFound, Transient
from shared.domain.run.run import RETRYABLE, Run, State
from shared.services.run.lifecycle import STRIKES, Context, training_job
from shared.services.run.ports import JOB_DONE, Pipelines

PIPELINE_OPEN = ("publishing", "running")


def latest_data(slug: str, ctx: Context) -> Run:
    """The dataset's newest run whose data was registered. Raises NotFound."""
    best: Run | None = None
    for path in ctx.runs.paths(f"runs/{slug}-"):
        doc = ctx.runs.read(path)
        # `b-1-a1` also lists the runs of a dataset whose slug is `b-1`, hence the check.
        if doc and doc["slug"] == slug and any(h["state"] == State.REGISTERED for h in doc["history"]):
            run = Run.from_dict(doc)
            if best is None or (run.n, run.attempt) > (best.n, best.attempt):
                best = run
    if best is None:
        raise NotFound(f"The dataset {slug!r} has no registered data yet.", remedy="Drop a CSV first.")
    return best


def derive(base: Run, n: int, attempt: int, *, key: str, cause: str, actor: str, at: float) -> Run:
    """A run that starts at the data of `base`."""
    run = Run(
        run_id=names.run_id(base.slug, n, attempt),
        dataset=base.dataset,
        slug=base.slug,
        n=n,
        attempt=attempt,
        key=key,
        cause=cause,
        state=State.REGISTERED,
        created_at=at,
        entered_at=at,
        config_hash=base.config_hash,
        config=base.config,
        source=base.source,
        data=base.data,
    )
    run.open_ledger(at, actor)
    return run


def retrain(slug: str, occurrence: str, ctx: Context) -> str:
    """A scheduled run; the same occurrence twice is the same run."""
    base = latest_data(slug, ctx)
    key = names.digest(slug, str(base.source["content_hash"]), base.config_hash, "retrain", occurrence)
    return ctx.runs.claim(
        slug,
        key,
        lambda n, a: derive(base, n, a, key=key, cause="retrain", actor="timer", at=ctx.clock()),
        delivery=f"retrain:{occurrence}",
    )[0]


def retrain_all(occurrence: str, ctx: Context) -> list[str]:
    """One scheduled run for each dataset that has a champion and nothing under way."""
    out = []
    for doc in ctx.runs.datasets():
        if doc["champion"] and not doc["open"]:
            try:
                out.append(retrain(doc["slug"], occurrence, ctx))
            except DropMLError as error:
                ctx.log("could not retrain", dataset=doc["dataset"], **error.to_dict())
    return out


def retry(run_id: str, actor: str, ctx: Context) -> str:
    """The next attempt of a run that failed or was rejected."""
    run, _ = ctx.runs.load(run_id)
    if run.state not in RETRYABLE:
        raise Conflict(f"The run is {run.state}; only a failed or rejected one can be tried again.")
    if not run.data.get("version"):
        raise Conflict(
            "The file was refused, so there is nothing to train on.", remedy="Correct it and drop it again."
        )
    return ctx.runs.claim(
        run.slug,
        run.key,
        lambda n, a: derive(run, n, a, key=run.key, cause="retry", actor=actor, at=ctx.clock()),
        delivery=f"retry:{run_id}",
    )[0]


def trigger(dataset: str, request_id: str, actor: str, ctx: Context) -> dict[str, Any]:
    """Ask for a run of the dataset's published pipeline; the same `request_id` again is the same run."""
    doc = ctx.runs.find_dataset(dataset)
    slug = doc["slug"]
    latest_data(slug, ctx)
    path = f"pipelines/{slug}/{request_id}.json"
    found = ctx.runs.read(path)
    if found is None:
        now = ctx.clock()
        found = {
            "id": request_id,
            "dataset": doc["dataset"],
            "slug": slug,
            "status": "publishing",
            "job": None,
            "run_id": None,
            "actor": actor,
            "created_at": now,
            "updated_at": now,
            "error": None,
        }
        ctx.runs.write(path, found)
    return found


def pipeline_run(dataset: str, request_id: str, ctx: Context) -> dict[str, Any]:
    """The pipeline run with the state of the run that came out of it."""
    slug = ctx.runs.find_dataset(dataset)["slug"]
    doc = ctx.runs.read(f"pipelines/{slug}/{request_id}.json")
    if doc is None:
        raise NotFound(f"There is no pipeline run {request_id!r} of {dataset!r}.")
    run = ctx.runs.load(doc["run_id"])[0] if doc["run_id"] else None
    return {**doc, "run_state": str(run.state) if run else None, "gate": run.gate if run else None}


def advance_pipelines(ctx: Context, pipelines: Pipelines) -> None:
    """Each open pipeline run, as far as it goes now."""
    for path in ctx.runs.paths("pipelines/"):
        doc = ctx.runs.read(path)
        if doc is None or doc["status"] not in PIPELINE_OPEN:
            continue
        try:
            changed = step_pipeline(dict(doc), ctx, pipelines)
        except DropMLError as error:
            ctx.log("pipeline step failed, will be repeated", id=doc["id"], **error.to_dict())
            changed = trouble(doc, error)
        if changed != doc:
            ctx.runs.write(path, {**changed, "updated_at": ctx.clock()})


def trouble(doc: dict[str, Any], error: DropMLError) -> dict[str, Any]:
    """What may pass is tried at every tick; what is refused STRIKES times ends the pipeline run."""
    refused = doc.get("refused", 0) + (not isinstance(error, Transient | Conflict))
    status = "failed" if refused >= STRIKES else doc["status"]
    return {**doc, "error": error.to_dict(), "refused": refused, "status": status}


def step_pipeline(doc: dict[str, Any], ctx: Context, pipelines: Pipelines) -> dict[str, Any]:
    """Publish what is missing, start the pipeline, adopt its AutoML job, follow it to the end."""
    base = latest_data(doc["slug"], ctx)
    job = training_job(base, ctx.settings)
    if doc["status"] == "publishing":
        state = pipelines.published(doc["slug"], doc["dataset"], job)
        if state == "failed":
            return {
                **doc,
                "status": "failed",
                "error": {"code": "publish-failed", "message": "Publishing failed."},
            }
        if state != "published":
            pipelines.begin_publish(doc["slug"], doc["dataset"], job)
            return doc
        name = pipelines.invoke(doc["slug"], doc["dataset"], job, doc["id"])
        return {**doc, "status": "running", "job": name, "error": None}
    found = ctx.azureml.job(doc["job"])
    if doc["run_id"] is None:
        child = pipelines.automl_child(doc["job"])
        if child:
            return {**doc, "run_id": adopt(doc, child, base, ctx)}
    if found and found.status == "Completed" and doc["run_id"]:
        return {**doc, "status": "completed", "error": None}
    if found is None or found.status in JOB_DONE:
        message = (
            f"The pipeline job ended as {found.status if found else 'gone'}. {(found and found.error) or ''}"
        )
        return {**doc, "status": "failed", "error": {"code": "pipeline-failed", "message": message.strip()}}
    return doc


def adopt(doc: dict[str, Any], child: str, base: Run, ctx: Context) -> str:
    """The pipeline's AutoML job becomes a run, which alone registers and deploys."""
    key = names.digest(doc["slug"], str(base.source["content_hash"]), base.config_hash, "pipeline", doc["id"])

    def build(n: int, attempt: int) -> Run:
        run = derive(base, n, attempt, key=key, cause="pipeline", actor=doc["actor"], at=ctx.clock())
        run.job = {
            "name": child,
            "pipeline_run": doc["id"],
            "pipeline_job": doc["job"],
            "submitted_at": ctx.clock(),
        }
        run.advance(State.TRAINING, ctx.clock(), job=child)
        return run

    return ctx.runs.claim(doc["slug"], key, build, delivery=f"pipeline:{doc['id']}")[0]
