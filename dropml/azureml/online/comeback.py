"""Endpoints after a restart: those used last come back first, several at a time, and one that is called goes first.

The ports of all are held from the start. Whoever calls waits in the queue of the port's socket, which the process
inherits.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from dropml.azureml.core.loops import contained
from dropml.common import processors
from dropml.common.logs import tail

#: Connections that may wait in a port's queue.
_BACKLOG = 1024
#: A request's line in the log of a deployment; other lines (a start, a stop) are no use of it.
_USE = re.compile(
    r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d{3} I \[\d+\] azmlinfsrv - [A-Z]+ /score ", re.MULTILINE
)
_LINES = 200


def last_used(folder: Path) -> float:
    """Unix seconds of the last scoring request that the endpoint's logs tell of; 0 if there is none."""
    times = [found for path in folder.glob("logs/*.log") for found in _USE.findall(tail(path, _LINES))[-1:]]
    return datetime.fromisoformat(max(times)).replace(tzinfo=UTC).timestamp() if times else 0.0


def listening(port: int | None) -> socket.socket:
    """A socket on this port, or on any free one (None); OSError where it is taken."""
    # With the protocol named, asyncio sets TCP_NODELAY on its connections.
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(("127.0.0.1", port or 0))
        found.listen(_BACKLOG)
        found.setblocking(False)
    except OSError:
        found.close()
        raise
    return found


class Comeback:
    """The endpoints that have no process yet; `start` brings one back."""

    def __init__(self, start: Callable[[str], Awaitable[None]]) -> None:
        self._start = start
        self._waiting: list[str] = []
        self._held: dict[str, socket.socket] = {}

    def hold(self, endpoints: list[tuple[str, int | None]]) -> None:
        """Take in who is to come back: names in the order of use, and the port of each, held from now on."""
        loop = asyncio.get_running_loop()
        for name, port in endpoints:
            self._waiting.append(name)
            # A port that somebody else has taken is not held: the process will get another one.
            with contextlib.suppress(OSError):
                if port:
                    self._held[name] = found = listening(port)
                    loop.add_reader(found, self._called, name)

    def _called(self, name: str) -> None:
        asyncio.get_running_loop().remove_reader(self._held[name])
        self.first(name)

    def first(self, name: str) -> None:
        """Somebody wants this one: it is the next."""
        if name in self._waiting:
            self._waiting.remove(name)
            self._waiting.insert(0, name)

    def take(self, name: str) -> socket.socket | None:
        """The socket that holds the endpoint's port, for its process; the caller's from now on."""
        found = self._held.pop(name, None)
        if found:
            asyncio.get_running_loop().remove_reader(found)
        return found

    async def run(self) -> None:
        """Bring them back."""
        workers = max(2, min(8, processors.count()))
        try:
            await asyncio.gather(*(self._work() for _ in range(workers)))
        finally:
            for name in list(self._held):
                self._let_go(name)

    async def _work(self) -> None:
        while self._waiting:
            name = self._waiting.pop(0)
            with contained(f"the return of endpoint {name}"):
                await self._start(name)
            self._let_go(name)

    def _let_go(self, name: str) -> None:
        """Nobody took it: who waits there is told so by the end of the connection."""
        if found := self.take(name):
            found.close()
