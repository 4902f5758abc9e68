"""The endpoints in service, by what they cost and when they were called last."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.domain.run.serving import ServingEntry
from shared.services.monitoring.last_calls import last_call
from shared.services.run.context import Context

_FOLDER = "serving/"


@dataclass(frozen=True)
class Machines:
    """What each deployment runs on, as the settings say for new ones."""

    size: str
    count: int


@dataclass(frozen=True)
class EndpointCostView:
    """`deployments` with traffic or kept for a rollback; times are unix seconds. `cost` is a sentence."""

    dataset: str
    slug: str
    endpoint: str
    asleep: bool
    deployments: tuple[str, ...]
    traffic: dict[str, int] = field(default_factory=dict)
    last_call: float | None = None
    idle_hours: float | None = None
    cost: str = ""


@dataclass(frozen=True)
class EndpointCostList:
    """One page, by slug; `cursor` leads to the next."""

    items: tuple[EndpointCostView, ...]
    cursor: str | None = None


def page(limit: int, cursor: str | None, machines: Machines, ctx: Context) -> EndpointCostList:
    """A listing call, and two reads an endpoint; the last call is known to within some minutes."""
    documents = ctx.store.documents
    found, after = documents.page(_FOLDER, limit, f"{_FOLDER}{cursor}.json" if cursor else "")
    entries = [ctx.store.hint(listed.path, ServingEntry) for listed in found]
    items = tuple(_view(entry, machines, ctx) for entry in entries if entry)
    last = found[-1].path.removeprefix(_FOLDER).removesuffix(".json") if after and found else None
    return EndpointCostList(items, last)


def _view(entry: ServingEntry, machines: Machines, ctx: Context) -> EndpointCostView:
    called = last_call(ctx.store.documents, entry.slug)
    standing = () if entry.asleep else tuple(sorted(entry.deployments))
    nodes = max(1, len(standing)) * machines.count
    cost = (
        "nothing: it sleeps, and the next call wakes it"
        if entry.asleep
        else f"at least {nodes} x {machines.size} around the clock, called or not"
    )
    return EndpointCostView(
        entry.dataset,
        entry.slug,
        entry.endpoint,
        entry.asleep,
        standing,
        dict(entry.traffic),
        called,
        None if called is None else round(max(0.0, ctx.clock() - called) / 3600, 3),
        cost,
    )
