"""What people see of an endpoint, and its Application Insights switch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.domain.errors import Conflict, InvalidInput, NotFound
from shared.domain.rows import payloads
from shared.domain.run.serving import ServingEntry
from shared.services.run.context import Context
from shared.services.run.traffic import SETTLED

#: Lines of a log that are read.
LINES = 200
_SWITCH = 'Send {"enabled": true} or {"enabled": false}.'


@dataclass(frozen=True)
class DeploymentView:
    """A deployment; `traffic` is in percent. `run_id`, `model_label` and `mode` are empty for one that we didn't make."""

    name: str
    state: str
    model: str
    traffic: int
    app_insights_enabled: bool
    live: bool = False
    run_id: str = ""
    model_label: str = ""
    mode: str = ""
    threshold: float | None = None
    error: str = ""

    @property
    def moves(self) -> bool:
        """Azure is changing it."""
        return self.state not in SETTLED


@dataclass(frozen=True)
class EndpointView:
    """An endpoint as Azure has it now. `app_insights_enabled`: of every deployment that has traffic."""

    name: str
    dataset: str
    slug: str
    state: str
    scoring_uri: str
    auth_mode: str
    app_insights_enabled: bool
    traffic: dict[str, int]
    deployments: tuple[DeploymentView, ...]

    @property
    def moves(self) -> bool:
        """Azure is changing it, or a deployment that callers meet."""
        served = (each for each in self.deployments if each.traffic or each.live)
        return self.state not in SETTLED or any(each.moves for each in served)


@dataclass(frozen=True)
class EndpointLogView:
    """The end of a deployment's log."""

    name: str
    deployment: str
    log: str


def show(entry: ServingEntry, ctx: Context) -> EndpointView:
    """Asks Azure twice. Raises NotFound where the endpoint is gone."""
    found = ctx.azureml.endpoint(entry.endpoint)
    if found is None:
        raise NotFound(
            f"Azure has no endpoint {entry.endpoint} any more.",
            remedy="It is made anew when the next version of the dataset is deployed: drop the file again.",
            code="unknown-endpoint",
        )
    deployments = tuple(
        DeploymentView(
            each.name,
            each.state,
            each.model,
            found.traffic.get(each.name, 0),
            each.app_insights_enabled,
            each.name == entry.live,
            entry.version(each.name).run_id,
            entry.version(each.name).model,
            entry.version(each.name).mode if each.name in entry.deployments else "",
            entry.version(each.name).threshold,
            each.error,
        )
        for each in ctx.azureml.deployments(entry.endpoint)
    )
    serving = [each for each in deployments if each.traffic] or list(deployments)
    return EndpointView(
        entry.endpoint,
        entry.dataset,
        entry.slug,
        found.state,
        found.scoring_uri,
        found.auth_mode,
        bool(serving) and all(each.app_insights_enabled for each in serving),
        found.traffic,
        deployments,
    )


def log(entry: ServingEntry, deployment: str, ctx: Context) -> EndpointLogView:
    """Of the live deployment where none is named. Raises NotFound."""
    name = deployment or entry.live
    if ctx.azureml.deployment(entry.endpoint, name) is None:
        raise NotFound(
            f"The endpoint {entry.endpoint} has no deployment {name[:64]!r}.",
            remedy=f"GET /api/endpoints/{entry.endpoint} names them.",
            code="unknown-deployment",
        )
    return EndpointLogView(entry.endpoint, name, ctx.azureml.logs(entry.endpoint, name, LINES))


def parsed(body: bytes) -> bool:
    """`{"enabled": true}`. Raises InvalidInput."""
    doc = payloads.load_json(body, _SWITCH)
    wanted = doc.get("enabled") if isinstance(doc, dict) and len(doc) == 1 else None
    if not isinstance(wanted, bool):
        raise InvalidInput(
            'The body must be {"enabled": true} or {"enabled": false}.',
            remedy=_SWITCH,
            field="enabled",
        )
    return wanted


def app_insights(entry: ServingEntry, *, enabled: bool, actor: str, ctx: Context) -> EndpointView:
    """Begin to turn it on or off for each deployment with traffic that is otherwise; the same again begins nothing.

    Raises Conflict while one of them is being changed: Azure takes one change at a time.
    """
    seen = show(entry, ctx)
    if seen.moves:
        raise Conflict(
            f"A deployment of {seen.name} is being changed already.",
            remedy="Ask again once its state is Succeeded.",
            code="deployment-busy",
        )
    for each in seen.deployments:
        if each.app_insights_enabled != enabled and (each.traffic or each.live):
            ctx.azureml.begin_app_insights(entry.endpoint, each.name, enabled=enabled)
            ctx.log(
                "app-insights-set",
                endpoint=entry.endpoint,
                deployment=each.name,
                enabled=enabled,
                actor=actor,
            )
    changed = tuple(
        replace(each, app_insights_enabled=enabled) if each.traffic or each.live else each
        for each in seen.deployments
    )
    return replace(seen, app_insights_enabled=enabled, deployments=changed)
