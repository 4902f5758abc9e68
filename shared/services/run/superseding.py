"""A run whose place a newer one of the same drop has taken: it ends, and what it has begun is ended with it.

Once a model is to be promoted, the run goes on: the gate decides between it and the newer one.
"""

from __future__ import annotations

from dataclasses import replace

from shared.domain.run.documents import Run
from shared.domain.run.parts import RunProblem, Superseded
from shared.domain.run.states import OPEN, State
from shared.services import conditional
from shared.services.run.context import Context
from shared.services.run.levers.cancelling import job_ended, undeployed

#: States in which a job may have been begun, and those in which a deployment may stand.
_JOB = frozenset({State.REGISTERED, State.TRAINING})
_DEPLOYMENT = frozenset({State.MODEL_REGISTERED, State.DEPLOYING, State.VERIFYING, State.GATE})


def supersede(run: Run, ctx: Context) -> None:
    """Have every older open run of the same version of the file end. Repeating it changes nothing."""
    dataset = ctx.store.dataset(run.slug)
    for older in dataset.open.values() if dataset else ():
        if older.source.etag == run.source.etag and older.n < run.n and older.cause != "pipeline":
            _mark(older.run_id, run.run_id, ctx)


def _mark(run_id: str, by: str, ctx: Context) -> None:
    def attempt() -> None:
        run, etag = ctx.store.load(run_id)
        if run.superseded is None and _may_end(run):
            ctx.store.save(replace(run, superseded=Superseded(by, ctx.clock())), etag)

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
        message=f"Superseded by run {by}: the configuration came later.",
        remedy=f"None is needed: see run {by}.",
    )
    return run.cancel(ctx.clock(), problem)
