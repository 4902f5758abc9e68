"""HTTP: score, batches, endpoints, swagger and its page; and the timer that works batches off."""

from __future__ import annotations

import time
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import azure.functions as func

from functions import parameters
from functions.http import answer, door, door_with, page, pass_through, respond, tagged, wide_door
from shared import bootstrap
from shared.correlation import EXCHANGES, Exchange
from shared.domain.errors import NotFound
from shared.settings import settings

if TYPE_CHECKING:
    from shared.services.scoring.exchange import ScoreRequest

bp = func.Blueprint()  # type: ignore[no-untyped-call]
STATIC = Path(__file__).parent / "static"
ASSETS = {
    "docs.js": (STATIC / "docs.js", "text/javascript"),
    "docs.css": (STATIC / "docs.css", "text/css"),
    "swagger-ui-bundle.js": (STATIC / "swagger-ui" / "swagger-ui-bundle.js", "text/javascript"),
    "swagger-ui.css": (STATIC / "swagger-ui" / "swagger-ui.css", "text/css"),
}
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-cache",
}


@bp.route(route="score", methods=["POST"])
def score_only(req: func.HttpRequest) -> func.HttpResponse:
    """The only dataset in service."""
    return _score(req, None)


@bp.route(route="score/{dataset}", methods=["POST"])
def score(req: func.HttpRequest) -> func.HttpResponse:
    return _score(req, parameters.dataset(req))


def _score(req: func.HttpRequest, dataset: str | None) -> func.HttpResponse:
    """The hot path: one telemetry item, queued; it holds what the endpoints were asked."""
    started = time.perf_counter()
    request_id = parameters.request_id(req)
    exchanges: list[Exchange] = []
    EXCHANGES.set(exchanges)
    response, code = pass_through(partial(_scored, dataset, request_id), req, request_id)
    EXCHANGES.set(None)
    properties = {"dataset": dataset or ""}
    if code:
        properties["code"] = code
    else:
        properties["run"] = response.headers["x-dropml-run"]
    bootstrap.telemetry().track_request(
        "POST /api/score",
        url=req.url.partition("?")[0],
        status=response.status_code,
        duration_ms=(time.perf_counter() - started) * 1000,
        properties=properties,
        operation=request_id,
        exchanges=exchanges,
    )
    return response


def _scored(dataset: str | None, request_id: str, req: func.HttpRequest) -> func.HttpResponse:
    parameters.only(req, "shape", "proba", "explain")
    scored = bootstrap.scoring().score(
        _request_type()(
            dataset=dataset,
            body=req.get_body(),
            content_type=parameters.header(req, "content-type"),
            accept=parameters.header(req, "accept"),
            shape=req.params.get("shape", ""),
            deadline_ms=parameters.header(req, "x-dropml-deadline-ms"),
            request_id=request_id,
            proba=req.params.get("proba", ""),
            explain=req.params.get("explain", ""),
        )
    )
    return respond(scored.body, scored.content_type, headers=scored.headers)


@lru_cache(maxsize=1)
def _request_type() -> type[ScoreRequest]:
    """Imported at the first call, and looked up no more."""
    from shared.services.scoring.exchange import ScoreRequest

    return ScoreRequest


@bp.route(route="score/{dataset}/batch", methods=["POST"])
@wide_door
def create_batch(req: func.HttpRequest) -> func.HttpResponse:
    """202 with the batch; Location says where its progress is."""
    parameters.only(req, "proba")
    dataset = parameters.dataset(req)
    key = parameters.idempotency_key(req)
    content_type = req.headers.get("content-type", "")
    proba = req.params.get("proba", "")
    taken = bootstrap.batches().create(dataset, req.get_body(), content_type, key, proba)
    return answer(taken, 202, {"Location": f"/api/score/{quote(dataset, safe='')}/batch/{taken.id}"})


@bp.route(route="score/{dataset}/batch/{id}", methods=["GET"])
@door
def show_batch(req: func.HttpRequest) -> func.HttpResponse:
    from shared.services.batches import showing

    return answer(showing.show(bootstrap.batches(), parameters.dataset(req), req.route_params["id"]))


@bp.route(route="batches", methods=["GET"])
@door_with("dataset", "limit", "cursor")
def list_batches(req: func.HttpRequest) -> func.HttpResponse:
    """Newest first; `dataset` narrows it, `limit` (1 to 500, default 50) and `cursor` page it."""
    from shared.services.batches import showing

    found, etag = showing.page(bootstrap.batches(), showing.BatchQuery.parse(req.params))
    return tagged(req, found, etag)


@bp.timer_trigger(arg_name="timer", schedule="%LIFECYCLE_SCHEDULE%", use_monitor=False)
def advance_batches(timer: func.TimerRequest) -> None:
    """Every open batch, as far as it goes in one tick; what waits for a model that is live by now first."""
    from shared.services.batches import waiting, worker

    waiting.start_waiting(bootstrap.batches())
    deadline = time.monotonic() + settings().step_deadline_seconds
    worker.step_batches(bootstrap.batches(), deadline)


@bp.route(route="endpoints/{name}", methods=["GET"])
@door
def show_endpoint(req: func.HttpRequest) -> func.HttpResponse:
    """Auth mode, traffic, deployments, and whether Application Insights are enabled."""
    from shared.services.run import endpoint_views

    return answer(
        endpoint_views.show(bootstrap.endpoints().entry(req.route_params["name"]), bootstrap.context())
    )


@bp.route(route="endpoints/{name}/logs", methods=["GET"])
@door_with("deployment")
def show_endpoint_log(req: func.HttpRequest) -> func.HttpResponse:
    """The end of the log of `deployment`, or of the live one."""
    from shared.services.run import endpoint_views

    entry = bootstrap.endpoints().entry(req.route_params["name"])
    return answer(endpoint_views.log(entry, req.params.get("deployment", ""), bootstrap.context()))


@bp.route(route="endpoints/{name}/traffic", methods=["GET"])
@door_with("hours")
def show_endpoint_traffic(req: func.HttpRequest) -> func.HttpResponse:
    """Calls, errors and latency of the last `hours` (1 to 168, default 24), by the hour."""
    from shared.services.monitoring import hours

    entry = bootstrap.endpoints().entry(req.route_params["name"])
    return answer(hours.traffic(entry, bootstrap.documents(), time.time(), hours.asked(req.params)))


@bp.route(route="endpoints/{name}/app-insights", methods=["POST"])
@door
def set_app_insights(req: func.HttpRequest) -> func.HttpResponse:
    """202; the update of each deployment with traffic is begun. Asking twice is asking once."""
    from shared.services.run import endpoint_views

    entry = bootstrap.endpoints().entry(req.route_params["name"])
    enabled = endpoint_views.parsed(req.get_body())
    actor = parameters.actor(req)
    done = endpoint_views.app_insights(entry, enabled=enabled, actor=actor, ctx=bootstrap.context())
    return answer(done, 202)


@bp.route(route="endpoints/{name}/swagger.json", methods=["GET"])
@door_with("version")
def endpoint_swagger(req: func.HttpRequest) -> func.HttpResponse:
    found = bootstrap.endpoints().swagger(req.route_params["name"], req.params.get("version", ""))
    return respond(found.body, "application/json")


@bp.route(route="endpoints/{name}/rotate-key", methods=["POST"])
@door
def rotate_key(req: func.HttpRequest) -> func.HttpResponse:
    """202 with the rotation; asked for again while one is open, that one is meant."""
    parameters.no_body(req)
    name = req.route_params["name"]
    taken = bootstrap.rotations().request(name, parameters.idempotency_key(req))
    return answer(taken, 202, {"Location": f"/api/endpoints/{name}/rotation"})


@bp.route(route="endpoints/{name}/rotation", methods=["GET"])
@door
def show_rotation(req: func.HttpRequest) -> func.HttpResponse:
    return answer(bootstrap.rotations().show(req.route_params["name"]))


@bp.timer_trigger(arg_name="timer", schedule="%LIFECYCLE_SCHEDULE%", use_monitor=False)
def advance_rotations(timer: func.TimerRequest) -> None:
    """Every open rotation of keys, as far as it goes in one tick."""
    from shared.services.scoring import rotation_work

    seconds = min(settings().step_deadline_seconds, rotation_work.CLAIM_SECONDS / 2)
    rotation_work.step_rotations(bootstrap.rotations(), time.monotonic() + seconds, observe=bootstrap.observe)


@bp.route(route="endpoints/{name}/benchmark", methods=["POST"])
@door
def benchmark_endpoint(req: func.HttpRequest) -> func.HttpResponse:
    from shared.services.scoring import benchmark

    options = benchmark.BenchmarkOptions.parse(req.get_body())
    # Each holds a worker and up to eight threads for as long as 20 s.
    with bootstrap.workers().place("benchmarks", "Benchmarks", most=2):
        return answer(benchmark.run(bootstrap.endpoints(), req.route_params["name"], options))


@bp.route(route="swagger.json", methods=["GET"])
@door
def swagger(req: func.HttpRequest) -> func.HttpResponse:
    from functions.openapi import document

    return answer(document.document(bootstrap.serving().all(), bootstrap.batch_sources()))


@bp.route(route="docs", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@page
def docs(req: func.HttpRequest) -> func.HttpResponse:
    """The page alone; it shows nothing until it has a function key."""
    return respond(_file(STATIC / "docs.html"), "text/html", headers=_PAGE_HEADERS)


@bp.route(route="docs/{file}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@page
def docs_asset(req: func.HttpRequest) -> func.HttpResponse:
    """What the page needs: Swagger UI and our own script and style."""
    name = req.route_params["file"]
    if name not in ASSETS:
        raise NotFound(f"There is no file {name[:80]!r} here.", remedy="Open /api/docs.")
    path, mimetype = ASSETS[name]
    return respond(_file(path), mimetype, headers=_PAGE_HEADERS)


@lru_cache(maxsize=8)
def _file(path: Path) -> bytes:
    return path.read_bytes()
