"""New runs on data that is already registered: on a schedule, by hand, or out of the published pipeline."""

from __future__ import annotations

from functools import partial

from shared.domain import names
from shared.domain.documents import InvalidDocument
from shared.domain.errors import Conflict, NotFound
from shared.domain.run.documents import Run
from shared.domain.run.states import RETRYABLE, State
from shared.services.guard import guarded
from shared.services.run.context import Context

#: Seconds within which a second scheduled run of a dataset is the first one's.
SAME_OCCURRENCE = 900.0


def latest_data(slug: str, ctx: Context) -> Run:
    """The dataset's newest run whose data was registered. Raises NotFound."""
    for run_id in ctx.store.run_ids(slug):
        try:
            run, _ = ctx.store.load(run_id)
        except InvalidDocument:
            continue  # it ended for that; an older one has data, too
        if any(moment.state is State.REGISTERED for moment in run.history):
            return run
    raise NotFound(f"The dataset {slug!r} has no registered data yet.", remedy="Drop a CSV first.")


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
        snapshot=base.snapshot,
        waived=base.waived,
    )
    return run.opened(at, actor)


def retrain(slug: str, occurrence: str, ctx: Context) -> str:
    """A scheduled run; the same occurrence twice is the same run."""
    base = latest_data(slug, ctx)
    key = names.digest(slug, base.source.content_hash, base.config_hash, "retrain", occurrence)
    return ctx.store.claim(
        slug,
        key,
        lambda n, a: derive(base, n, a, key=key, cause="retrain", actor="timer", at=ctx.clock()),
        delivery=f"retrain:{occurrence}",
    )[0]


def retrain_all(occurrence: str, ctx: Context) -> list[str]:
    """One scheduled run for each dataset that has a champion, nothing under way and is not paused."""
    out: list[str] = []

    def look(slug: str) -> None:
        dataset = ctx.store.dataset(slug)
        if (
            dataset
            and dataset.champion
            and not (dataset.open or dataset.paused)
            and not _just_retrained(slug, ctx)
        ):
            out.append(retrain(slug, occurrence, ctx))

    for slug in ctx.store.slugs():
        guarded(ctx.log, "could not retrain", partial(look, slug), dataset=slug)
    return out


def _just_retrained(slug: str, ctx: Context) -> bool:
    """The same occurrence may come twice under two names: hosts' clocks differ, or a clock went back."""
    for run_id in ctx.store.run_ids(slug)[:1]:
        try:
            newest, _ = ctx.store.load(run_id)
        except InvalidDocument:
            continue
        return newest.cause == "retrain" and abs(ctx.clock() - newest.created_at) < SAME_OCCURRENCE
    return False


def retry(run_id: str, actor: str, ctx: Context) -> str:
    """The next attempt of a run that failed or was rejected."""
    run, _ = ctx.store.load(run_id)
    if run.state not in RETRYABLE:
        raise Conflict(f"The run is {run.state}; only a failed or rejected one can be tried again.")
    if run.snapshot is None:
        raise Conflict(
            "The file was refused, so there is nothing to train on.",
            remedy=f"Correct it and drop it again; GET /api/quarantine/{run_id} tells what else can be done.",
        )
    return ctx.store.claim(
        run.slug,
        run.key,
        lambda n, a: derive(run, n, a, key=run.key, cause="retry", actor=actor, at=ctx.clock()),
        delivery=f"retry:{run_id}",
        again=True,
    )[0]
