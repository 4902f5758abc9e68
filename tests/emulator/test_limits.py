"""Strangers cost little: heads, bodies, connections and what bodies unpack to are bounded before anybody's token is read."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp

from dropml.azureml.core.config import Settings
from dropml.azureml.front import connections
from dropml.azureml.front.app import Emulator
from dropml.azureml.front.server import _server
from dropml.azureml.workspace.ingestion import TooMuchError, parsed, unpacked
from tests.support.emulator_loops import without_sockets

HEALTH = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
LIMITS = replace(
    connections.LIMITS, connections=20, head_bytes=8_192, head_seconds=0.5, body_seconds=0.3, body_rate=1e6
)


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    with without_sockets(tmp_path) as found:
        yield found


@asynccontextmanager
async def served(app: ASGIApp, folder: Path) -> AsyncIterator[int]:
    """The app on plain http; its port."""
    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    server = _server(app, Settings(port=0, data=folder), limits=LIMITS)
    task = asyncio.create_task(server.serve(sockets=[door]))
    while not server.started:
        await asyncio.sleep(0.01)
    yield door.getsockname()[1]
    server.should_exit = server.force_exit = True
    await task


async def asked(port: int, request: bytes) -> bytes:
    """Everything that is answered until the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def fate(end: bytes | BaseException) -> str:
    if isinstance(end, bytes) and end:
        return str(status(end))
    return "cut" if end == b"" or isinstance(end, ConnectionError) else repr(end)


def test_hundreds_of_slow_connections_hinder_nobody_and_are_cut(emulator: Emulator, tmp_path: Path) -> None:
    async def story() -> None:
        async with served(emulator.app, tmp_path) as port:
            slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
            for _, writer in slow:
                writer.write(b"GET / HTTP/1.1\r\nX-Slow: ")
            assert status(await asked(port, HEALTH)) == 200
            ends = [asyncio.wait_for(reader.read(), 20) for reader, _ in slow]
            gone = await asyncio.gather(*ends, return_exceptions=True)
            assert {fate(end) for end in gone} <= {"cut", "408"}

    asyncio.run(story())


@pytest.mark.parametrize(
    "head",
    [
        b"X-Large: " + b"a" * 20_000 + b"\r\n",
        b"X-Endless: " + b"a" * 20_000,
    ],
    ids=["one large header", "a header without an end"],
)
def test_a_head_that_is_too_large_is_refused(emulator: Emulator, tmp_path: Path, head: bytes) -> None:
    async def story() -> None:
        async with served(emulator.app, tmp_path) as port:
            ended = b"\r\n" if head.endswith(b"\n") else b""
            assert status(await asked(port, b"GET / HTTP/1.1\r\nHost: x\r\n" + head + ended)) == 431
            assert status(await asked(port, HEALTH)) == 200

    asyncio.run(story())


@pytest.mark.parametrize(("door", "chunks"), [("app", 0), ("ingestion", 5)])
def test_a_body_that_is_too_large_is_refused(
    emulator: Emulator, tmp_path: Path, door: str, chunks: int
) -> None:
    async def story() -> None:
        async with served(getattr(emulator, door), tmp_path) as port:
            head = b"POST /v2.1/track HTTP/1.1\r\nHost: x\r\n"
            told = head + b"Content-Length: %d\r\n\r\n" % (connections.ARM_BYTES + 1)
            assert status(await asked(port, told)) == 413
            if not chunks:
                return
            piece = b"%x\r\n%b\r\n" % (2**20, b"[" * 2**20)
            chunked = head + b"Transfer-Encoding: chunked\r\n\r\n" + piece * chunks
            assert status(await asked(port, chunked)) == 413

    asyncio.run(story())


def test_a_body_that_never_comes_is_not_waited_for(emulator: Emulator, tmp_path: Path) -> None:
    async def story() -> None:
        async with served(emulator.ingestion, tmp_path) as port:
            head = b"POST /v2.1/track HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n["
            assert status(await asked(port, head)) == 408

    asyncio.run(story())


def test_telemetry_that_unpacks_to_a_flood_is_refused_before_it_is_there(
    emulator: Emulator, tmp_path: Path
) -> None:
    bomb = gzip.compress(bytes(2**27))
    tracemalloc.start()
    with pytest.raises(TooMuchError):
        unpacked(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * 2**20

    async def story() -> None:
        async with served(emulator.ingestion, tmp_path) as port:
            head = b"POST /v2.1/track HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nConnection: close\r\n"
            head += b"Content-Length: %d\r\n\r\n"
            assert status(await asked(port, head % len(bomb) + bomb)) == 413
            cut = gzip.compress(b"[]" * 1000)[:-12]
            assert status(await asked(port, head % len(cut) + cut)) == 400

    asyncio.run(story())


@pytest.mark.parametrize(
    "body", [b"1\n" * 2_000_000, b"[" + b"{}," * 1_000_000 + b"{}]", b"[" + b"1," * 30_000 + b"1]"]
)
def test_telemetry_of_a_million_crumbs_is_refused_before_anything_is_made_of_it(body: bytes) -> None:
    """Two bytes that pack to nothing are an object of a hundred here, and a sentence of its own in the answer."""
    tracemalloc.start()
    with pytest.raises(TooMuchError):
        parsed(body.decode())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 2**20


@pytest.mark.parametrize(
    "odd",
    [
        {"time": {"a": 1}},
        {"iKey": [1]},
        {"data": {"baseType": {"a": 1}}},
        {"data": {"baseType": "EventData", "baseData": {"name": {"a": 1}}}},
        {"data": {"baseType": "EventData", "baseData": {"name": "\ud800"}}},
        {"data": {"baseType": "EventData", "baseData": {"name": 2**70}}},
        {"data": {"baseType": "EventData", "baseData": {"metrics": {"a": 1}}}},
        {"data": {"baseType": "EventData", "baseData": 7}},
        {"tags": {"ai.cloud.role": ["\udfff"]}},
        {"tags": 7},
        {"data": {"baseType": "EventData", "baseData": {"measurements": {"a": float("nan")}}}},
    ],
)
def test_an_envelope_of_any_shape_costs_no_other_one(
    emulator: Emulator, tmp_path: Path, odd: dict[str, Any]
) -> None:
    good = {
        "time": "2026-01-01T00:00:00Z",
        "iKey": "k",
        "data": {"baseType": "EventData", "baseData": {"name": "good"}},
    }
    body = json.dumps([good, {**good, **odd}, good]).encode()

    async def story() -> None:
        async with served(emulator.ingestion, tmp_path) as port:
            head = (
                b"POST /v2.1/track HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
                % len(body)
            )
            answer = await asked(port, head + body)
            assert status(answer) in (200, 206)
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["itemsAccepted"] >= 2

    asyncio.run(story())
    kept = emulator.context.store.execute("SELECT count(*) FROM telemetry WHERE name = 'good'")
    assert kept[0][0] >= 2
    # A number that JSON lacks is kept as its word, or not at all.
    assert emulator.context.store.execute("SELECT 1 FROM telemetry WHERE NOT json_valid(body)") == []


def test_json_that_is_nested_without_end_is_a_wrong_request(emulator: Emulator, tmp_path: Path) -> None:
    token, _ = emulator.context.identity.issue("https://management.azure.com")
    deep = b"[" * 200_000

    async def story() -> None:
        async with served(emulator.app, tmp_path) as port:
            path = f"{emulator.context.settings.workspace_id}/jobs/deep?api-version=1".encode()
            more = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n" % len(deep)
            arm = b"PUT " + path + more + b"Authorization: Bearer " + token.encode() + b"\r\n\r\n" + deep
            answer = await asked(port, arm)
            assert status(answer) == 400
            assert "error" in json.loads(answer.partition(b"\r\n\r\n")[2])
        async with served(emulator.ingestion, tmp_path) as port:
            assert status(await asked(port, b"POST /v2.1/track" + more + b"\r\n" + deep)) == 400

    asyncio.run(story())
