"""Runs of the published retraining pipeline: asked for, published where missing, started, adopted, followed to the end."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from functools import partial

from shared.domain import names
from shared.domain.documents import InvalidDocument, to_json
from shared.domain.errors import Conflict, DropMLError, NotFound, Transient
from shared.domain.run.documents import Run
from shared.domain.run.migrations import pipeline_run_of
from shared.domain.run.parts import Gate, RunProblem, Training
from shared.domain.run.pipeline_run import PipelineRun
from shared.domain.run.states import State
from shared.services.guard import guarded, told
from shared.services.run.aside import given_up, keep, over
from shared.services.run.context import Context
from shared.services.run.index import Index, Page
from shared.services.run.ports import JOB_DONE, Pipelines
from shared.services.run.retraining import derive, latest_data
from shared.services.run.training import training_job
from shared.services.run.trouble import STRIKES

OPEN = "open/pipelines/"
#: A mark whose pipeline run never came into being is taken away after so many seconds.
LOST_SECONDS = 3600.0


@dataclass(frozen=True)
class PipelineRunView:
    """A pipeline run with the state of the run that came out of it."""

    id: str
    dataset: str
    slug: str
    status: str
    created_at: float
    updated_at: float
    actor: str
    job: str | None = None
    run_id: str | None = None
    error: RunProblem | None = None
    run_state: State | None = None
    gate: Gate | None = None


def view(found: PipelineRun, run: Run | None = None) -> PipelineRunView:
    return PipelineRunView(
        id=found.id,
        dataset=found.dataset,
        slug=found.slug,
        status=found.status,
        created_at=found.created_at,
        updated_at=found.updated_at,
        actor=found.actor,
        job=found.job,
        run_id=found.run_id,
        error=found.error,
        run_state=run.state if run else None,
        gate=run.gate if run else None,
    )


class PipelineRuns:
    """Use cases of the pipeline doors and of the lifecycle timer."""

    def __init__(self, ctx: Context, pipelines: Pipelines) -> None:
        self._ctx, self._pipelines = ctx, pipelines
        self._docs = ctx.store.documents

    def trigger(self, dataset: str, request_id: str, actor: str) -> PipelineRunView:
        """Ask for a run; the same `request_id` for the same dataset again is the same run."""
        known = self._ctx.store.find_dataset(dataset)
        if known.paused and self._read(known.slug, request_id) is None:
            raise Conflict(
                f"The dataset {known.dataset!r} was paused by {known.paused.actor}: nothing trains.",
                remedy=f"POST /api/datasets/{known.slug}/resume, then ask again.",
                code="dataset-paused",
            )
        latest_data(known.slug, self._ctx)
        now = self._ctx.clock()
        asked = PipelineRun(request_id, known.dataset, known.slug, "publishing", now, now, actor)
        self._docs.mark(f"{OPEN}{known.slug}~{request_id}", {"at": str(now)})
        try:
            self._docs.create(_path(known.slug, request_id), to_json(asked))
        except Conflict:
            found = self._read(known.slug, request_id)
            return view(found or asked)
        self.put_in_index(asked)
        return view(asked)

    def show(self, dataset: str, request_id: str) -> PipelineRunView:
        """The pipeline run with the state of the run that came out of it. Raises NotFound."""
        found = self._read(self._ctx.store.find_dataset(dataset).slug, request_id)
        if found is None:
            raise NotFound(f"There is no pipeline run {request_id!r} of {dataset!r}.")
        run = self._ctx.store.load(found.run_id)[0] if found.run_id else None
        return view(found, run)

    def page(self, dataset: str, limit: int, cursor: str | None) -> Page[PipelineRunView]:
        """The dataset's pipeline runs, newest first, as they were when they last moved."""
        slug = self._ctx.store.find_dataset(dataset).slug
        return self._index(slug).page(limit, cursor)

    def tick(self) -> None:
        """Each open pipeline run, as far as it goes now; costs what is open."""
        for path, etag, at in self._open():
            slug, _, request_id = path.removeprefix(OPEN).partition("~")
            work = partial(self._looked_at, slug, request_id, path, etag, at)
            guarded(self._ctx.log, "pipeline run not worked on", work, slug=slug, id=request_id)

    def _looked_at(self, slug: str, request_id: str, mark: str, etag: str, marked_at: float) -> None:
        try:
            self._advance(slug, request_id, mark, etag, marked_at)
        except Conflict:
            raise  # another host works on it
        except Exception as raised:
            error, now = told(raised), self._ctx.clock()
            if not given_up(f"{slug}~{request_id}", error, self._ctx.store, now):
                raise
            self._put_aside(slug, request_id, error, marked_at)
            self._docs.delete(mark)

    def _put_aside(self, slug: str, request_id: str, error: DropMLError, at: float) -> None:
        """One that can't be worked on at all has failed; its document is kept as it is."""
        path, now = _path(slug, request_id), self._ctx.clock()
        dataset = self._ctx.store.dataset(slug)
        name = dataset.dataset if dataset else slug
        ended = PipelineRun(request_id, name, slug, "failed", at or now, now, error=RunProblem.of(error))
        keep(path, f"{slug}~{request_id}", self._ctx.store)
        over(path, ended, self._ctx.store)
        self.put_in_index(ended)
        self._docs.delete(f"strikes/{slug}~{request_id}.json")

    def _open(self) -> list[tuple[str, str, float]]:
        found: list[tuple[str, str, float]] = []
        after = ""
        while True:
            entries, after = self._docs.page(OPEN, 5000, after)
            found += [(e.path, e.etag, _number(e.metadata.get("at", ""))) for e in entries]
            if not after:
                return found

    def _read(self, slug: str, request_id: str) -> PipelineRun | None:
        found = self._docs.get(_path(slug, request_id))
        return pipeline_run_of(found[0]) if found else None

    def _advance(self, slug: str, request_id: str, mark: str, etag: str, marked_at: float) -> None:
        found = self._docs.get(_path(slug, request_id))
        if found is None:
            if self._ctx.clock() - marked_at > LOST_SECONDS:
                with contextlib.suppress(Conflict):  # asked for again just now
                    self._docs.delete(mark, etag)
            return
        before = pipeline_run_of(found[0])
        after = self._stepped(before) if before.is_open else before
        if after != before:
            after = replace(after, updated_at=self._ctx.clock())
            self._docs.replace(_path(slug, request_id), to_json(after), found[1])
        if after != before or not after.is_open:
            self.put_in_index(after)
        if not after.is_open:
            self._docs.delete(mark)

    def put_in_index(self, found: PipelineRun) -> None:
        """List the pipeline run as it is now."""
        run: Run | None = None
        with contextlib.suppress(InvalidDocument, NotFound):  # the list goes without its state
            run = self._ctx.store.load(found.run_id)[0] if found.run_id else None
        self._index(found.slug).put(found.created_at, found.id, _short(view(found, run)))

    def _index(self, slug: str) -> Index[PipelineRunView]:
        return Index(self._docs, f"index/pipelines/{slug}/", PipelineRunView)

    def _stepped(self, before: PipelineRun) -> PipelineRun:
        """What may pass is tried at every tick; what is refused STRIKES times ends the pipeline run."""
        try:
            return self._step(before)
        except Exception as raised:  # noqa: BLE001 - one pipeline run's fault is that one's alone
            error = told(raised)
        self._ctx.log("pipeline step failed, will be repeated", id=before.id, **error.to_dict())
        refused = before.refused + (not isinstance(error, Transient | Conflict))
        status = "failed" if refused >= STRIKES else before.status
        return replace(before, error=RunProblem.of(error), refused=refused, status=status)

    def _step(self, now: PipelineRun) -> PipelineRun:
        """Publish what is missing, start the pipeline, adopt its AutoML job, follow it to the end."""
        base = latest_data(now.slug, self._ctx)
        if now.status == "publishing":
            return self._published(now, base)
        found = self._ctx.azureml.job(now.job or "")
        if now.run_id is None:
            child = self._pipelines.automl_child(now.job or "")
            if child:
                return replace(now, run_id=self._adopted(now, child, base), error=None)
        if found and found.status == "Completed" and now.run_id:
            return replace(now, status="completed", error=None)
        if found is None or found.status in JOB_DONE:
            how = f"The pipeline job ended as {found.status if found else 'gone'}."
            message = f"{how} {(found and found.error) or ''}".strip()
            remedy = (
                "Look at the pipeline job in the studio; POST /api/pipelines/{dataset}/runs starts another."
            )
            return replace(
                now, status="failed", error=RunProblem(code="pipeline-failed", message=message, remedy=remedy)
            )
        return now

    def _published(self, now: PipelineRun, base: Run) -> PipelineRun:
        job = training_job(base)
        state = self._pipelines.published(now.slug, now.dataset, job)
        if state == "failed":
            remedy = (
                "Delete the dataset's batch endpoint in the studio, check quota and rights, then ask again."
            )
            return replace(
                now,
                status="failed",
                error=RunProblem(code="publish-failed", message="Publishing failed.", remedy=remedy),
            )
        if state != "published":
            self._pipelines.begin_publish(now.slug, now.dataset, job)
            return now
        name = self._pipelines.invoke(now.slug, now.dataset, job, now.id)
        return replace(now, status="running", job=name, error=None)

    def _adopted(self, now: PipelineRun, child: str, base: Run) -> str:
        """The pipeline's AutoML job becomes a run, which alone registers and deploys."""
        ctx = self._ctx
        key = names.digest(now.slug, base.source.content_hash, base.config_hash, "pipeline", now.id)

        def build(n: int, attempt: int) -> Run:
            at = ctx.clock()
            run = derive(base, n, attempt, key=key, cause="pipeline", actor=now.actor, at=at)
            job = Training(child, at, pipeline_run=now.id, pipeline_job=now.job)
            return run.advance(State.TRAINING, at, detail={"job": child}, training=job)

        return ctx.store.claim(now.slug, key, build, delivery=f"pipeline:{now.id}")[0]


def _number(text: str) -> float:
    """What a mark says; nought where somebody else wrote it."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def _short(found: PipelineRunView) -> PipelineRunView:
    """As a list shows it: the gate's numbers and smoke answers are read with the run itself."""
    return replace(found, gate=None if found.gate is None else Gate(decision=found.gate.decision))


def _path(slug: str, request_id: str) -> str:
    return f"pipelines/{slug}/{request_id}.json"
