"""Runs of the published retraining pipeline: asked for, published where missing, started, adopted, followed to the end."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from shared.domain.documents import InvalidDocument, to_json
from shared.domain.errors import Conflict, DropMLError, NotFound, Refused, Transient
from shared.domain.problems import KeyReused
from shared.domain.run.acts import Act
from shared.domain.run.documents import Run
from shared.domain.run.migrations import pipeline_run_of
from shared.domain.run.parts import RunProblem
from shared.domain.run.pipeline_run import PipelineParameters, PipelineRun
from shared.services import conditional
from shared.services.documents import entries
from shared.services.guard import guarded, told
from shared.services.quiet import stir
from shared.services.run.aside import given_up, keep, over
from shared.services.run.context import Context
from shared.services.run.index import Page
from shared.services.run.open_datasets import MARKS
from shared.services.run.pipeline_steps import kept, refused, taken, wished
from shared.services.run.pipeline_views import PipelineRunView, pipeline_index, short, view
from shared.services.run.ports import Pipelines
from shared.services.run.retraining import latest_data
from shared.services.run.trouble import STRIKES

OPEN = f"{MARKS}pipelines/"
#: A mark whose pipeline run never came into being is taken away after so many seconds.
LOST_SECONDS = 3600.0


@dataclass(frozen=True)
class Bounds:
    """The most that a trigger may ask for."""

    timeout_minutes: float = 60.0
    max_trials: int = 40

    def check(self, asked: PipelineParameters) -> None:
        """Raises Refused for what is beyond them."""
        for name, most in (("timeout_minutes", self.timeout_minutes), ("max_trials", self.max_trials)):
            said = getattr(asked, name)
            if said is not None and said > most:
                raise Refused(
                    f"{name} is {said:g}; the owner of the app allows {most:g}.",
                    remedy=f"Ask for at most {most:g}, or leave {name} out.",
                    code="beyond-bounds",
                    field=name,
                )


class PipelineRuns:
    """Use cases of the pipeline doors and of the lifecycle timer."""

    def __init__(self, ctx: Context, pipelines: Pipelines, bounds: Bounds | None = None) -> None:
        self._ctx, self._pipelines = ctx, pipelines
        self._bounds = bounds or Bounds()
        self._docs = ctx.store.documents
        #: The mark that a tick begins with: where the one before was cut.
        self._first = ""

    def trigger(
        self, dataset: str, request_id: str, actor: str, parameters: PipelineParameters | None = None
    ) -> PipelineRunView:
        """Ask for a run; the same `request_id` for the same dataset again is the same run. Raises KeyReused where that asked
        for something else.
        """
        said = parameters or PipelineParameters()
        self._bounds.check(said)
        known = self._ctx.store.find_dataset(dataset)
        if known.paused and self._read(known.slug, request_id) is None:
            raise Conflict(
                f"The dataset {known.dataset!r} was paused by {known.paused.actor}: nothing trains.",
                remedy=f"POST /api/datasets/{known.slug}/resume, then ask again.",
                code="dataset-paused",
            )
        now = self._ctx.clock()
        return self._asked(
            PipelineRun(request_id, known.dataset, known.slug, "publishing", now, now, actor, parameters=said)
        )

    def publish(self, dataset: str, request_id: str, actor: str) -> PipelineRunView:
        """Have the pipeline published as the dataset's configuration is now, without starting it."""
        known, now = self._ctx.store.find_dataset(dataset), self._ctx.clock()
        return self._asked(
            PipelineRun(
                request_id, known.dataset, known.slug, "publishing", now, now, actor, only_publish=True
            )
        )

    def _asked(self, asked: PipelineRun) -> PipelineRunView:
        base = latest_data(asked.slug, self._ctx).run_id
        asked = replace(asked, base=base, paced_at=self._ctx.active())
        self._mark(asked)
        try:
            self._docs.create(_path(asked.slug, asked.id), to_json(asked))
        except Conflict:
            found = self._read(asked.slug, asked.id) or asked
            if (found.only_publish, found.parameters) != (asked.only_publish, asked.parameters):
                raise KeyReused(
                    f"{asked.id!r} has asked for something else of {asked.dataset!r} before.",
                    remedy="Use a new Idempotency-Key for a new request.",
                    field="Idempotency-Key",
                ) from None
            return view(found)
        self.put_in_index(asked)
        return view(asked)

    def _mark(self, asked: PipelineRun) -> None:
        """Have the next tick look at it."""
        self._docs.mark(f"{OPEN}{asked.slug}~{asked.id}", {"at": str(asked.created_at)})
        stir(self._docs, MARKS)

    def cancel(self, dataset: str, request_id: str, act: Act) -> PipelineRunView:
        """Its job and the run that came of it are ended, too. Raises NotFound, and Refused where it has ended otherwise."""
        slug = self._ctx.store.find_dataset(dataset).slug
        path = _path(slug, request_id)

        def attempt() -> PipelineRun:
            found = self._docs.get(path)
            if found is None:
                raise _unknown(request_id, dataset)
            before = pipeline_run_of(found[0])
            after = wished(before, act)
            if after != before:
                self._mark(before)
                self._docs.replace(path, to_json(after), found[1])
            return after

        done = conditional.write(attempt, path)
        mark = f"{OPEN}{slug}~{request_id}"
        for found in self._open(mark):
            if found[0] == mark:
                self._work(*found)
        return view(self._read(slug, request_id) or done)

    def show(self, dataset: str, request_id: str) -> PipelineRunView:
        """The pipeline run, its steps as they are now, and the state of the run that came out of it. Raises NotFound."""
        found = self._read(self._ctx.store.find_dataset(dataset).slug, request_id)
        if found is None:
            raise _unknown(request_id, dataset)
        run = self._ctx.store.load(found.run_id)[0] if found.run_id else None
        steps = kept(found, self._ctx, self._pipelines) if found.is_open else found.steps
        return view(found, run, steps)

    def page(self, dataset: str, limit: int, cursor: str | None) -> Page[PipelineRunView]:
        """The dataset's pipeline runs, newest first, as they were when they last moved."""
        slug = self._ctx.store.find_dataset(dataset).slug
        return pipeline_index(self._docs, slug).page(limit, cursor)

    def tick(self) -> None:
        """Each open pipeline run, as far as it goes now, several at a time; costs what is open.

        What the deadline cuts comes first at the next tick.
        """
        found = self._open(OPEN)
        if not found:
            return
        deadline, left = self._ctx.active() + self._ctx.pace.tick_seconds, list[str]()

        def work(mark: str, etag: str, at: float) -> None:
            if self._ctx.active() >= deadline:
                left.append(mark)
            else:
                self._work(mark, etag, at)

        found.sort(key=lambda one: (one[0] < self._first, one[0]))
        with ThreadPoolExecutor(self._ctx.pace.workers, thread_name_prefix="dropml-pipeline") as pool:
            list(pool.map(lambda one: work(*one), found))
        self._first = next((mark for mark, *_ in found if mark in set(left)), "")

    def _work(self, mark: str, etag: str, at: float) -> None:
        slug, _, request_id = mark.removeprefix(OPEN).partition("~")
        look = partial(self._looked_at, slug, request_id, mark, etag, at)
        guarded(self._ctx.log, "pipeline run not worked on", look, slug=slug, id=request_id)

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

    def _open(self, prefix: str) -> list[tuple[str, str, float]]:
        """Path, ETag and moment of each mark."""
        return [(e.path, e.etag, _number(e.metadata.get("at", ""))) for e in entries(self._docs, prefix)]

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
        before, tag = pipeline_run_of(found[0]), found[1]
        after, tag = self._written(before, tag, fresh=False)
        if after.in_doubt and not before.in_doubt:
            # Only who has just written that it is being started knows that it was not started before.
            after, _ = self._written(after, tag, fresh=True)
        if after != before or not after.is_open:
            self.put_in_index(after)
        if not after.is_open:
            self._docs.delete(mark)

    def _written(self, before: PipelineRun, etag: str, *, fresh: bool) -> tuple[PipelineRun, str]:
        after = self._stepped(before, fresh=fresh) if before.is_open else before
        if after == before:
            return before, etag
        paced = before.paced_at if after.status == before.status else self._ctx.active()
        after = replace(after, updated_at=self._ctx.clock(), paced_at=paced)
        return after, self._docs.replace(_path(before.slug, before.id), to_json(after), etag)

    def put_in_index(self, found: PipelineRun) -> None:
        """List the pipeline run as it is now."""
        run: Run | None = None
        with contextlib.suppress(InvalidDocument, NotFound):  # the list goes without its state
            run = self._ctx.store.load(found.run_id)[0] if found.run_id else None
        pipeline_index(self._docs, found.slug).put(found.created_at, found.id, short(view(found, run)))

    def _stepped(self, before: PipelineRun, *, fresh: bool) -> PipelineRun:
        """What may pass is tried at every tick; what is refused STRIKES times ends the pipeline run."""
        try:
            return taken(before, self._ctx, self._pipelines, fresh=fresh)
        except Exception as raised:  # noqa: BLE001 - one pipeline run's fault is that one's alone
            error, foreseen = told(raised), isinstance(raised, DropMLError)
        self._ctx.log("pipeline step failed, will be repeated", id=before.id, **error.to_dict())
        count = before.refused + (not isinstance(error, Transient | Conflict))
        status = "failed" if count >= STRIKES else before.status
        after = refused(before, error, foreseen=foreseen)
        return replace(after, error=RunProblem.of(error), refused=count, status=status)


def _number(text: str) -> float:
    """What a mark says; nought where somebody else wrote it."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def _unknown(request_id: str, dataset: str) -> NotFound:
    return NotFound(f"There is no pipeline run {request_id!r} of {dataset!r}.")


def _path(slug: str, request_id: str) -> str:
    return f"pipelines/{slug}/{request_id}.json"
