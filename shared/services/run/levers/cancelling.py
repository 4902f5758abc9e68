"""A run that somebody has cancelled: what it has begun is ended, callers first, then the run.

The wish stands in the run's document, so that a host that dies here leaves it to the next one.
"""

from __future__ import annotations

from dataclasses import replace

from shared.domain import names
from shared.domain.run.acts import Act
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.parts import RunProblem
from shared.domain.run.states import State
from shared.services.monitoring import tallies
from shared.services.run import moves
from shared.services.run.context import Context
from shared.services.run.levers.whole import bring_back
from shared.services.run.ports import JOB_DONE, Endpoint
from shared.services.run.traffic import SETTLED, traffic_is
from shared.services.run.training import training_job

_JOB = frozenset({State.REGISTERED, State.TRAINING})
_DEPLOYMENT = frozenset(
    {
        State.MODEL_REGISTERED,
        State.DEPLOYING,
        State.VERIFYING,
        State.GATE,
        State.AWAITING_APPROVAL,
        State.CANARY,
    }
)


def ending(run: Run, ctx: Context) -> Run:
    """One thing that the run has begun is ended, or the run itself; the same run again means: wait."""
    asked = run.cancelling
    if asked is None:
        return run
    if run.state in _JOB and not job_ended(run, asked.at, ctx):
        return run
    if run.state in _DEPLOYMENT and not (_without_traffic(run, ctx) and undeployed(run, ctx)):
        return run
    if run.state is State.CANARY:
        tallies.forget(ctx.store.documents, run.slug)
    return run.cancel(ctx.clock(), _told(run, asked), asked.actor)


def _told(run: Run, asked: Act) -> RunProblem:
    why = f": {asked.note}" if asked.note else "."
    return RunProblem(
        code="cancelled",
        message=f"Cancelled by {asked.actor} while it was {run.state}{why}",
        remedy=f"None is needed. POST /api/runs/{run.run_id}/retry trains its data after all; "
        f"POST /api/datasets/{run.slug}/pause keeps the next file from training.",
    )


def job_ended(run: Run, asked_at: float, ctx: Context) -> bool:
    """False where it can't be told yet: another host may be submitting it at this moment."""
    name = run.training.name if run.training else training_job(run).name
    job = ctx.azureml.job(name)
    if job is None:
        return run.state is State.TRAINING or abs(ctx.clock() - asked_at) > ctx.pace.settle_seconds
    if job.status not in JOB_DONE:
        ctx.azureml.cancel(name)
    return True


def undeployed(run: Run, ctx: Context) -> bool:
    """Deletes one deployment of the run that has come up; False while there may be another, or one is coming up."""
    endpoint = names.endpoint(run.slug, ctx.workspace_id, run.dataset)
    if ctx.azureml.endpoint(endpoint) is None:
        return True
    found = (ctx.azureml.deployment(endpoint, name) for name in sorted(names.deployments(run.n, run.attempt)))
    standing = next((each for each in found if each is not None and each.state != "Deleting"), None)
    if standing is not None and standing.state in SETTLED:
        ctx.azureml.begin_delete_deployment(endpoint, standing.name)
    return standing is None


def _without_traffic(run: Run, ctx: Context) -> bool:
    """Whether no caller meets the run's deployment any more; begins to move them where one may.

    Callers of the proxy are moved first, with the serving document, then the endpoint's own.
    """
    name = names.endpoint(run.slug, ctx.workspace_id, run.dataset)
    endpoint = ctx.azureml.endpoint(name)
    mine = names.deployments(run.n, run.attempt)
    if endpoint is None:
        return True
    met = any(endpoint.traffic.get(each) for each in mine)
    if not met and run.state is not State.CANARY:
        return True
    if not met and endpoint.state not in SETTLED:
        return False  # a move that was begun before may still bring some
    dataset = ctx.store.dataset(run.slug)
    wanted = _brought_back(endpoint, dataset, ctx)
    if met and dataset and endpoint.state in SETTLED and not traffic_is(endpoint, wanted):
        moves.begin(dataset, name, wanted, ctx)
    return not met


def _brought_back(endpoint: Endpoint, dataset: Dataset | None, ctx: Context) -> dict[str, int]:
    if dataset is None or dataset.champion is None:
        return {}
    return bring_back(ctx.store.load(dataset.champion)[0], endpoint, dataset, ctx)


def cancelled(run: Run, act: Act) -> Run:
    """The run with the wish in it, and in its ledger."""
    note: dict[str, object] | None = {"note": act.note} if act.note else None
    return replace(run, cancelling=act).record(act.at, "cancel", act.actor, note)
