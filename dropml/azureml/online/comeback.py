"""Endpoints after a restart: those used last come back first, several at a time, and one that is called goes first.

Until its process listens, an endpoint's port is held here: a call waits in its connection, and is passed on to the
process once that is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from dropml.azureml.core.loops import contained
from dropml.common import processors
from dropml.common.logs import tail

log = logging.getLogger(__name__)
#: How long a call waits for its endpoint's process.
_WAIT_SECONDS = 30.0
_CHUNK = 1 << 16
#: A request's line in the log of a deployment; other lines (a start, a stop) are no use of it.
_USE = re.compile(
    r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d{3} I \[\d+\] azmlinfsrv - [A-Z]+ /score ", re.MULTILINE
)
_LINES = 200


def last_used(folder: Path) -> float:
    """Unix seconds of the last scoring request that the endpoint's logs tell of; 0 if there is none."""
    times = [found for path in folder.glob("logs/*.log") for found in _USE.findall(tail(path, _LINES))[-1:]]
    return datetime.fromisoformat(max(times)).replace(tzinfo=UTC).timestamp() if times else 0.0


class Comeback:
    """The endpoints that have no process yet, first come those that are wanted first."""

    def __init__(self, start: Callable[[str], Awaitable[None]]) -> None:
        self._start = start
        self._waiting: list[str] = []
        self._doors: dict[str, Door] = {}

    async def run(self, endpoints: list[tuple[str, int | None]]) -> None:
        """Bring them back: names in the order of use, and the port of each."""
        self._waiting = [name for name, _ in endpoints]
        for name, port in endpoints:
            if port:
                self._doors[name] = door = Door(port, partial(self.first, name))
                # A taken port has no door: the process will get another one.
                with contextlib.suppress(OSError):
                    await door.open()
        try:
            workers = max(2, min(8, processors.count()))
            await asyncio.gather(*(self._work() for _ in range(workers)))
        finally:
            for door in self._doors.values():
                door.close()

    def first(self, name: str) -> None:
        """Somebody wants this one: it is the next."""
        if name in self._waiting:
            self._waiting.remove(name)
            self._waiting.insert(0, name)

    def release(self, name: str) -> None:
        """The process is about to listen on the endpoint's port."""
        if door := self._doors.get(name):
            door.close()

    async def _work(self) -> None:
        while self._waiting:
            name = self._waiting.pop(0)
            with contained(f"the return of endpoint {name}"):
                await self._start(name)
            if door := self._doors.pop(name, None):
                door.there()


class Door:
    """Holds a port for a process that is not there yet, and passes on who came meanwhile."""

    def __init__(self, port: int, called: Callable[[], None]) -> None:
        self._port, self._called = port, called
        self._listening: asyncio.Server | None = None
        self._there = asyncio.Event()

    async def open(self) -> None:
        self._listening = await asyncio.start_server(self._call, "127.0.0.1", self._port)

    def close(self) -> None:
        """Listen no more; the connections that are held stay."""
        if self._listening:
            self._listening.close()

    def there(self) -> None:
        """The process listens, or won't: whoever waits is passed on, or finds nobody."""
        self.close()
        self._there.set()

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._called()
        try:
            await asyncio.wait_for(self._there.wait(), _WAIT_SECONDS)
            back, forth = await asyncio.open_connection("127.0.0.1", self._port)
        except (OSError, TimeoutError):
            writer.close()
            return
        await asyncio.gather(_pass_on(reader, forth), _pass_on(back, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Bytes one way until either side is through."""
    with contextlib.suppress(OSError):
        while piece := await reader.read(_CHUNK):
            writer.write(piece)
            await writer.drain()
    writer.close()
