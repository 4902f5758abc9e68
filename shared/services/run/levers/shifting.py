"""All traffic to another version that stands: the proxy's callers at once, the endpoint's own behind them.

The dataset's document is the arbiter: one conditional write says who is champion and that traffic is on its way there. What
follows is found again from it, by whoever looks next.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace

from shared.domain.errors import DropMLError
from shared.domain.run.acts import BACK, Shift
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.parts import brief
from shared.domain.run.states import FORMER, State
from shared.services import conditional
from shared.services.monitoring import tallies
from shared.services.run import moves
from shared.services.run.context import Context
from shared.services.run.levers.whole import serve_all
from shared.services.run.traffic import SETTLED, deployment_of, endpoint_of, stands, traffic_is
from shared.services.run.training import placement_of


def shifted(dataset: Dataset, shift: Shift) -> Dataset:
    """The dataset whose champion is from now on the run that the shift leads to."""
    return replace(dataset, champion=shift.to, shift=shift, watch=None)


def follow(slug: str, ctx: Context) -> None:
    """What the shift that is under way still lacks, at most one move of the endpoint; none under way costs a read.

    Trouble with the endpoint is told in the shift, and raised: callers of the proxy are moved already.
    """
    dataset = ctx.store.dataset(slug)
    shift = dataset.shifting if dataset else None
    if dataset is None or shift is None:
        return
    target = ctx.store.load(shift.to)[0]
    serve_all(target, ctx)
    _enter(shift.to, FORMER, State.LIVE, shift, ctx)
    lost = State.ROLLED_BACK if shift.cause in BACK else State.RETIRED
    _enter(shift.away, {State.LIVE, State.CANARY}, lost, shift, ctx)
    try:
        there = _moved(target, dataset, ctx)
    except DropMLError as error:
        if shift.trouble and _gone(target, shift, ctx):
            _given_up(dataset, shift, brief(error.message), ctx)
        else:
            _keep(slug, shift, replace(shift, trouble=brief(error.message)), ctx)
        raise
    if there:
        tallies.forget(ctx.store.documents, slug)
    done_at = ctx.clock() if there else None
    _keep(slug, shift, replace(shift, trouble=None, done_at=done_at), ctx)


def _enter(run_id: str, leaving: AbstractSet[State], state: State, shift: Shift, ctx: Context) -> None:
    """The run's state says what was decided; its ledger by whom and why."""
    told: dict[str, object] = {"cause": shift.cause, "to": shift.to, "away": shift.away}
    if shift.note:
        told["note"] = shift.note

    def attempt() -> None:
        run, etag = ctx.store.load(run_id)
        if run.state in leaving:
            ctx.store.save(run.advance(state, ctx.clock(), detail=told, actor=shift.actor), etag)
        elif run.pending:  # a host died before the ledger had it
            ctx.store.settle(run, etag)

    conditional.write(attempt, run_id)


def _moved(target: Run, dataset: Dataset, ctx: Context) -> bool:
    """Whether the endpoint's own traffic is there; begins to move it where nothing else is under way."""
    endpoint, wanted = endpoint_of(target, ctx), {deployment_of(target): 100}
    if endpoint.state not in SETTLED:
        return False
    if traffic_is(endpoint, wanted):
        return True
    moves.begin(dataset, endpoint.name, wanted, ctx)
    return False


def _gone(target: Run, shift: Shift, ctx: Context) -> bool:
    """Whether its deployment is gone for good: Azure has refused it traffic twice, and reads lag no more."""
    if abs(ctx.clock() - shift.at) <= ctx.pace.settle_seconds:
        return False
    endpoint = ctx.azureml.endpoint(placement_of(target)[0])
    return endpoint is None or not stands(target, endpoint, ctx)


def _given_up(dataset: Dataset, shift: Shift, trouble: str, ctx: Context) -> None:
    """Traffic stays with the version that was to lose it, where that was live before and stands. Where nothing stands, the
    shift is over all the same: the next model then takes all traffic.
    """
    away = ctx.store.load(shift.away)[0]
    endpoint = ctx.azureml.endpoint(placement_of(away)[0])
    there = endpoint is not None and stands(away, endpoint, ctx)
    if not there or all(moment.state is not State.LIVE for moment in away.history):
        _keep(dataset.slug, shift, replace(shift, trouble=trouble, done_at=ctx.clock()), ctx)
        return
    note = f"no deployment of {shift.to} stands: {trouble}"
    back = Shift(shift.away, shift.to, "outside", "dropml", ctx.clock(), note)

    def decide(now: Dataset) -> Dataset:
        if now.shift != shift:
            return now
        ctx.store.mark_open(dataset.slug)  # between the reading and the writing of the dataset: see `rest`
        return shifted(now, back)

    ctx.store.change_dataset(dataset.slug, decide)


def _keep(slug: str, before: Shift, after: Shift, ctx: Context) -> None:
    """Unless another shift has taken its place."""
    ctx.store.change_dataset(
        slug, lambda found: replace(found, shift=after) if found.shift == before else found
    )
