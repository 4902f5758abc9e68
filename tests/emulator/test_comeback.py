"""After a restart endpoints come back in the order of use, several at a time; one that is called goes first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dropml.azureml.online.comeback import Comeback, last_used
from dropml.common import processors
from dropml.common.ports import free_port


@pytest.fixture(autouse=True)
def two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "count", lambda: 2)


def test_the_last_scoring_request_in_an_endpoints_logs_tells_its_use(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    assert last_used(tmp_path) == 0.0
    request = "2026-05-01 10:00:00,250 I [7] azmlinfsrv - POST /score 200 1.234ms 96 request_id=a"
    stop = "2026-05-02 10:00:00,000 I [7] azmlinfsrv - Shutting down"
    (tmp_path / "logs" / "blue.log").write_text(f"{request}\n{stop}\n")
    (tmp_path / "logs" / "green.log").write_text(request.replace("10:00", "11:30") + "\n")
    assert last_used(tmp_path) == datetime(2026, 5, 1, 11, 30, tzinfo=UTC).timestamp()


def test_two_come_back_at_a_time_and_the_one_that_is_wanted_is_the_next() -> None:
    async def story() -> list[str]:
        started: list[str] = []
        gates = {name: asyncio.Event() for name in "abcdef"}

        async def start(name: str) -> None:
            started.append(name)
            await gates[name].wait()

        back = Comeback(start)
        back.hold([(name, None) for name in "abcdef"])
        task = asyncio.create_task(back.run())
        await until(lambda: started == ["a", "b"])
        back.first("f")
        gates["a"].set()
        await until(lambda: started == ["a", "b", "f"])
        for gate in gates.values():
            gate.set()
        await task
        return started

    assert asyncio.run(story()) == ["a", "b", "f", "c", "d", "e"]


def test_a_call_to_an_endpoint_that_is_not_back_puts_it_first_and_is_answered_by_it() -> None:
    async def story() -> tuple[bytes, list[str]]:
        started: list[str] = []
        gates = {name: asyncio.Event() for name in "abcz"}
        port = free_port()
        servers: list[asyncio.Server] = []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"z answers " + await reader.readline())
            writer.close()

        async def start(name: str) -> None:
            started.append(name)
            await gates[name].wait()
            if held := back.take(name):
                servers.append(await asyncio.start_server(answer, sock=held))

        back = Comeback(start)
        back.hold([("a", None), ("b", None), ("c", None), ("z", port)])
        task = asyncio.create_task(back.run())
        await until(lambda: started == ["a", "b"])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"a question\n")
        await writer.drain()
        gates["z"].set()
        gates["a"].set()
        said = await reader.read()
        for gate in gates.values():
            gate.set()
        await task
        for server in servers:
            server.close()
        writer.close()
        return said, started

    said, started = asyncio.run(story())
    assert said == b"z answers a question\n"
    assert started[:3] == ["a", "b", "z"], "the call did not put it first"


def test_an_endpoint_that_cannot_start_holds_up_no_other_and_keeps_no_caller() -> None:
    async def story() -> tuple[bytes, list[str]]:
        started: list[str] = []
        port, gate = free_port(), asyncio.Event()

        async def start(name: str) -> None:
            started.append(name)
            if name == "broken":
                await gate.wait()
                raise KeyError("no such model")

        back = Comeback(start)
        back.hold([("broken", port), ("a", None), ("b", None)])
        task = asyncio.create_task(back.run())
        await until(lambda: len(started) == 3)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        gate.set()
        try:
            said = await reader.read()
        except ConnectionResetError:
            said = b""
        await task
        writer.close()
        return said, started

    said, started = asyncio.run(story())
    assert (said, started) == (b"", ["broken", "a", "b"])


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(2000):
        if holds():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it did not come to that")
