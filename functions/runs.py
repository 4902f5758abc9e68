"""HTTP: runs, leaderboard, ledger, datasets."""

from __future__ import annotations

import azure.functions as func

from functions import parameters
from functions.http import answer, door, door_with, tagged
from shared import bootstrap, bootstrap_upkeep

bp = func.Blueprint()  # type: ignore[no-untyped-call]


@bp.route(route="runs", methods=["GET"])
@door_with("dataset", "state", "limit", "cursor")
def list_runs(req: func.HttpRequest) -> func.HttpResponse:
    """Newest first; `dataset` and `state` narrow it, `limit` (1 to 500, default 50) and `cursor` page it."""
    from shared.services.run import views

    found, etag = views.runs(views.RunQuery.parse(req.params), bootstrap.store())
    return tagged(req, found, etag)


@bp.route(route="runs/{id}", methods=["GET"])
@door
def show_run(req: func.HttpRequest) -> func.HttpResponse:
    run, _ = bootstrap.store().load(req.route_params["id"])
    return answer(run.detail())


@bp.route(route="runs/{id}/leaderboard", methods=["GET"])
@door
def show_leaderboard(req: func.HttpRequest) -> func.HttpResponse:
    from shared.services.run import views

    run, _ = bootstrap.store().load(req.route_params["id"])
    return answer(views.leaderboard(run))


@bp.route(route="runs/{id}/ledger", methods=["GET"])
@door
def show_ledger(req: func.HttpRequest) -> func.HttpResponse:
    from shared.services.run import views

    return answer(views.ledger(req.route_params["id"], bootstrap.store()))


@bp.route(route="runs/{id}/threshold", methods=["GET"])
@door
def show_curve(req: func.HttpRequest) -> func.HttpResponse:
    """What each threshold of the run's model trades."""
    from shared.services.run import threshold_views

    return answer(threshold_views.curve(req.route_params["id"], bootstrap.store()))


@bp.route(route="runs/{id}/trials/{trial}/charts", methods=["GET"])
@door
def show_charts(req: func.HttpRequest) -> func.HttpResponse:
    """The best trial's are kept; those of another are fetched at the first look."""
    from shared.services.run import artifacts

    ctx = bootstrap.context()
    found = artifacts.charts_of(req.route_params["id"], req.route_params["trial"], ctx.files, ctx.store)
    return answer(found)


@bp.route(route="runs/{id}/explanation", methods=["GET"])
@door
def show_explanation(req: func.HttpRequest) -> func.HttpResponse:
    """What each column weighs in the best trial's answers."""
    from shared.services.run import artifacts

    return answer(artifacts.explanation_of(req.route_params["id"], bootstrap.store()))


@bp.route(route="runs/{id}/guardrails", methods=["GET"])
@door
def show_guardrails(req: func.HttpRequest) -> func.HttpResponse:
    """What AutoML checked of the data, in its own words."""
    from shared.services.run import artifacts

    return answer(artifacts.guardrails_of(req.route_params["id"], bootstrap.store()))


@bp.route(route="runs/{id}/logs", methods=["GET"])
@door
def show_log(req: func.HttpRequest) -> func.HttpResponse:
    """The end of the log that tells most: what failed, the deployment, the job."""
    from shared.services.run import run_logs

    return answer(run_logs.log_of(req.route_params["id"], bootstrap.context()))


@bp.route(route="runs/{id}/retry", methods=["POST"])
@door
def retry_run(req: func.HttpRequest) -> func.HttpResponse:
    """202 with the run of the next attempt; asking twice starts one."""
    from shared.domain.rows import remarks
    from shared.services.run import retraining

    note = remarks.parse(req.get_body(), ("note",)).get("note", "")
    new = retraining.retry(req.route_params["id"], parameters.actor(req), bootstrap.context(), note)
    return answer({"run_id": new}, 202, {"Location": f"/api/runs/{new}"})


@bp.route(route="datasets", methods=["GET"])
@door_with("limit", "cursor")
def list_datasets(req: func.HttpRequest) -> func.HttpResponse:
    """By name; `limit` and `cursor` page it."""
    from shared.services.run import views

    return answer(views.datasets(views.PageQuery.parse(req.params), bootstrap.store()))


@bp.route(route="datasets/{dataset}", methods=["GET"])
@door
def show_dataset(req: func.HttpRequest) -> func.HttpResponse:
    """What serves it, what its configuration says of it, and the last decision about training it anew."""
    from shared.services.upkeep import showing

    return answer(showing.detail(parameters.dataset(req), bootstrap.store(), bootstrap_upkeep.owned()))


@bp.route(route="datasets/{dataset}/drift", methods=["GET"])
@door_with("limit")
def show_drift(req: func.HttpRequest) -> func.HttpResponse:
    """Windows of what was scored against what was trained on, newest first; `limit` (1 to 500, default 50)."""
    from shared.services.run import views
    from shared.services.upkeep import showing

    limit = views.PageQuery.parse(req.params).limit
    found = showing.windows(parameters.dataset(req), limit, bootstrap.store(), bootstrap_upkeep.owned())
    return answer(found)


@bp.route(route="datasets/{dataset}/versions/{n}/profile", methods=["GET"])
@door
def show_profile(req: func.HttpRequest) -> func.HttpResponse:
    """What each column of a version holds; 304 to the ETag of the answer before."""
    n, known = int(req.route_params["n"]), parameters.known(req)
    return tagged(req, *bootstrap.profiles().version(parameters.dataset(req), n, known))


@bp.route(route="datasets/{dataset}/threshold", methods=["GET"])
@door
def show_threshold(req: func.HttpRequest) -> func.HttpResponse:
    """The threshold that the live model answers by."""
    from shared.services.run import threshold_views

    return answer(threshold_views.in_force(parameters.dataset(req), bootstrap.context()))


@bp.route(route="datasets/{dataset}/threshold", methods=["POST"])
@door
def set_threshold(req: func.HttpRequest) -> func.HttpResponse:
    """The live model answers by another threshold; asking twice is asking once."""
    from shared.services.run import threshold_views

    dataset, actor = parameters.dataset(req), parameters.actor(req)
    return answer(threshold_views.set_threshold(dataset, req.get_body(), actor, bootstrap.context()))
