"""The local host is as strict with a function as the real Python worker, and gives it the same surroundings."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.host_harness import KEYS, AppFolder, RunningHost, wait_for

APP = """
import json
import logging
import os
import threading
import time

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
started = os.times().elapsed
logging.getLogger("quiet.library").setLevel(logging.ERROR)


@app.route(route="who")
def who(req: func.HttpRequest, context: func.Context) -> str:
    trace, retry = context.trace_context, context.retry_context
    return json.dumps({
        "started": started, "environment": dict(os.environ), "url": req.url,
        "trace": [trace.trace_parent, trace.Traceparent, trace.trace_state, trace.Attributes],
        "retry": [retry.retry_count, retry.max_retry_count, retry.rpc_exception.message],
    })


@app.route(route="url/{*rest}")
def url(req: func.HttpRequest) -> str:
    return req.url


@app.route(route="slow")
def slow(req: func.HttpRequest) -> str:
    logging.info("slow has begun")
    time.sleep(30)
    return "done"


@app.route(route="exits")
def exits(req: func.HttpRequest) -> str:
    raise SystemExit(7)


@app.route(route="interrupts")
async def interrupts(req: func.HttpRequest) -> str:
    raise KeyboardInterrupt


class Unusual(BaseException):
    pass


@app.route(route="unusual")
def unusual(req: func.HttpRequest) -> str:
    raise Unusual("not even an Exception")


@app.route(route="unusual/async")
async def unusual_async(req: func.HttpRequest) -> str:
    raise Unusual("not even an Exception")


@app.route(route="threads")
def threads(req: func.HttpRequest) -> str:
    time.sleep(0.3)
    return threading.current_thread().name


@app.route(route="says")
def says(req: func.HttpRequest) -> str:
    logging.info("says in general")
    logging.getLogger("Azure.Core").info("a logger of the host's category name")
    logging.getLogger("quiet.library").warning("muted by the app itself")
    return "ok"


@app.route(route="hushed")
def hushed(req: func.HttpRequest) -> str:
    logging.info("nobody reads this")
    logging.warning("but this")
    return "ok"


@app.timer_trigger(arg_name="timer", schedule="0 0 3 * * *")
def returning(timer: func.TimerRequest) -> str:
    return "a value that nothing takes"


@app.timer_trigger(arg_name="timer", schedule="0 0 3 * * *")
def plain(timer: str) -> None:
    logging.info("plain got %s", timer)


@app.timer_trigger(arg_name="timer", schedule="0 0 3 * * *")
@app.retry(strategy="fixed_delay", max_retry_count="1", delay_interval="00:00:00")
def retried(timer: func.TimerRequest, context: func.Context) -> None:
    retry = context.retry_context
    logging.info("try %d of %d after %r", retry.retry_count, retry.max_retry_count, retry.rpc_exception.message)
    raise RuntimeError("as always")
"""
MASTER = str(KEYS["master"])


@pytest.fixture(scope="module")
def host(azurite: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    settings = {"AzureWebJobsStorage": azurite, "PYTHON_THREADPOOL_THREAD_COUNT": "3"}
    levels = {"default": "Information", "Azure.Core": "Warning", "Function.hushed": "Warning"}
    folder = AppFolder(
        tmp_path_factory.mktemp("a worker"),
        APP,
        settings=settings,
        host_json={"logging": {"logLevel": levels}},
    )
    with folder.running() as running:
        yield running


def born(host: RunningHost) -> float:
    """When the worker came into being; asked until it answers."""

    def ask() -> float | None:
        try:
            answer = host.get("/api/who")
        except requests.ConnectionError:  # it was being replaced
            return None
        return float(answer.json()["started"]) if answer.ok else None

    return float(wait_for(ask, what="an answer of the worker"))


@pytest.mark.parametrize(
    ("path", "cause"), [("exits", "SystemExit(7)"), ("interrupts", "KeyboardInterrupt()")]
)
def test_a_function_that_ends_its_process_takes_every_run_with_it(
    host: RunningHost, path: str, cause: str
) -> None:
    before, seen = born(host), host.log.count("slow has begun")
    answers: list[int] = []
    bystander = threading.Thread(target=lambda: answers.append(host.get("/api/slow").status_code))
    bystander.start()
    wait_for(lambda: host.log.count("slow has begun") > seen, what="the run beside it")
    assert host.get(f"/api/{path}").status_code == 500
    bystander.join(20)
    assert answers == [500], "its run ended with the worker, and its caller heard of it"
    wait_for(lambda: born(host) > before, what="a new worker that serves")
    assert f"ended its worker with {cause}" in host.log
    assert host.process.poll() is None, "the host itself lives"


@pytest.mark.parametrize("path", ["unusual", "unusual/async"])
def test_whatever_a_function_raises_its_caller_gets_an_answer(host: RunningHost, path: str) -> None:
    before = born(host)
    answer = host.get(f"/api/{path}")
    assert (answer.status_code, answer.text) == (500, "")
    assert born(host) == before


def test_a_timer_that_returns_a_value_has_failed(host: RunningHost) -> None:
    assert host.post("/admin/functions/returning", key=MASTER, json={}).status_code == 202
    wait_for(lambda: "Executed 'Functions.returning' (Failed" in host.log, what="the failure")
    assert "function 'returning' without a $return binding returned a non-None value" in host.log


def test_a_timer_with_a_plain_parameter_gets_the_json(host: RunningHost) -> None:
    host.post("/admin/functions/plain", key=MASTER, json={})
    wait_for(lambda: "plain got " in host.log, what="the run")
    said = next(line for line in host.lines if "plain got " in line).split("plain got ", 1)[1]
    assert json.loads(said)["IsPastDue"] is False


def test_a_retry_knows_what_failed_before_it(host: RunningHost) -> None:
    host.post("/admin/functions/retried", key=MASTER, json={})
    wait_for(lambda: "try 1 of 1 after" in host.log, what="the second try")
    assert "try 0 of 1 after ''" in host.log
    assert "try 1 of 1 after 'RuntimeError: as always'" in host.log


def test_the_worker_finds_the_hosts_variables(host: RunningHost) -> None:
    seen = host.get("/api/who", headers={"tracestate": "x=1"}).json()
    environment = seen["environment"]
    assert environment["FUNCTIONS_WORKER_RUNTIME_VERSION"] == f"3.{sys.version_info.minor}"
    assert environment["FUNCTIONS_WORKER_RUNTIME"] == "python"
    assert environment["FUNCTIONS_EXTENSION_VERSION"] == "~4"
    assert environment["PYTHON_THREADPOOL_THREAD_COUNT"] == "3", "the app's own value"
    root = Path(environment["AzureWebJobsScriptRoot"])
    assert (root / "function_app.py").is_file()
    assert environment["FUNCTIONS_APPLICATION_DIRECTORY"] == str(root)
    assert Path(environment["FUNCTIONS_WORKER_DIRECTORY"]).is_dir()
    assert environment["WEBSITE_HOSTNAME"] == "localhost:" + host.url.rsplit(":", 1)[1]
    parent, deprecated, state, attributes = seen["trace"]
    assert [len(part) for part in parent.split("-")] == [2, 32, 16, 2], "made where the caller sent none"
    assert (deprecated, state, attributes) == (parent, "", {})
    assert seen["retry"] == [0, 0, ""]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("a%20b", "a%20b"),
        ("%41%7Eb", "A~b"),
        ("a%2Fb/c", "a%2Fb/c"),
        ("sch%C3%B6n", "sch%C3%B6n"),
        ("50%25", "50%25"),
        ("a(b)'*!,;=:@&$+", "a(b)'*!,;=:@&$+"),
    ],
)
def test_the_url_is_encoded_as_the_host_passes_it_on(host: RunningHost, sent: str, shown: str) -> None:
    request = requests.Request("GET", host.url).prepare()
    request.url = f"{host.url}/api/url/{sent}?q=%41"
    with requests.Session() as session:
        assert session.send(request, timeout=20).text == f"{host.url}/api/url/{shown}?q=%41"


def test_sync_functions_share_the_threads_that_are_set(host: RunningHost) -> None:
    names: list[str] = []
    callers = [threading.Thread(target=lambda: names.append(host.get("/api/threads").text)) for _ in range(9)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(30)
    assert len(names) == 9
    assert len(set(names)) <= 3


def test_levels_of_host_json_filter_categories_and_never_mute_a_logger(host: RunningHost) -> None:
    host.get("/api/says")
    host.get("/api/hushed")
    wait_for(lambda: "but this" in host.log, what="the warning")
    assert "says in general" in host.log
    assert "a logger of the host's category name" in host.log, (
        "Azure.Core is no category of a function's lines"
    )
    assert "muted by the app itself" not in host.log
    assert "nobody reads this" not in host.log
