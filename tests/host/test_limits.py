"""Limits of the host's port that hold before any key is asked for, and a share of the places for every caller."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import urlsplit

import psutil
import pytest

from dropml.functions_host.places import NoPlaceError, Places
from tests.support.host_harness import KEYS, AppFolder, RunningHost, wait_for

MASTER = KEYS["master"]
APP = """
import threading, time
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="size", methods=["GET", "POST"])
def size(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(str(len(req.get_body())))

@app.route(route="score/{dataset}")
def score(req: func.HttpRequest) -> func.HttpResponse:
    if req.route_params["dataset"].startswith("hung"):
        time.sleep(float(req.params.get("s", "8")))
    return func.HttpResponse("scored")

@app.route(route="health")
def health(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("fine")
"""
PLACES = {"extensions": {"http": {"maxOutstandingRequests": 40, "maxConcurrentRequests": 20}}}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    folder = AppFolder(tmp_path_factory.mktemp("limits"), APP, settings={}, host_json=PLACES)
    with folder.running() as running:
        yield running


def connect(host: RunningHost) -> socket.socket:
    found = urlsplit(host.url)
    return socket.create_connection((found.hostname or "", found.port or 0), timeout=30)


def answer(connection: socket.socket) -> bytes:
    """All that comes until the host hangs up."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)


def head(method: str, path: str, *headers: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


@pytest.mark.parametrize(
    "path", ["/api/size", "/admin/host/status", "/admin/functions/size", "/runtime/webhooks/blobs"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_large_body_without_a_key_is_refused_by_its_length_alone(
    host: RunningHost, method: str, path: str
) -> None:
    with connect(host) as connection:
        connection.sendall(head(method, path, f"Content-Length: {100 * 2**20}"))
        said = answer(connection)  # not one byte of the body was sent
    assert said.startswith((b"HTTP/1.1 413", b"HTTP/1.1 401"))
    assert said.count(b"HTTP/1.1") == 1


OFFER = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAB")


@pytest.mark.parametrize("offer", [(), OFFER])
@pytest.mark.parametrize("path", ["/api/size", "/admin/host/status", "/nowhere", "/runtime/webhooks/blobs"])
def test_a_body_in_chunks_is_bounded_while_it_is_read(
    host: RunningHost, path: str, offer: tuple[str, ...]
) -> None:
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    memory = psutil.Process(host.process.pid).memory_info
    before, deadline = memory().rss, time.monotonic() + 15
    with connect(host) as connection:
        connection.sendall(head("POST", path, "Transfer-Encoding: chunked", *offer))
        hung_up = False
        while not hung_up and time.monotonic() < deadline:
            try:
                connection.sendall(piece)
            except ConnectionError:
                hung_up = True
    assert hung_up
    assert memory().rss - before < 32 * 2**20


def test_an_offer_of_another_protocol_is_passed_over_and_its_body_read(host: RunningHost) -> None:
    chunked = ("Transfer-Encoding: chunked", *OFFER)
    said = b"".join(
        [
            head("POST", "/api/size", "Content-Length: 5", *OFFER) + b"GET /",
            head("GET", "/api/score/bank", *OFFER),
            head("POST", "/api/size", *chunked) + b"5\r\nGET /\r\n0\r\n\r\n",
            head("POST", "/api/size", "Content-Length: 3", "Connection: close") + b"abc",
        ]
    )
    for step in (1, 7, len(said)):
        with connect(host) as connection:
            for position in range(0, len(said), step):
                connection.sendall(said[position : position + step])
            told = answer(connection)
        assert re.findall(rb"HTTP/1.1 (\d+)", told) == [b"200"] * 4
        assert re.findall(rb"\r\n\r\n([a-z0-9]+)", told) == [b"5", b"scored", b"0", b"3"]


@pytest.mark.parametrize("offer", [OFFER, ("Connection: Upgrade", "Upgrade: websocket")])
def test_a_body_behind_an_offer_is_bounded_as_any(host: RunningHost, offer: tuple[str, ...]) -> None:
    with connect(host) as connection:
        connection.sendall(head("POST", "/api/size", f"Content-Length: {2**21}", *offer))
        assert answer(connection).startswith(b"HTTP/1.1 413")
    with connect(host) as connection:
        connection.sendall(head("POST", "/api/size", "Transfer-Encoding: chunked", *offer) + b"no chunk\r\n")
        assert answer(connection).startswith(b"HTTP/1.1 400")


def test_with_a_key_a_large_body_is_taken(host: RunningHost) -> None:
    assert host.post("/api/size", data=b"x" * 3 * 2**20, key=MASTER).text == str(3 * 2**20)
    assert host.post("/api/size", data=b"x" * 2**20).text == str(2**20)


def test_a_head_without_end_is_cut(host: RunningHost) -> None:
    for flood in (b"x-a: " + b"b" * 200_000, b"".join(b"x-%d: 1\r\n" % i for i in range(20_000))):
        with connect(host) as connection:
            try:
                connection.sendall(b"GET /api/health HTTP/1.1\r\nHost: x\r\n" + flood)
            except ConnectionError:
                continue
            said = answer(connection)
        assert said == b"" or said.startswith(b"HTTP/1.1 431")


@pytest.mark.slow
def test_hundreds_of_slow_connections_are_cut_and_keep_nobody_out(host: RunningHost) -> None:
    half = [
        b"",
        b"GET /api/health HTTP/1.1\r\nHost: x\r\n",
        head("POST", "/api/size", "Content-Length: 9") + b"x",
    ]
    half.append(head("POST", "/admin/functions/size", "Content-Length: 1000"))
    half.append(head("POST", "/api/size", "Transfer-Encoding: chunked") + b"1\r\nx\r\n")
    with ExitStack() as opened:
        slow = [opened.enter_context(connect(host)) for _ in range(300)]
        for number, connection in enumerate(slow):
            connection.sendall(half[number % len(half)])
        assert host.get("/api/health").text == "fine"
        for connection in slow:
            connection.settimeout(25)
            answer(connection)
        process = psutil.Process(host.process.pid)
        wait_for(lambda: len(process.net_connections()) < 20, what="their sockets' end")
    assert host.get("/api/health").text == "fine"


def test_bodies_without_a_key_are_bounded_together(host: RunningHost) -> None:
    with ExitStack() as opened:
        holding = [opened.enter_context(connect(host)) for _ in range(32)]
        for connection in holding:
            connection.sendall(head("POST", "/api/size", f"Content-Length: {2**20}"))
        body = b"x" * 2**20
        wait_for(lambda: host.post("/api/size", data=body).status_code == 503, what="the bound")
        refused = host.post("/api/size", data=body)
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["content-type"] == "application/problem+json"
        assert host.post("/api/size", data=b"x" * 2**20, key=MASTER).status_code == 200
        assert host.get("/api/health").text == "fine"
    wait_for(lambda: host.post("/api/size", data=b"x" * 2**20).status_code == 200, what="its end")


def test_hung_calls_of_one_dataset_leave_places_to_the_others(host: RunningHost) -> None:
    with ThreadPoolExecutor(60) as pool:
        calls = [pool.submit(host.get, f"/api/score/hung-{i % 2}?s=8") for i in range(60)]
        time.sleep(1)
        began = time.monotonic()
        assert host.get("/api/score/bank").text == "scored"
        assert host.get("/api/health").text == "fine"
        assert time.monotonic() - began < 4, "neither waited for the hung ones"
        answers = [call.result() for call in calls]
    refused = [a for a in answers if a.status_code != 200]
    assert refused, "more than there are places for"
    assert {a.status_code for a in refused} == {503}
    assert {a.headers["retry-after"] for a in refused} == {"1"}
    problem = json.loads(refused[0].text)
    assert (problem["status"], refused[0].headers["content-type"]) == (503, "application/problem+json")
    assert max(a.elapsed.total_seconds() for a in refused) < 8, "nobody waited for a place longer than he may"


@pytest.mark.parametrize(("path", "status"), [("/api/none", 404), ("/admin/functions", 401), ("/admin", 401)])
def test_what_the_host_refuses_is_a_problem_that_tells_nothing(
    host: RunningHost, path: str, status: int
) -> None:
    found = host.get(path)
    assert (found.status_code, found.headers["content-type"]) == (status, "application/problem+json")
    assert found.json()["status"] == status
    assert "score" not in found.text


@pytest.mark.parametrize("said", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n"])
def test_what_is_no_http_is_a_problem_too(host: RunningHost, said: bytes) -> None:
    with connect(host) as connection:
        connection.sendall(said)
        head_, _, body = answer(connection).partition(b"\r\n\r\n")
    assert head_.startswith(b"HTTP/1.1 400")
    assert b"application/problem+json" in head_
    assert json.loads(body)["status"] == 400


async def hold(places: Places, key: str, gate: asyncio.Event) -> str:
    try:
        async with places.place(key):
            await gate.wait()
    except NoPlaceError:
        return "refused"
    return "served"


def test_however_many_keys_hang_a_new_one_finds_a_place() -> None:
    async def story() -> None:
        places, gate = Places(100, 200, wait_s=0.05), asyncio.Event()
        hung = [asyncio.create_task(hold(places, f"hung-{k}", gate)) for k in range(4) for _ in range(300)]
        await asyncio.sleep(0.2)
        async with asyncio.timeout(1), places.place("new"):
            pass
        gate.set()
        answers = await asyncio.gather(*hung)
        assert 85 < answers.count("served") < 100
        async with places.place("hung-0"):
            pass

    asyncio.run(story())


def test_one_who_leaves_just_as_its_turn_comes_takes_no_place() -> None:
    async def story() -> None:
        places, gate = Places(1, 10, wait_s=5), asyncio.Event()
        async with places.place("a"):
            waiting = asyncio.create_task(hold(places, "b", gate))
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        async with asyncio.timeout(1), places.place("c"):
            pass

    asyncio.run(story())


def test_those_who_wait_come_in_turn_and_one_who_left_takes_no_place() -> None:
    async def story() -> None:
        places, gate = Places(1, 10, wait_s=5), asyncio.Event()
        first = asyncio.create_task(hold(places, "a", gate))
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(hold(places, key, gate)) for key in ("a", "b", "a", "c")]
        await asyncio.sleep(0)
        waiting[0].cancel()
        gate.set()
        assert await first == "served"
        assert await asyncio.gather(*waiting[1:]) == ["served"] * 3
        async with asyncio.timeout(1), places.place("a"):
            pass

    asyncio.run(story())
