"""What people ask for: roll back, promote, cancel, approve, reject, pause, resume. Asking twice is asking once.

Each wish is one conditional write of the dataset's or the run's document; what follows from it is begun at once and carried
on by the lifecycle, whatever dies in between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from shared.domain.errors import Refused
from shared.domain.run.acts import Act
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.parts import Canary
from shared.domain.run.states import State
from shared.services import conditional
from shared.services.guard import guarded
from shared.services.run import loop
from shared.services.run.context import Context
from shared.services.run.levers import cancelling, shifting

#: What one call gives to the steps that follow from it (seconds); the lifecycle does the rest.
AT_ONCE = 5.0


@dataclass(frozen=True)
class Asked:
    """A run as a wish has left it: who asked, when (unix seconds), and the state that it is in by now."""

    run_id: str
    dataset: str
    state: State
    actor: str
    at: float
    note: str = ""


@dataclass(frozen=True)
class Paused:
    """Whether a dataset is paused, and who paused it, since when (unix seconds)."""

    dataset: str
    slug: str
    paused: bool
    actor: str | None = None
    at: float | None = None
    note: str = ""


def cancel(run_id: str, act: Act, ctx: Context) -> Asked:
    """From any open state; ends as cancelled. Raises NotFound, and Conflict where the run is over otherwise."""

    def wished(run: Run) -> Run:
        if run.cancelling or run.state is State.CANCELLED:
            return run
        if not run.is_open:
            remedy = (
                f"POST /api/datasets/{run.slug}/rollback takes a live one back."
                if run.state is State.LIVE
                else "Nothing of it goes on."
            )
            raise Refused(f"The run is {run.state}, not open.", remedy=remedy, code="not-open")
        return cancelling.cancelled(run, act)

    run = _wish(run_id, wished, ctx)
    return _asked(run, run.cancelling or Act("dropml", run.entered_at))


def decide(run_id: str, verdict: Literal["approved", "rejected"], act: Act, ctx: Context) -> Asked:
    """A person's word on a run that waits for it. Raises NotFound, and Conflict where nothing waits or the opposite was said."""

    def wished(run: Run) -> Run:
        approval = run.approval
        if approval and approval.verdict and approval.said:
            if approval.verdict == verdict:
                return run
            raise Refused(
                f"The run was {approval.verdict} by {approval.said.actor}.",
                remedy=f"It is {run.state} now: see GET /api/runs/{run_id}.",
                code="already-decided",
            )
        if approval is None or run.state is not State.AWAITING_APPROVAL:
            raise Refused(
                f"The run is {run.state}; it waits for nobody's approval.",
                remedy="GET /api/runs?state=awaiting_approval lists those that do.",
                code="not-awaiting-approval",
            )
        said = replace(run, approval=replace(approval, verdict=verdict, said=act))
        return said.record(act.at, verdict, act.actor, {"note": act.note} if act.note else None)

    run = _wish(run_id, wished, ctx)
    return _asked(run, run.approval.said if run.approval and run.approval.said else act)


def promote_canary(run_id: str, act: Act, ctx: Context) -> None:
    """Its time is over now. Raises Conflict where traffic goes back already, or to another version."""

    def wished(run: Run) -> Run:
        canary = run.canary or Canary(0)
        dataset = ctx.store.dataset(run.slug)
        if run.state is not State.CANARY or canary.passed:
            return run
        if canary.breach or run.cancelling or (dataset and dataset.shifting):
            raise Refused(
                f"All traffic is going back to the champion: {canary.breach or 'somebody asked for it'}.",
                remedy=f"POST /api/runs/{run_id}/retry trains and deploys it again.",
                code="going-back",
            )
        forced = replace(run, canary=replace(canary, passed=True), promoted=act)
        return forced.record(act.at, "promote", act.actor, {"note": act.note} if act.note else None)

    _wish(run_id, wished, ctx)


def pause(name: str, act: Act, ctx: Context) -> Paused:
    """Nothing trains and nothing is promoted until it is resumed. Raises NotFound."""
    slug = ctx.store.find_dataset(name).slug
    after = ctx.store.change_dataset(
        slug, lambda found: found if found.paused else replace(found, paused=act)
    )
    ctx.log("dataset-paused", slug=slug, actor=act.actor, note=act.note)
    return _paused(after)


def resume(name: str, act: Act, ctx: Context) -> Paused:
    """What waits goes on with the next tick. Raises NotFound."""
    slug = ctx.store.find_dataset(name).slug
    after = ctx.store.change_dataset(slug, lambda found: replace(found, paused=None))
    ctx.log("dataset-resumed", slug=slug, actor=act.actor, note=act.note)
    return _paused(after)


def _paused(dataset: Dataset) -> Paused:
    act = dataset.paused
    if act is None:
        return Paused(dataset.dataset, dataset.slug, paused=False)
    return Paused(dataset.dataset, dataset.slug, True, act.actor, act.at, act.note)


def _asked(run: Run, act: Act) -> Asked:
    return Asked(run.run_id, run.dataset, run.state, act.actor, act.at, act.note)


def _wish(run_id: str, wished: Callable[[Run], Run], ctx: Context) -> Run:
    """Written into the run's document, then the steps that follow at once."""

    def attempt() -> Run:
        run, etag = ctx.store.load(run_id)
        after = wished(run)
        return run if after == run else ctx.store.save(after, etag)[0]

    run = conditional.write(attempt, run_id)
    if not run.is_open:
        return run
    loop.advance(run_id, ctx, ctx.active() + AT_ONCE)
    return ctx.store.load(run_id)[0]


def carry_on(slug: str, ctx: Context) -> None:
    """The first moves of a shift, now; trouble with the endpoint is told in it, and the lifecycle goes on."""
    guarded(ctx.log, "traffic could not be shifted", partial(shifting.follow, slug, ctx), slug=slug)
