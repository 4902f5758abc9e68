"""The canary: a share of live traffic for the challenger, watched until it has passed or all traffic goes back."""

from __future__ import annotations

from dataclasses import replace

from shared.domain.canary import CanaryLimits, Tally
from shared.domain.canary import breach as breach_of
from shared.domain.errors import DropMLError, Transient
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.parts import Canary, Gate
from shared.domain.run.serving import ServingEntry
from shared.services.monitoring import tallies
from shared.services.run import moves
from shared.services.run.context import Context
from shared.services.run.gate import ready, smoke_answers
from shared.services.run.levers.pausing import waiting
from shared.services.run.levers.whole import bring_back
from shared.services.run.ports import Endpoint
from shared.services.run.thresholds import comparable
from shared.services.run.traffic import (
    SETTLED,
    deployment_of,
    endpoint_of,
    reject,
    stands,
    take_all,
    traffic_is,
    write_serving,
)

#: So long after a canary's time, an answer that may still come is asked for again (seconds).
ASK_SECONDS = 120.0


def canary(run: Run, ctx: Context) -> Run:
    """Move traffic: first a share, then all of it; each move is an operation that is begun and then watched."""
    dataset = ctx.store.change_dataset(run.slug, lambda found: found)
    if dataset.shifting:
        return run  # people have put another version in force, and traffic is on its way there
    endpoint = endpoint_of(run, ctx)
    gate, now = run.gate or Gate(), run.canary or Canary(0)
    champion = ctx.store.load(gate.champion_run)[0] if gate.champion_run else None
    if dataset.champion == run.run_id:
        return take_all(run, champion, endpoint, dataset, ctx)  # a host died at the end of it
    if dataset.champion != gate.champion_run and dataset.champion:
        now = replace(now, breach=now.breach or f"{dataset.champion} was put in force meanwhile")
        champion = ctx.store.load(dataset.champion)[0]
    if champion and now.breach:
        return _go_back(run, champion, endpoint, now.breach, dataset, ctx)
    held = dataset.paused if now.passed and not run.promoted else None  # who promotes it by name means it
    if endpoint.state not in SETTLED or held:
        # An earlier move is still under way, or a person wants no other: callers are looked after all the same.
        run = _looked_after(run, champion, endpoint, now, ctx)
        return waiting(run, held) if held else run
    if dataset.paused and now.since is None and not run.promoted:
        return waiting(run, dataset.paused)
    if now.since is None and (before := ready(run, endpoint, ctx)):
        return before
    new = now.percent and now.since is None and not now.passed
    if champion and new and _shares(champion, endpoint, dataset, ctx):
        return _begin(run, champion, endpoint, now, dataset, ctx)
    if champion and now.since is not None and not now.passed:
        return _watch(run, champion, endpoint, now, ctx)
    return take_all(run, champion, endpoint, dataset, ctx)


def _shares(champion: Run, endpoint: Endpoint, dataset: Dataset, ctx: Context) -> bool:
    """Whether there is anything to share traffic with: somebody may have taken the live model's deployment away, or it sleeps and
    can't be woken.
    """
    return dataset.sleep is None and stands(champion, endpoint, ctx)


def _begin(run: Run, champion: Run, endpoint: Endpoint, now: Canary, dataset: Dataset, ctx: Context) -> Run:
    wanted = {deployment_of(champion): 100 - now.percent, deployment_of(run): now.percent}
    wanted = {name: share for name, share in wanted.items() if share}
    if not traffic_is(endpoint, wanted):
        moves.begin(dataset, endpoint.name, wanted, ctx)
        return run
    write_serving(run, endpoint, champion, ctx)
    return replace(run, canary=replace(now, since=ctx.clock(), paced_since=ctx.active()))


def _watch(run: Run, champion: Run, endpoint: Endpoint, now: Canary, ctx: Context) -> Run:
    """At every tick: what live traffic tells. At the end of the canary's time the smoke rows are asked again, too.

    A breach is written down before anything is done about it, so that a crash can't change the verdict.
    """
    if now.paced_since is None:  # begun by an earlier release, which knew the clock alone
        now = replace(now, paced_since=ctx.active() - max(0.0, ctx.clock() - (now.since or 0.0)))
    late = ctx.active() - (now.paced_since or 0.0) - ctx.canary.seconds
    over = late >= 0
    now, breach = _seen_by_callers(run, champion, endpoint, now, ctx)
    breach = breach or (_asked_again(run, endpoint, late, ctx) if over else None)
    if breach is None and not over:
        return replace(run, canary=now)
    return replace(run, canary=replace(now, breach=breach, passed=breach is None))


def _looked_after(run: Run, champion: Run | None, endpoint: Endpoint, now: Canary, ctx: Context) -> Run:
    """Only whether callers meet a breach, while nothing else can be done. What a person promotes is watched once it is live."""
    if champion is None or now.since is None or run.promoted:
        return run
    now, breach = _seen_by_callers(run, champion, endpoint, now, ctx)
    return replace(run, canary=replace(now, breach=breach))


def _seen_by_callers(
    run: Run, champion: Run, endpoint: Endpoint, now: Canary, ctx: Context
) -> tuple[Canary, str | None]:
    serving = ctx.store.hint(f"serving/{run.slug}.json", ServingEntry)
    if serving is None:  # somebody took it away, or wrote over it
        write_serving(run, endpoint, champion, ctx)
        return now, None
    seen = tallies.observed(ctx.store.documents, run.slug, serving.updated_at)
    old, new = (seen.get(deployment_of(r), Tally()) for r in (champion, run))
    counted = replace(now, calls={"champion": old.calls, "challenger": new.calls})
    return counted, breach_of(comparable(run, champion, old), new, limits_of(run, ctx))


def limits_of(run: Run, ctx: Context) -> CanaryLimits:
    """What callers of the run's model may meet. One that is proven better is surer than the champion by right, or less sure."""
    numbers = run.gate.numbers if run.gate else None
    return ctx.canary.limits.expecting((numbers.score_distance if numbers else None) or 0.0)


def _asked_again(run: Run, endpoint: Endpoint, late: float, ctx: Context) -> str | None:
    """`late`: seconds since the canary's time was over."""
    before = list(run.gate.smoke) if run.gate else []
    try:
        answers = smoke_answers(run, endpoint, ctx)
    except Transient as error:
        if late < ASK_SECONDS:
            raise  # the next tick asks again
        return error.message
    except DropMLError as error:
        return error.message
    return None if answers == before else f"it now answers {answers}, not {before}"


def _go_back(run: Run, champion: Run, endpoint: Endpoint, breach: str, dataset: Dataset, ctx: Context) -> Run:
    """All traffic to the champion: at once for callers of the proxy, then at the endpoint itself. Where the champion can take
    none, the challenger loses its own.
    """
    back = bring_back(champion, endpoint, dataset, ctx)
    there = traffic_is(endpoint, back) if back else not endpoint.traffic.get(deployment_of(run))
    if endpoint.state not in SETTLED or not there:
        if endpoint.state in SETTLED:
            moves.begin(dataset, endpoint.name, back, ctx)
        return run
    if back:
        write_serving(champion, endpoint, None, ctx)
    tallies.forget(ctx.store.documents, run.slug)
    where = "traffic went back" if back else f"no deployment of {champion.run_id} stands to go back to"
    reason = f"canary breach, {where}: {breach}"
    return reject(replace(run, gate=replace(run.gate or Gate(), decision="reject", reason=reason)), ctx)
