"""The canary: a share of live traffic for the challenger, watched until it has passed or all traffic goes back."""

from __future__ import annotations

from shared.domain.canary import CanaryLimits, Tally
from shared.domain.canary import breach as breach_of
from shared.domain.errors import DropMLError
from shared.domain.run.run import Run
from shared.services.monitoring import tallies
from shared.services.run.lifecycle import Context
from shared.services.run.ports import Endpoint
from shared.services.run.promotion import columns_of, endpoint_of, reject, take_all, traffic_is, write_serving


def canary(run: Run, ctx: Context) -> bool:
    """Move traffic: first a share, then all of it; each move is an operation that is begun and then watched."""
    endpoint = endpoint_of(run, ctx)
    if endpoint.state not in ("Succeeded", "Failed"):
        return False  # an earlier move is still under way
    mine, share = run.endpoint["deployment"], run.gate.get("canary_percent", 0)
    champion = ctx.runs.load(run.gate["champion_run"])[0] if run.gate.get("champion_run") else None
    if champion and run.gate.get("breach"):
        return _go_back(run, champion, endpoint, ctx)
    if champion and share and not run.gate.get("canary_since"):
        wanted = {champion.endpoint["deployment"]: 100 - share, mine: share}
        if not traffic_is(endpoint, wanted):
            ctx.azureml.begin_traffic(endpoint.name, wanted)
            return False
        write_serving(run, endpoint, champion, ctx)
        run.gate["canary_since"] = ctx.clock()
        return True
    if champion and run.gate.get("canary_since") and not run.gate.get("canary_passed"):
        return _watch(run, champion, endpoint, ctx)
    return take_all(run, champion, endpoint, ctx)


def _watch(run: Run, champion: Run, endpoint: Endpoint, ctx: Context) -> bool:
    """At every tick: what live traffic tells. At the end of the canary's time the smoke rows are asked again, too.

    A breach is written down before anything is done about it, so that a crash can't change the verdict.
    """
    over = ctx.clock() - run.gate["canary_since"] >= ctx.settings.canary_seconds
    breach = _seen_by_callers(run, champion, ctx) or (_asked_again(run, endpoint, ctx) if over else None)
    if breach is None and not over:
        return False
    run.gate |= {"canary_passed": True} if breach is None else {"breach": breach}
    return True


def _seen_by_callers(run: Run, champion: Run, ctx: Context) -> str | None:
    serving = ctx.runs.read(f"serving/{run.slug}.json") or {}
    seen = tallies.observed(ctx.runs, run.slug, serving.get("updated_at"))
    settings = ctx.settings
    limits = CanaryLimits(settings.canary_error_rate, settings.canary_latency_factor, settings.canary_skew)
    old, new = (seen.get(r.endpoint["deployment"], Tally()) for r in (champion, run))
    run.gate["canary_calls"] = {"champion": old.calls, "challenger": new.calls}
    return breach_of(old, new, limits)


def _asked_again(run: Run, endpoint: Endpoint, ctx: Context) -> str | None:
    columns = columns_of(run)
    rows = [[row.get(c) for c in columns] for row in run.data["schema"]["example"]]
    try:
        answers = ctx.scorer.labels(endpoint, run.endpoint["deployment"], columns, rows)
    except DropMLError as error:
        return error.message
    return None if answers == run.gate["smoke"] else f"it now answers {answers}, not {run.gate['smoke']}"


def _go_back(run: Run, champion: Run, endpoint: Endpoint, ctx: Context) -> bool:
    """All traffic to the champion: at once for callers of the proxy, then at the endpoint itself."""
    back = {champion.endpoint["deployment"]: 100}
    if not traffic_is(endpoint, back):
        write_serving(champion, endpoint, None, ctx, traffic=back)
        ctx.azureml.begin_traffic(endpoint.name, back)
        return False
    write_serving(champion, endpoint, None, ctx)
    tallies.forget(ctx.runs, run.slug)
    reason = f"canary breach, traffic went back: {run.gate['breach']}"
    run.gate |= {"decision": "reject", "reason": reason}
    return reject(run, ctx)
