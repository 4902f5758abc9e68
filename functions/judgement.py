"""HTTP: how live models do on fresh data, what the gate saw, and what it would have said."""

from __future__ import annotations

import azure.functions as func

from functions import parameters
from functions.http import answer, door, tagged
from shared import bootstrap

bp = func.Blueprint()  # type: ignore[no-untyped-call]


@bp.route(route="datasets/{dataset}/performance", methods=["GET"])
@door
def show_performance(req: func.HttpRequest) -> func.HttpResponse:
    """A point for each new file that a live model has met before training; 304 to the ETag of the answer before."""
    from shared.services.run.performance import performance

    return tagged(req, *performance(parameters.dataset(req), bootstrap.store(), parameters.known(req)))


@bp.route(route="runs/{id}/diff", methods=["GET"])
@door
def show_diff(req: func.HttpRequest) -> func.HttpResponse:
    """Rows on which challenger and champion differ, and where they are; 304 to the ETag of the answer before."""
    from shared.services.run import what_if

    return tagged(req, *what_if.diff(req.route_params["id"], bootstrap.store(), parameters.known(req)))


@bp.route(route="runs/{id}/gate", methods=["POST"])
@door
def ask_what_if(req: func.HttpRequest) -> func.HttpResponse:
    """What the gate would have said by other terms; nothing is changed."""
    from shared.services.run import what_if

    return answer(what_if.what_if(req.route_params["id"], req.get_body(), bootstrap.store()))
