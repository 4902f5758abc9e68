"""HTTP: what serving costs."""

from __future__ import annotations

import azure.functions as func

from functions.http import answer, door_with
from shared import bootstrap
from shared.settings import settings

bp = func.Blueprint()  # type: ignore[no-untyped-call]


@bp.route(route="endpoints", methods=["GET"])
@door_with("limit", "cursor")
def list_endpoints(req: func.HttpRequest) -> func.HttpResponse:
    """By slug; `limit` (1 to 500, default 50) and `cursor` page it."""
    from shared.services.run import endpoint_costs
    from shared.services.run.views import PageQuery

    query, now = PageQuery.parse(req.params), settings()
    machines = endpoint_costs.Machines(now.instance_type, now.instance_count)
    return answer(endpoint_costs.page(query.limit, query.cursor, machines, bootstrap.context()))
