"""HTTP: run the published retraining pipeline and watch it."""

from __future__ import annotations

import uuid
from urllib.parse import quote

import azure.functions as func

from functions import parameters
from functions.http import answer, door
from shared import bootstrap

bp = func.Blueprint()  # type: ignore[no-untyped-call]


@bp.route(route="pipelines/{dataset}/runs", methods=["POST"])
@door
def trigger_pipeline(req: func.HttpRequest) -> func.HttpResponse:
    """202 with the pipeline run; the same Idempotency-Key is the same run."""
    request_id = parameters.idempotency_key(req) or uuid.uuid4().hex
    dataset = parameters.dataset(req)
    asked = bootstrap.pipeline_runs().trigger(dataset, request_id, "http")
    location = f"/api/pipelines/{quote(dataset, safe='')}/runs/{request_id}"
    return answer(asked, 202, {"Location": location})


@bp.route(route="pipelines/{dataset}/runs", methods=["GET"])
@door
def list_pipeline_runs(req: func.HttpRequest) -> func.HttpResponse:
    """Newest first; `limit` (1 to 500, default 50) and `cursor` page it."""
    from shared.services.run.views import PageQuery

    query = PageQuery.parse(req.params)
    page = bootstrap.pipeline_runs().page(parameters.dataset(req), query.limit, query.cursor)
    return answer(page, headers={"ETag": page.etag})


@bp.route(route="pipelines/{dataset}/runs/{id}", methods=["GET"])
@door
def show_pipeline_run(req: func.HttpRequest) -> func.HttpResponse:
    return answer(bootstrap.pipeline_runs().show(parameters.dataset(req), req.route_params["id"]))
