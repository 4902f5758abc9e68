"""HTTP: run the published retraining pipeline and watch it."""

from __future__ import annotations

import time
import uuid
from urllib.parse import quote

import azure.functions as func

from functions import parameters
from functions.http import answer, door, door_with, tagged
from shared import bootstrap

bp = func.Blueprint()  # type: ignore[no-untyped-call]


@bp.route(route="pipelines/{dataset}/runs", methods=["POST"])
@door
def trigger_pipeline(req: func.HttpRequest) -> func.HttpResponse:
    """202 with the pipeline run; the same Idempotency-Key is the same run."""
    from shared.domain.run import trigger

    request_id, dataset = _request_id(req), parameters.dataset(req)
    said = trigger.parse(req.get_body())
    asked = bootstrap.pipeline_runs().trigger(dataset, request_id, parameters.actor(req), said)
    return answer(asked, 202, _location(dataset, request_id))


@bp.route(route="pipelines/{dataset}/publish", methods=["POST"])
@door
def publish_pipeline(req: func.HttpRequest) -> func.HttpResponse:
    """202; the pipeline is published as the dataset's configuration is now, and nothing is started."""
    parameters.no_body(req)
    request_id, dataset = _request_id(req), parameters.dataset(req)
    asked = bootstrap.pipeline_runs().publish(dataset, request_id, parameters.actor(req))
    return answer(asked, 202, _location(dataset, request_id))


def _request_id(req: func.HttpRequest) -> str:
    return parameters.idempotency_key(req) or uuid.uuid4().hex


def _location(dataset: str, request_id: str) -> dict[str, str]:
    return {"Location": f"/api/pipelines/{quote(dataset, safe='')}/runs/{request_id}"}


@bp.route(route="pipelines/{dataset}/runs", methods=["GET"])
@door_with("limit", "cursor")
def list_pipeline_runs(req: func.HttpRequest) -> func.HttpResponse:
    """Newest first; `limit` (1 to 500, default 50) and `cursor` page it; 304 to the ETag of the answer before."""
    from shared.services.run.views import PageQuery

    query = PageQuery.parse(req.params)
    page = bootstrap.pipeline_runs().page(parameters.dataset(req), query.limit, query.cursor)
    return tagged(req, page, page.etag)


@bp.route(route="pipelines/{dataset}/runs/{id}", methods=["GET"])
@door
def show_pipeline_run(req: func.HttpRequest) -> func.HttpResponse:
    """With its steps as they are now."""
    return answer(bootstrap.pipeline_runs().show(parameters.dataset(req), req.route_params["id"]))


@bp.route(route="pipelines/{dataset}/runs/{id}/cancel", methods=["POST"])
@door
def cancel_pipeline_run(req: func.HttpRequest) -> func.HttpResponse:
    """202; its pipeline job and the run that came of it are ended."""
    from shared.domain.rows import remarks
    from shared.domain.run.acts import Act

    note = remarks.parse(req.get_body(), ("note",)).get("note", "")
    act = Act(parameters.actor(req), round(time.time(), 3), note)
    done = bootstrap.pipeline_runs().cancel(parameters.dataset(req), req.route_params["id"], act)
    return answer(done, 202)
