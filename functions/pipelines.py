"""HTTP: run the published retraining pipeline and watch it."""

from __future__ import annotations

import uuid

import azure.functions as func

from functions import parameters
from functions.http import answer, door
from shared import bootstrap

bp = func.Blueprint()  # type: ignore[no-untyped-call]


@bp.route(route="pipelines/{dataset}/runs", methods=["POST"])
@door
def trigger_pipeline(req: func.HttpRequest) -> func.HttpResponse:
    """202 with the pipeline run; the same Idempotency-Key is the same run."""
    from shared.services.run import retraining

    request_id = parameters.idempotency_key(req) or uuid.uuid4().hex
    dataset = req.route_params["dataset"]
    doc = retraining.trigger(dataset, request_id, "http", bootstrap.context())
    location = f"/api/pipelines/{dataset}/runs/{request_id}"
    return answer(doc, 202, {"Location": location})


@bp.route(route="pipelines/{dataset}/runs/{id}", methods=["GET"])
@door
def show_pipeline_run(req: func.HttpRequest) -> func.HttpResponse:
    from shared.services.run import retraining

    params = req.route_params
    return answer(retraining.pipeline_run(params["dataset"], params["id"], bootstrap.context()))
