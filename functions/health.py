"""HTTP: is the app able to work? For strangers: yes or no."""

from __future__ import annotations

from functools import lru_cache

import azure.functions as func

from functions import parameters
from functions.http import REQUEST_ID, answer, refused
from shared import bootstrap
from shared.domain.errors import Transient
from shared.services.monitoring.probe import Probe

bp = func.Blueprint()  # type: ignore[no-untyped-call]


@lru_cache(maxsize=1)
def probe() -> Probe:
    """Reading a document needs the settings, the account, its container and the right to read it."""
    return Probe(lambda: bootstrap.documents().get("health.json"))


@bp.route(route="health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def health(req: func.HttpRequest) -> func.HttpResponse:
    """200 when settings and state can be read, 503 otherwise, whatever else the request holds; the log says why.

    Async, so that it runs on the event loop: it holds no worker, and waits for none.
    """
    request_id = parameters.request_id(req)
    if await probe().passes():
        response = answer({"status": "healthy"})
    else:
        response = refused(Transient("Not able to work now.", code="unhealthy"), request_id).response
    response.headers.add(REQUEST_ID, request_id)
    return response
