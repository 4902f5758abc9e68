"""Before a job is begun: a newer file of the same dataset goes first, then compute, quota, caps and places are looked at.

What can't begin waits, visibly (`held`), and goes on by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from shared.domain.run.cost import CostEstimate, estimate, missing
from shared.domain.run.documents import Run
from shared.domain.run.parts import RunProblem
from shared.domain.run.states import State
from shared.domain.spend import Caps, Refusal
from shared.services.run import superseding
from shared.services.run.context import Context
from shared.services.run.spending import let_through

Step = Callable[[Run, Context], Run]


def admitted(step: Step) -> Step:
    """The step that begins a job, once nothing speaks against it."""

    def wrapped(run: Run, ctx: Context) -> Run:
        superseding.take_place(run, ctx)
        compute = ctx.guardrails.look()
        refusal = missing(compute) if compute else None
        config = run.config
        own = Caps(config.daily_runs, config.daily_training_minutes)
        refusal = refusal or let_through(run.run_id, run.slug, config.timeout_minutes, own, ctx)
        if refusal:
            return held(run, refusal)
        cost: CostEstimate | None = None
        if compute:
            cost = estimate(compute, config.timeout_minutes, config.max_concurrent_trials)
        after = step(run, ctx)
        return replace(after, cost=cost) if after.state is State.TRAINING else after

    return wrapped


def held(run: Run, refusal: Refusal) -> Run:
    """The run, waiting. Its ledger tells it once for each reason."""
    return replace(
        run,
        waits_for=f"{refusal.message} {refusal.remedy}",
        held=RunProblem(refusal.code, refusal.message, refusal.remedy),
    )


def told(run: Run, before: Run, ctx: Context) -> Run:
    """With a line in the ledger where it is held for another reason than it was before."""
    if run.held is None or (before.held is not None and before.held.code == run.held.code):
        return run
    why: dict[str, object] = {
        "code": run.held.code,
        "message": run.held.message,
        "remedy": run.held.remedy,
    }
    ctx.log(run.held.code, run_id=run.run_id, message=run.held.message)
    return run.record(ctx.clock(), "held", detail=why)
