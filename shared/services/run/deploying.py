"""From a registered model to a deployment that stands: endpoint, code, packages, deployment, each begun and found by its name.

See `training` for what a step may do.
"""

from __future__ import annotations

from dataclasses import replace

from shared.domain import names
from shared.domain.errors import DropMLError
from shared.domain.failures import explained
from shared.domain.run.documents import Run
from shared.domain.run.parts import MOST_CHARACTERS, Placement, RunProblem, brief
from shared.domain.run.states import State
from shared.services.run import moves
from shared.services.run.context import Context
from shared.services.run.patience import Gone
from shared.services.run.ports import Deployment, Endpoint
from shared.services.run.training import deployment_spec, may_repeat, placement_of, snapshot_of, there

#: Parts of a run that are begun a second time where the service itself let the first one fail.
ENDPOINT, DEPLOYMENT = "endpoint", "deployment"
#: Characters of a deployment's log that its failure is explained with.
LOG_TAIL = 800


def model_registered(run: Run, ctx: Context) -> Run:
    """Find or make the endpoint, then begin the deployment at 0 % traffic."""
    name = names.endpoint(run.slug, ctx.workspace_id, run.dataset)
    endpoint = ctx.azureml.endpoint(name)
    where = run.placement or Placement(name, mode=ctx.deployment_mode)
    if endpoint is None:
        if run.placement is not None:
            raise Gone(f"There is no endpoint {name} yet.", code="endpoint-gone")
        tags = {"dropml_dataset": run.dataset, "dropml_slug": run.slug}
        ctx.azureml.begin_endpoint(name, f"DropML: {run.dataset}", tags)
        return replace(run, placement=where)
    if endpoint.state in ("Failed", "Canceled"):
        return _endpoint_failed(run, endpoint, ctx)
    parts = _parts(run, where, ctx)
    if parts != where:
        return replace(run, placement=parts)
    if endpoint.state != "Succeeded":
        return run
    deployment = names.deployment(run.n, run.attempt)
    if DEPLOYMENT in run.repeated:
        failed = ctx.azureml.deployment(name, deployment)
        if failed is not None and failed.state != "Deleting":
            ctx.azureml.begin_delete_deployment(name, deployment)
            return run
        deployment = names.second(deployment)
    placement = replace(
        where,
        deployment=deployment,
        scoring_uri=endpoint.scoring_uri,
        auth_mode=endpoint.auth_mode,
        threshold=_said_threshold(run) if where.mode == "script" else None,
    )
    placed = replace(run, placement=placement)
    if ctx.azureml.deployment(name, deployment) is None:
        ctx.azureml.begin_deployment(deployment_spec(placed))
    return placed.advance(
        State.DEPLOYING,
        ctx.clock(),
        detail={"endpoint": name, "deployment": deployment},
    )


def _said_threshold(run: Run) -> float | None:
    """The number that the configuration says; what a rule says is known once the gate has the model's answers."""
    rule = run.config.threshold
    return rule.value if rule and len(snapshot_of(run).schema.classes) == 2 else None


def _parts(run: Run, where: Placement, ctx: Context) -> Placement:
    """With the next part that a script deployment is made of, while its endpoint may still be coming up."""
    if where.mode != "script":
        return where
    if not where.code:
        return replace(where, code=ctx.azureml.register_code())
    if not where.environment:
        best = there(run.best, run, "best trial")
        return replace(where, environment=ctx.azureml.register_environment(best.name))
    return where


def _endpoint_failed(run: Run, endpoint: Endpoint, ctx: Context) -> Run:
    """Put again as it is, once: a change that failed half-way is taken up by the same change."""
    dataset = ctx.store.dataset(run.slug)
    if dataset and may_repeat(run, ENDPOINT):
        moves.begin(dataset, endpoint.name, endpoint.traffic, ctx)
        why = f"The endpoint {endpoint.name} came out as {endpoint.state} and is put again."
        return run.repeat(State.MODEL_REGISTERED, ctx.clock(), ENDPOINT, why)
    if (dataset and dataset.champion) or any(endpoint.traffic.values()):
        raise DropMLError(
            f"The endpoint {endpoint.name} is {endpoint.state}, also after it was put again. It has the live model: "
            "don't delete it.",
            remedy=f"Read its provisioning error (az ml online-endpoint show --name {endpoint.name}, or the studio), mend "
            f"that, put the endpoint again (az ml online-endpoint update --name {endpoint.name}) or wait a while; then "
            f"POST /api/runs/{run.run_id}/retry.",
            code="endpoint-failed",
        )
    raise DropMLError(
        f"The endpoint {endpoint.name} could not be created.",
        remedy=f"Delete the endpoint {endpoint.name} in the studio, check quota and rights, then retry the run.",
        code="endpoint-failed",
    )


def deploying(run: Run, ctx: Context) -> Run:
    name, deployment = placement_of(run)
    found = ctx.azureml.deployment(name, deployment)
    if found is None:
        raise Gone(
            f"There is no deployment {deployment} at {name}.",
            remedy="POST /api/runs/{id}/retry.",
            code="deployment-failed",
        )
    if found.state in ("Failed", "Canceled"):
        return _not_deployed(run, found, ctx)
    if found.state != "Succeeded":
        return run
    placement = replace(
        there(run.placement, run, "endpoint"), app_insights_enabled=found.app_insights_enabled
    )
    return run.advance(State.VERIFYING, ctx.clock(), placement=placement)


def _not_deployed(run: Run, found: Deployment, ctx: Context) -> Run:
    """Begun a second time under another name, once; the second one's failure ends the run."""
    endpoint, name = placement_of(run)
    said = f": {brief(found.error)}" if found.error else "."
    log = _log_tail(endpoint, name, ctx)
    why = f"The deployment {name} is {found.state}{said} Last lines of its log: {log[-LOG_TAIL:]}"
    if may_repeat(run, DEPLOYMENT):
        return run.repeat(State.MODEL_REGISTERED, ctx.clock(), DEPLOYMENT, why)
    ctx.azureml.begin_delete_deployment(endpoint, name)
    problem = explained(found.error) or RunProblem(
        code="deployment-failed",
        message="",
        remedy="Check quota of the instance type and the log, then POST /api/runs/{id}/retry.",
    )
    message = f"{problem.message} {why}".strip()
    return run.fail(ctx.clock(), replace(problem, message=brief(message), log_tail=log[-MOST_CHARACTERS:]))


def _log_tail(endpoint: str, name: str, ctx: Context) -> str:
    try:
        return ctx.azureml.logs(endpoint, name) or "none"
    except DropMLError as error:  # what failed is told all the same
        return f"it can't be read: {error.message}"
