"""The proxy sends every call to one run's deployment, whatever the endpoint's own traffic is by now."""

from __future__ import annotations

from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.serving import ServingEntry
from shared.services.run.context import Context
from shared.services.run.levers.sleeping import lie_down
from shared.services.run.ports import Endpoint
from shared.services.run.traffic import deployment_of, stands, write_serving


def serve_all(run: Run, ctx: Context) -> None:
    """Costs a read where it is so already. Azure is not asked: this works while its control plane is away."""
    now, name = ctx.store.hint(f"serving/{run.slug}.json", ServingEntry), deployment_of(run)
    if (
        now is None
        or now.traffic != {name: 100}
        or now.version(name).run_id != run.run_id
        or now.live != name
        or now.watched
    ):
        write_serving(run, None, None, ctx, traffic={name: 100})


def bring_back(champion: Run, endpoint: Endpoint, dataset: Dataset, ctx: Context) -> dict[str, int]:
    """Callers of the proxy meet the champion alone, or are told to come again while it sleeps. Returns what the endpoint's own
    traffic is to become: none at all where no deployment of the champion can take any.
    """
    if dataset.sleep:
        lie_down(dataset.slug, ctx)
        return {}
    serve_all(champion, ctx)
    return {deployment_of(champion): 100} if stands(champion, endpoint, ctx) else {}
