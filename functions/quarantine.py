"""HTTP: refused files, and what a person makes of them."""

from __future__ import annotations

from typing import Literal

import azure.functions as func

from functions import parameters
from functions.http import answer, door, door_with, tagged
from shared import front

bp = func.Blueprint()  # type: ignore[no-untyped-call]


@bp.route(route="quarantine", methods=["GET"])
@door_with("dataset", "decided", "limit", "cursor")
def list_quarantine(req: func.HttpRequest) -> func.HttpResponse:
    """Newest first; `dataset` and `decided` narrow it, `limit` (1 to 500, default 50) and `cursor` page it."""
    from shared.services.quarantine.listing import RefusedQuery

    found, etag = front.quarantine().page(RefusedQuery.parse(req.params))
    return tagged(req, found, etag)


@bp.route(route="quarantine/{id}", methods=["GET"])
@door
def show_refused(req: func.HttpRequest) -> func.HttpResponse:
    return answer(front.quarantine().show(req.route_params["id"]))


@bp.route(route="quarantine/{id}/release", methods=["POST"])
@door
def release_refused(req: func.HttpRequest) -> func.HttpResponse:
    """202 with the run of this file alone, the rule that it broke waived; asking twice starts one."""
    return _decided(req, "release")


@bp.route(route="quarantine/{id}/accept-schema", methods=["POST"])
@door
def accept_schema(req: func.HttpRequest) -> func.HttpResponse:
    """202 with the run of this file, whose schema the next ones are held against; asking twice starts one."""
    return _decided(req, "accept-schema")


@bp.route(route="quarantine/{id}/discard", methods=["POST"])
@door
def discard_refused(req: func.HttpRequest) -> func.HttpResponse:
    """200; the original is deleted by the next sweep, what is known of it stays."""
    return _decided(req, "discard")


def _decided(
    req: func.HttpRequest, action: Literal["release", "accept-schema", "discard"]
) -> func.HttpResponse:
    from shared.domain.rows import remarks

    note = remarks.parse(req.get_body(), ("note",)).get("note", "")
    done = front.quarantine().act(req.route_params["id"], action, parameters.actor(req), note)
    if done.run_id is None:
        return answer(done)
    return answer(done, 202, {"Location": f"/api/runs/{done.run_id}"})
