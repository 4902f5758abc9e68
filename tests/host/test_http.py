"""HTTP functions on the local host: routes, keys, what a function gets and what its caller gets."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.host_harness import KEYS, AppFolder, RunningHost

APP = """
import asyncio
import json
import logging
import os
import random
import time

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
bp = func.Blueprint()


@app.route(route="show/{id:int}/{extra?}", methods=["GET", "POST", "HEAD"])
def show(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    seen = {
        "method": req.method, "url": req.url, "headers": dict(req.headers), "params": dict(req.params),
        "route": dict(req.route_params), "body": req.get_body().decode(), "function": context.function_name,
        "invocation": context.invocation_id, "retry": context.retry_context.retry_count,
        "trace": context.trace_context.trace_parent,
    }
    return func.HttpResponse(json.dumps(seen), mimetype="application/json", headers={"x-made-by": "show"})


@app.route(route="show/latest")
def latest(req: func.HttpRequest) -> str:
    return "the latest"


@app.route(route="files/{*rest}")
async def files(req: func.HttpRequest) -> func.HttpResponse:
    await asyncio.sleep(0.001)
    return func.HttpResponse(req.route_params.get("rest", "(none)"), status_code=202)


@app.route()
def plainname(req: func.HttpRequest):
    return None


@app.route(route="fails")
def fails(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("secret words from inside: " + os.environ["API_TOKEN"])


@app.route(route="wrong")
async def wrong(req: func.HttpRequest) -> func.HttpResponse:
    return {"a": "dict is no response"}


@app.route(route="cookies")
def cookies(req: func.HttpRequest) -> func.HttpResponse:
    response = func.HttpResponse("ok")
    response.headers.add("Set-Cookie", "a=1; Path=/")
    response.headers.add("Set-Cookie", "b=2; HttpOnly")
    return response


@app.route(route="seeds")
def seeds(req: func.HttpRequest) -> str:
    random.seed(7)
    return "seeded"


@app.route(route="size", methods=["POST"])
def size(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(str(len(req.get_body())))


@app.route(route="slow")
def slow(req: func.HttpRequest) -> func.HttpResponse:
    time.sleep(float(req.params.get("s", "0.3")))
    return func.HttpResponse("done")


@app.route(route="%ROUTE_SETTING%/here")
def from_setting(req: func.HttpRequest) -> str:
    return "found"


@app.route(route="%NOT_SET%/here")
def broken(req: func.HttpRequest) -> str:
    return "never"


@app.route(route="off")
def switched_off(req: func.HttpRequest) -> str:
    return "still runs for the master"


@bp.route(route="guarded", auth_level=func.AuthLevel.FUNCTION)
def guarded(req: func.HttpRequest) -> str:
    return "open"


@bp.route(route="other", auth_level="function")
def other(req: func.HttpRequest) -> str:
    return "open"


@bp.route(route="inner", auth_level=func.AuthLevel.ADMIN)
def inner(req: func.HttpRequest) -> str:
    return "open"


app.register_functions(bp)
"""
SETTINGS = {
    "FUNCTIONS_WORKER_RUNTIME": "python",
    "API_TOKEN": "a-token-that-nobody-may-read",
    "ROUTE_SETTING": "configured",
    "AzureWebJobs.switched_off.Disabled": "true",
    "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "100000",
}
CALLERS_TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MASTER, HOST_KEY = str(KEYS["master"]), str(KEYS["default"])


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    folder = AppFolder(tmp_path_factory.mktemp("http"), APP, settings=SETTINGS, host_json={})
    folder.document["Host"] = {"CORS": "https://example.org,http://localhost:3000", "CORSCredentials": True}
    folder.save()
    with folder.running() as running:
        yield running


def test_function_gets_the_request(host: RunningHost) -> None:
    answer = host.post(
        "/api/show/42/more%20text?b=2&a=1&A=3&none=&code=xyz",
        data=b'{"x": 1}',
        headers={"X-Custom": "Value", "traceparent": CALLERS_TRACE},
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-made-by"] == "show"
    seen = answer.json()
    assert seen["method"] == "POST"
    assert seen["url"] == host.url + "/api/show/42/more%20text?b=2&a=1&A=3&none=&code=xyz"
    assert seen["headers"]["x-custom"] == "Value"
    assert seen["params"] == {"b": "2", "a": "1,3", "code": "xyz"}  # empty dropped, repeats joined
    assert seen["route"] == {"id": "42", "extra": "more text"}
    assert seen["body"] == '{"x": 1}'
    assert (seen["function"], seen["retry"]) == ("show", 0)
    trace = seen["trace"].split("-")
    assert (trace[1], trace[3]) == ("0af7651916cd43dd8448eb211c80319c", "01")
    assert trace[2] != "b7ad6b7169203331", "the function has a span of its own in its caller's trace"
    assert len(seen["invocation"]) == 36


def test_the_scheme_that_a_proxy_tells_is_the_urls(host: RunningHost) -> None:
    for body in (b"", b"{}"):
        seen = host.post("/api/show/1", data=body, headers={"X-Forwarded-Proto": "https"}).json()
        assert seen["url"] == host.url.replace("http:", "https:") + "/api/show/1"


def test_a_function_that_seeds_chance_has_ids_of_its_own_each_time(host: RunningHost) -> None:
    seen = []
    for _ in range(2):
        assert host.get("/api/seeds").text == "seeded"
        seen.append(host.get("/api/show/1").json())
    assert seen[0]["invocation"] != seen[1]["invocation"]
    assert seen[0]["trace"] != seen[1]["trace"]


NOT_FOUND = (
    '{"type": "about:blank", "title": "Not Found", "status": 404,'
    ' "detail": "Nothing here answers that method and path."}'
)


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/api/show/latest", 200, "the latest"),  # a literal wins over {id:int}
        ("GET", "/API/Show/Latest/", 200, "the latest"),
        ("GET", "/api/show/x1", 404, NOT_FOUND),  # not an int
        ("DELETE", "/api/show/1", 404, NOT_FOUND),  # no such method
        ("GET", "/api/files", 202, "(none)"),
        ("GET", "/api/files/a/b%2Fc/d", 202, "a/b%2Fc/d"),
        ("GET", "/api/plainname", 500, ""),  # the function's name is its route; None is no response
        ("GET", "/api/configured/here", 200, "found"),
        ("GET", "/nowhere", 404, NOT_FOUND),
        ("GET", "/api/fails", 500, ""),  # nothing of the exception leaves the host
        ("GET", "/api/wrong", 500, ""),
    ],
)
def test_routes_and_results(host: RunningHost, method: str, path: str, status: int, body: str) -> None:
    answer = host.call(method, path)
    assert (answer.status_code, answer.text) == (status, body)


def test_exception_is_logged_in_one_line_without_secrets(host: RunningHost) -> None:
    before = len(host.lines)
    host.get("/api/fails")
    time.sleep(0.1)
    lines = [line for line in host.lines[before:] if "Functions.fails" in line and "ERROR" in line]
    assert len(lines) == 1
    assert "RuntimeError: secret words from inside: ***" in lines[0]
    assert SETTINGS["API_TOKEN"] not in host.log


def test_head_has_no_body(host: RunningHost) -> None:
    answer = host.call("HEAD", "/api/show/1")
    assert answer.status_code == 200
    assert answer.content == b""


def test_cookies_are_kept_apart(host: RunningHost) -> None:
    answer = host.get("/api/cookies")
    assert sorted(answer.raw.headers.getlist("set-cookie")) == ["a=1; Path=/", "b=2; HttpOnly"]


@pytest.mark.parametrize(
    ("path", "header", "code", "status"),
    [
        ("guarded", None, None, 401),
        ("guarded", "nonsense", None, 401),
        ("guarded", "", None, 401),
        ("guarded", "key-of-guarded", None, 200),
        ("guarded", "second-key-of-guarded", None, 200),
        ("guarded", HOST_KEY, None, 200),
        ("guarded", MASTER, None, 200),
        ("guarded", None, "key-of-guarded", 200),
        ("guarded", None, "nonsense", 401),
        ("guarded", "nonsense", "key-of-guarded", 401),  # the header wins, even a wrong one
        ("guarded", "", "key-of-guarded", 401),
        ("guarded", "key-of-guarded", "nonsense", 200),
        ("guarded", "system-key-of-blobs", None, 401),
        ("other", "key-of-guarded", None, 401),  # another function's key
        ("inner", None, None, 401),
        ("inner", HOST_KEY, None, 401),  # wrong level
        ("inner", MASTER, None, 200),
    ],
)
def test_keys(host: RunningHost, path: str, header: str | None, code: str | None, status: int) -> None:
    answer = host.get(f"/api/{path}", key=header, params={"code": code} if code else None)
    assert answer.status_code == status
    assert answer.text == "open" if status == 200 else answer.json()["status"] == 401


def test_functions_missing_from_the_key_file_got_keys(host: RunningHost, tmp_path: Path) -> None:
    folder = AppFolder(tmp_path, APP, settings=SETTINGS, host_json={})
    folder.keys.unlink()
    with folder.running() as second:
        keys = json.loads(folder.keys.read_text())
        assert folder.keys.stat().st_mode & 0o077 == 0
        assert second.get("/api/other", key=keys["functions"]["other"]["default"]).status_code == 200
        assert second.get("/api/other", key=keys["functions"]["guarded"]["default"]).status_code == 401
        assert keys["master"] not in second.log


def test_disabled_function_is_not_found_but_runs_for_the_master(host: RunningHost) -> None:
    assert host.get("/api/off").status_code == 404
    assert host.get("/api/off", key=HOST_KEY).status_code == 404
    assert host.get("/api/off", key=MASTER).text == "still runs for the master"


def test_function_with_an_unset_setting_is_left_out_and_named(host: RunningHost) -> None:
    assert "The 'broken' function is in error: '%NOT_SET%' in route does not resolve" in host.log
    status = host.get("/admin/functions/broken/status", key=MASTER).json()
    assert "%NOT_SET%" in status["errors"][0]


def test_body_limit_and_length_rules(host: RunningHost) -> None:
    assert host.post("/api/size", data=b"x" * 100_000).text == "100000"
    assert host.post("/api/size", data=b"x" * 100_001).status_code == 413
    # A chunked request declares no length: the function gets no body, as in Azure.
    assert host.post("/api/size", data=iter([b"abc", b"def"])).text == "0"
    assert host.post("/api/size", data=iter([b"x" * 60_000] * 3)).status_code == 413


def test_connection_is_kept_alive(host: RunningHost) -> None:
    connection = http.client.HTTPConnection(urlsplit(host.url).netloc, timeout=5)
    connection.request("GET", "/api/plainname")
    connection.getresponse().read()
    first = connection.sock
    connection.request("GET", "/api/show/latest")
    assert connection.getresponse().read() == b"the latest"
    assert connection.sock is first
    connection.close()


def test_sync_functions_run_at_the_same_time(host: RunningHost) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: host.get("/api/slow").text, range(10)))
    assert answers == ["done"] * 10
    assert time.monotonic() - began < 1.5


def test_cors_preflight_is_answered_before_the_function(host: RunningHost) -> None:
    preflight = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    answer = host.call("OPTIONS", "/api/guarded", headers=preflight)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "https://example.org"
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert answer.headers["access-control-allow-credentials"] == "true"
    plain = host.get("/api/show/latest", headers={"Origin": "http://localhost:3000"})
    assert plain.headers["access-control-allow-origin"] == "http://localhost:3000"
    stranger = host.call("OPTIONS", "/api/guarded", headers=preflight | {"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in stranger.headers


def test_admin_needs_the_master_key(host: RunningHost) -> None:
    for path in ("/admin/host/status", "/admin/functions", "/admin/functions/show", "/admin/nothing"):
        assert host.get(path).status_code == 401
        assert host.get(path, key=HOST_KEY).status_code == 401
    assert host.get("/admin/host/ping").status_code == 200
    assert host.get("/admin/host/status", key=MASTER).json()["state"] == "Running"
    listed = {f["name"]: f for f in host.get("/admin/functions", key=MASTER).json()}
    assert listed["switched_off"]["isDisabled"]
    assert listed["show"]["invoke_url_template"] == host.url + "/api/show/{id:int}/{extra?}"
    assert listed["guarded"]["config"]["bindings"][0]["authLevel"] == "FUNCTION"
    assert host.get("/admin/functions/nothing", key=MASTER).status_code == 404


def test_http_function_run_by_hand(host: RunningHost) -> None:
    assert host.post("/admin/functions/size").status_code == 401
    assert host.post("/admin/functions/size", key=MASTER, json={"input": "abc"}).status_code == 202
    assert host.post("/admin/functions/size", key=MASTER, data="not json").status_code == 400


def test_outstanding_requests_are_bounded(tmp_path: Path) -> None:
    limits = {
        "extensions": {"http": {"routePrefix": "", "maxOutstandingRequests": 2, "maxConcurrentRequests": 1}}
    }
    folder = AppFolder(tmp_path, APP, settings=SETTINGS, host_json=limits)
    with folder.running() as bounded, ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(lambda _: bounded.get("/slow?s=0.8").status_code, range(4)))
        assert statuses == [200, 200, 503, 503]
        assert bounded.get("/").status_code == 200  # the home page, as no route takes it
