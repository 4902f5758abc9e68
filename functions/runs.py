"""HTTP: runs, leaderboard, ledger, datasets."""

from __future__ import annotations

import json

import azure.functions as func

from functions.http import answer, door
from shared import bootstrap

bp = func.Blueprint()  # type: ignore[no-untyped-call]


@bp.route(route="runs", methods=["GET"])
@door
def list_runs(req: func.HttpRequest) -> func.HttpResponse:
    """Newest first; `dataset` and `state` narrow it, `limit` (1 to 500, default 50) cuts it."""
    from shared.services.run import overview

    query = overview.RunQuery.parse(dict(req.params))
    return answer({"runs": overview.runs(query, bootstrap.runs())})


@bp.route(route="runs/{id}", methods=["GET"])
@door
def show_run(req: func.HttpRequest) -> func.HttpResponse:
    from shared.services.run import overview

    run, _ = bootstrap.runs().load(req.route_params["id"])
    return answer(overview.detail(run))


@bp.route(route="runs/{id}/leaderboard", methods=["GET"])
@door
def show_leaderboard(req: func.HttpRequest) -> func.HttpResponse:
    from shared.services.run import overview

    run, _ = bootstrap.runs().load(req.route_params["id"])
    return answer(overview.leaderboard(run))


@bp.route(route="runs/{id}/ledger", methods=["GET"])
@door
def show_ledger(req: func.HttpRequest) -> func.HttpResponse:
    from shared.domain.run.run import verify_chain

    run, _ = bootstrap.runs().load(req.route_params["id"])
    lines = bootstrap.runs().ledger(run.run_id)
    return answer(
        {"run_id": run.run_id, "entries": [json.loads(x) for x in lines], "broken_at": verify_chain(lines)}
    )


@bp.route(route="runs/{id}/retry", methods=["POST"])
@door
def retry_run(req: func.HttpRequest) -> func.HttpResponse:
    """202 with the run of the next attempt; asking twice starts one."""
    from shared.services.run import retraining

    new = retraining.retry(req.route_params["id"], "http", bootstrap.context())
    return answer({"run_id": new}, 202, {"Location": f"/api/runs/{new}"})


@bp.route(route="datasets", methods=["GET"])
@door
def list_datasets(req: func.HttpRequest) -> func.HttpResponse:
    from shared.services.run import overview

    return answer({"datasets": overview.datasets(bootstrap.runs())})
