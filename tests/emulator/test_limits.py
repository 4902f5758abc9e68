"""Strangers cost little: heads, bodies, connections and what bodies unpack to are bounded before anybody's token is read."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Message

from dropml.azureml.core.arm import GatewayError
from dropml.azureml.core.config import Settings
from dropml.azureml.front.app import Emulator
from dropml.azureml.front.bodies import ARM_BYTES, Body
from dropml.azureml.front.connections import Connection, Limits
from dropml.azureml.front.server import _server
from dropml.azureml.workspace.ingestion import TooMuchError, unpacked
from tests.support.emulator_loops import without_sockets

HEALTH = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
LIMITS = Limits(connections=20, head=8_192, headers=50, head_seconds=0.5)


@pytest.fixture
def emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    monkeypatch.setattr(Connection, "limits", LIMITS)
    with without_sockets(tmp_path) as found:
        yield found


@asynccontextmanager
async def served(app: ASGIApp, folder: Path) -> AsyncIterator[int]:
    """The app on plain http; its port."""
    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    server = _server(app, Settings(port=0, data=folder))
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


def test_hundreds_of_slow_connections_hinder_nobody_and_are_cut(emulator: Emulator, tmp_path: Path) -> None:
    async def story() -> None:
        async with served(emulator.app, tmp_path) as port:
            slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
            for _, writer in slow:
                writer.write(b"GET / HTTP/1.1\r\nX-Slow: ")
            assert status(await asked(port, HEALTH)) == 200
            ends = [asyncio.wait_for(reader.read(), 20) for reader, _ in slow]
            gone = await asyncio.gather(*ends, return_exceptions=True)
            assert not [end for end in gone if end and not isinstance(end, ConnectionError)]

    asyncio.run(story())


@pytest.mark.parametrize(
    "head",
    [
        b"X-Large: " + b"a" * 20_000 + b"\r\n",
        b"".join(b"X-%d: a\r\n" % i for i in range(60)),
        b"X-Endless: " + b"a" * 20_000,
    ],
    ids=["one large header", "many headers", "a header without an end"],
)
def test_a_head_that_is_too_large_is_refused(emulator: Emulator, tmp_path: Path, head: bytes) -> None:
    async def story() -> None:
        async with served(emulator.app, tmp_path) as port:
            ended = b"\r\n" if head.endswith(b"\n") else b""
            assert status(await asked(port, b"GET / HTTP/1.1\r\nHost: x\r\n" + head + ended)) == 431
            assert status(await asked(port, HEALTH)) == 200

    asyncio.run(story())


@pytest.mark.parametrize(("door", "unread"), [("app", 401), ("ingestion", 413)])
def test_a_body_that_is_too_large_is_refused(
    emulator: Emulator, tmp_path: Path, door: str, unread: int
) -> None:
    async def story() -> None:
        async with served(getattr(emulator, door), tmp_path) as port:
            head = b"POST /v2.1/track HTTP/1.1\r\nHost: x\r\n"
            told = head + b"Content-Length: %d\r\n\r\n" % (ARM_BYTES + 1)
            assert status(await asked(port, told)) == 413
            piece = b"%x\r\n%b\r\n" % (2**20, b"[" * 2**20)
            chunked = head + b"Transfer-Encoding: chunked\r\n\r\n" + piece * 5
            assert status(await asked(port, chunked)) == unread

    asyncio.run(story())


def test_a_body_that_never_comes_is_not_waited_for() -> None:
    async def never() -> Message:
        await asyncio.sleep(60)
        raise AssertionError("waited for")

    with pytest.raises(GatewayError) as refusal:
        asyncio.run(Body(never, 10, 0.05).receive())
    assert refusal.value.status == 408


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


def test_a_stranger_who_sends_a_flood_hears_the_refusal_and_is_cut(
    emulator: Emulator, tmp_path: Path
) -> None:
    async def story() -> None:
        async with served(emulator.app, tmp_path) as port:
            path = f"{emulator.context.settings.workspace_id}/jobs/deep?api-version=1".encode()
            head = b"PUT " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"
            assert status(await asked(port, head + bytes(3_000_000))) == 401

    asyncio.run(story())
