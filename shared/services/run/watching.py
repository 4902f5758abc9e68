"""The look at live traffic goes on after 100 %: a version that harms its callers then is taken back without being asked.

It is held against what the callers of the version before met while both shared the traffic. The run stays live meanwhile.
"""

from __future__ import annotations

from dataclasses import replace

from shared.domain.canary import Tally
from shared.domain.canary import breach as breach_of
from shared.domain.errors import DropMLError
from shared.domain.notify.notices import unserved
from shared.domain.run.acts import Shift, Watch
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.parts import Canary
from shared.domain.run.serving import ServingEntry
from shared.domain.run.states import State
from shared.services import conditional
from shared.services.monitoring import tallies
from shared.services.run import serving_documents
from shared.services.run.canary import limits_of
from shared.services.run.context import Context
from shared.services.run.gate import smoke_answers
from shared.services.run.levers.shifting import follow, shifted
from shared.services.run.traffic import deployment_of, endpoint_of, write_serving

PASSED = "passed"


def look(dataset: Dataset, ctx: Context) -> None:
    """Once a tick, at datasets under watch alone."""
    watch = dataset.watch
    if watch is None:
        return
    run = ctx.store.load(watch.run_id)[0]
    if run.state is State.CANARY and dataset.champion == run.run_id:
        return  # a host died while it promoted the run: its step goes on first
    serving = ctx.store.hint(f"serving/{dataset.slug}.json", ServingEntry)
    if dataset.champion != watch.run_id or (serving and serving.traffic != {deployment_of(run): 100}):
        _over(dataset.slug, watch, ctx)  # the traffic was split anew: the canary watches it now
        return
    if serving is None:
        write_serving(run, None, None, ctx, traffic={deployment_of(run): 100}, watched=True)
        return
    if not serving.watched:
        serving_documents.write(replace(serving, watched=True, updated_at=ctx.clock()), ctx.store)
        return
    seen = tallies.observed(ctx.store.documents, run.slug, serving.updated_at)
    mine = seen.get(deployment_of(run), Tally())
    why = _decided(run) or breach_of(watch.baseline, mine, limits_of(run, ctx))
    if why:
        _go_back(run, watch, why, ctx)
    elif ctx.active() - watch.since >= ctx.canary.watch_seconds:
        _told(run.run_id, PASSED, {"calls": mine.calls, "failed": mine.errors}, ctx)
        serving_documents.write(replace(serving, watched=False, updated_at=ctx.clock()), ctx.store)
        tallies.forget(ctx.store.documents, run.slug)
        _over(run.slug, watch, ctx)


def _go_back(run: Run, watch: Watch, why: str, ctx: Context) -> None:
    """All traffic to the version before, where that answers: else the endpoint itself is in trouble, and nothing is gained."""
    before = ctx.store.load(watch.before)[0]
    try:
        smoke_answers(before, endpoint_of(before, ctx), ctx)
    except DropMLError as error:
        what = f"breach after 100 %: {why}; {before.run_id} doesn't answer either: {error.message}"
        ctx.log("no way back", run_id=run.run_id, why=what)
        sentence = f"Version {run.n} of {run.dataset} harms its callers, and there is no way back. {what}"
        remedy = "Look at the endpoint in Azure ML; POST /api/datasets/{dataset}/rollback with `to` and another version."
        ctx.store.outbox.put(
            unserved(run.run_id, run.dataset, "no-way-back", ctx.clock(), watch.at, sentence, remedy)
        )
        return
    _told(run.run_id, why, {"breach": why, "back_to": before.run_id}, ctx)
    shift = Shift(before.run_id, run.run_id, "breach", "dropml", ctx.clock(), f"breach after 100 %: {why}")
    ctx.store.change_dataset(run.slug, lambda found: shifted(found, shift) if found.watch == watch else found)
    follow(run.slug, ctx)


def _decided(run: Run) -> str | None:
    """The breach that a host saw and died before it could act on it: a crash can't change the verdict."""
    return run.canary.watch if run.canary and run.canary.watch not in (None, PASSED) else None


def _told(run_id: str, outcome: str, detail: dict[str, object], ctx: Context) -> None:
    """In the run and its ledger, once."""

    def attempt() -> None:
        run, etag = ctx.store.load(run_id)
        canary = run.canary or Canary(0)
        if canary.watch is None:
            after = replace(run, canary=replace(canary, watch=outcome))
            ctx.store.save(after.record(ctx.clock(), "watched", detail=detail), etag)
        elif run.pending:
            ctx.store.settle(run, etag)

    conditional.write(attempt, run_id)


def _over(slug: str, watch: Watch, ctx: Context) -> None:
    ctx.store.change_dataset(
        slug, lambda found: replace(found, watch=None) if found.watch == watch else found
    )
