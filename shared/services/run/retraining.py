"""New runs on data that is already registered: on a schedule, by hand, or out of the published pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from shared.domain import names
from shared.domain.documents import InvalidDocument
from shared.domain.errors import NotFound, Refused
from shared.domain.run.documents import Run
from shared.domain.run.parts import Snapshot
from shared.domain.run.states import RETRYABLE, State
from shared.services.run.context import Context

#: Newest runs that are looked through for earlier versions and trainings.
LOOKED = 50


def latest_data(slug: str, ctx: Context) -> Run:
    """The dataset's newest run whose data was registered, of a version of its own. Raises NotFound."""
    for run_id in ctx.store.run_ids(slug):
        try:
            run, _ = ctx.store.load(run_id)
        except InvalidDocument:
            continue  # it ended for that; an older one has data, too
        joined = run.snapshot is not None and run.snapshot.joined
        if not joined and _registered(run):
            return run
    raise NotFound(f"The dataset {slug!r} has no registered data yet.", remedy="Drop a CSV first.")


def newest_data(slug: str, versions: int, ctx: Context) -> list[Run]:
    """The runs of so many of the newest versions that differ, the newest first. Raises NotFound where there is none."""
    newest = latest_data(slug, ctx)
    found = {newest.source.content_hash: newest}
    for run in runs_of(slug, ctx) if versions > 1 else ():
        if len(found) >= versions:
            break
        if run.n < newest.n and run.snapshot and not run.snapshot.joined and _registered(run):
            found.setdefault(run.source.content_hash, run)
    return list(found.values())


def runs_of(slug: str, ctx: Context) -> Iterator[Run]:
    """The newest LOOKED, the newest first; what can't be read is passed over."""
    for run_id in ctx.store.run_ids(slug)[:LOOKED]:
        try:
            yield ctx.store.load(run_id)[0]
        except InvalidDocument:
            continue


def trainings(slug: str, ctx: Context) -> list[Run]:
    """The runs that a model came out of, the newest first."""
    return [run for run in runs_of(slug, ctx) if any(moment.state is State.TRAINED for moment in run.history)]


def _registered(run: Run) -> bool:
    return any(moment.state is State.REGISTERED for moment in run.history)


def derive(
    base: Run,
    n: int,
    attempt: int,
    *,
    key: str,
    cause: str,
    actor: str,
    at: float,
    state: State = State.REGISTERED,
    note: str = "",
) -> Run:
    """A run that starts at the data of `base`, which is registered unless `state` says so."""
    run = Run(
        run_id=names.run_id(base.slug, n, attempt),
        dataset=base.dataset,
        slug=base.slug,
        n=n,
        attempt=attempt,
        key=key,
        cause=cause,
        state=state,
        created_at=at,
        entered_at=at,
        config_hash=base.config_hash,
        config=base.config,
        source=base.source,
        snapshot=base.snapshot,
        waived=base.waived,
    )
    return run.opened(at, actor, note)


def begin(
    base: Run,
    occurrence: str,
    cause: str,
    ctx: Context,
    joined: Snapshot | None = None,
    content_hash: str = "",
) -> str:
    """A run that trains by itself; the same occurrence twice is the same run. `joined` is data that isn't registered yet, and
    `content_hash` what it is made of.
    """
    source = replace(base.source, content_hash=content_hash) if joined else base.source
    key = names.digest(base.slug, source.content_hash, base.config_hash, "retrain", occurrence)

    def build(n: int, attempt: int) -> Run:
        at = ctx.clock()
        if joined is None:
            return derive(base, n, attempt, key=key, cause=cause, actor="timer", at=at)
        snapshot = replace(joined, version=names.model_version(n, attempt))
        of = replace(base, source=source, snapshot=snapshot)
        return derive(of, n, attempt, key=key, cause=cause, actor="timer", at=at, state=State.VALIDATING)

    return ctx.store.claim(base.slug, key, build, delivery=delivery(occurrence))[0]


def delivery(occurrence: str) -> str:
    """How a dataset remembers an occurrence that was taken."""
    return f"retrain:{occurrence}"


def may_retry(run: Run) -> None:
    """Raises Refused where there is nothing to try again."""
    if run.state not in RETRYABLE:
        raise Refused(
            f"The run is {run.state}; only a failed, rejected or cancelled one can be tried again.",
            remedy=f"GET /api/runs/{run.run_id} tells how it goes on.",
            code="not-retryable",
        )
    if run.snapshot is None:
        raise Refused(
            "The file was refused, so there is nothing to train on.",
            remedy=f"Correct it and drop it again; GET /api/quarantine/{run.run_id} tells what else can be done.",
            code="not-retryable",
        )


def retry(run_id: str, actor: str, ctx: Context, note: str = "") -> str:
    """The next attempt of a run that failed, was rejected or was cancelled."""
    run, _ = ctx.store.load(run_id)
    may_retry(run)
    state = State.REGISTERED if _registered(run) else State.VALIDATING

    def build(n: int, attempt: int) -> Run:
        at = ctx.clock()
        return derive(run, n, attempt, key=run.key, cause="retry", actor=actor, at=at, state=state, note=note)

    return ctx.store.claim(
        run.slug,
        run.key,
        build,
        delivery=f"retry:{run_id}",
        again=True,
    )[0]
