"""A run whose place a newer one of the same drop, or of a newer drop, has taken: it ends, and what it has begun is ended with it.

Once a model is to be promoted, the run goes on: the gate decides between it and the newer one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from shared.domain.run.documents import Run
from shared.domain.run.parts import RunProblem, Superseded
from shared.domain.run.states import OPEN, State
from shared.services import conditional
from shared.services.run.context import Context
from shared.services.run.levers.cancelling import job_ended, undeployed
from shared.services.run.mending import DROP

#: States in which a job may have been begun, and those in which a deployment may stand.
_JOB = frozenset({State.REGISTERED, State.TRAINING})
_UNTRAINED = frozenset({State.DROPPED, State.VALIDATING, State.REGISTERED, State.TRAINING})
_DEPLOYMENT = frozenset({State.MODEL_REGISTERED, State.DEPLOYING, State.VERIFYING, State.GATE})


def supersede(run: Run, ctx: Context) -> None:
    """Have every older open run of the same version of the file end. Repeating it changes nothing."""
    dataset = ctx.store.dataset(run.slug)
    for older in dataset.open.values() if dataset else ():
        if older.source.etag == run.source.etag and older.n < run.n and older.cause != "pipeline":
            _mark(older.run_id, run.run_id, ctx)


def take_place(run: Run, ctx: Context) -> None:
    """Have files of the dataset end that were dropped shortly before this one, or wait for a limit, and aren't trained yet."""
    seconds = ctx.guardrails.drop_settle_seconds
    if not seconds or run.cause != DROP:
        return
    dataset = ctx.store.dataset(run.slug)
    for older in dataset.open.values() if dataset else ():
        if older.cause == DROP and older.n < run.n:
            shortly = run.created_at - older.created_at <= seconds
            _mark(
                older.run_id,
                run.run_id,
                ctx,
                "a newer file was dropped before this one was trained",
                partial(_is_behind, shortly=shortly),
            )


def _is_behind(older: Run, *, shortly: bool) -> bool:
    return older.state in _UNTRAINED and (shortly or older.held is not None)


def _mark(
    run_id: str, by: str, ctx: Context, why: str = "", fits: Callable[[Run], bool] = lambda _: True
) -> None:
    def attempt() -> None:
        run, etag = ctx.store.load(run_id)
        if run.superseded is None and _may_end(run) and fits(run):
            mark = Superseded(by, ctx.clock(), why) if why else Superseded(by, ctx.clock())
            ctx.store.save(replace(run, superseded=mark), etag)

    conditional.write(attempt, run_id)


def is_over(run: Run) -> bool:
    """Whether the run is to end because another has taken its place."""
    return run.superseded is not None and _may_end(run)


def _may_end(run: Run) -> bool:
    promoted = run.gate is not None and run.gate.decision == "promote"
    return run.state in OPEN and run.state is not State.CANARY and not promoted


def ending(run: Run, ctx: Context) -> Run:
    """What the run has begun is ended, then the run; the same run again means: wait."""
    if run.superseded is None:
        return run
    if run.state in _JOB and not job_ended(run, run.superseded.at, ctx):
        return run
    if run.state in _DEPLOYMENT and not undeployed(run, ctx):
        return run
    by = run.superseded.by
    problem = RunProblem(
        code="superseded",
        message=f"Superseded by run {by}: {run.superseded.why}.",
        remedy=f"None is needed: see run {by}.",
    )
    return run.cancel(ctx.clock(), problem)
