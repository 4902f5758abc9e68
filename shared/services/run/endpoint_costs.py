"""The endpoints in service, by what they cost and when they were called last."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from shared.domain.run.serving import ServingEntry
from shared.services.monitoring.last_calls import last_calls
from shared.services.run.context import Context
from shared.services.run.index import decoded, encoded
from shared.services.run.views import READERS

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
    """Two listing calls, and a read an endpoint, several at a time; the last call is known to within some minutes.

    Raises InvalidInput for a cursor of another make.
    """
    documents = ctx.store.documents
    found, after = documents.page(_FOLDER, limit, decoded(cursor)[0])
    called = last_calls(documents) if found else {}
    with ThreadPoolExecutor(READERS, thread_name_prefix="dropml-read") as pool:
        entries = list(pool.map(lambda listed: ctx.store.hint(listed.path, ServingEntry), found))
    items = tuple(_view(entry, called.get(entry.slug), machines, ctx) for entry in entries if entry)
    return EndpointCostList(items, encoded(after, "") if after else None)


def _view(entry: ServingEntry, called: float | None, machines: Machines, ctx: Context) -> EndpointCostView:
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
