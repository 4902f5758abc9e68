"""The endpoint's process: socket, deadlines, signals."""

import asyncio
import contextlib
import gc
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dropml.azureml.serving import answers
from dropml.azureml.serving.app import EndpointApp
from dropml.azureml.serving.connection import Connection, Hub
from dropml.azureml.serving.messages import Answer, ConnectionLimits, Request
from dropml.azureml.serving.settings import EndpointSettings

_TICK = 0.25
_LOADING = 15.0  # a model that takes longer goes on loading while the others are served
_GRACE = 4.0  # the process ends within 5 s of SIGTERM


class Server:
    """One endpoint on one port of the loopback interface."""

    def __init__(self, endpoint_dir: Path, settings: EndpointSettings, limits: ConnectionLimits) -> None:
        self.app = EndpointApp(endpoint_dir, settings)
        self._limits = limits
        self._hub = Hub(self._limited(), self._handle, self._plain, self.app.stranger)
        self._server: asyncio.Server | None = None
        self._ticker: asyncio.Task[None] | None = None

    async def start(self, door: socket.socket, *, accepting: bool) -> str:
        """Listen on the bound socket, and answer at once or from `accept` on; the URL."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self._hub), sock=door, backlog=1024, start_serving=accepting
        )
        self._ticker = asyncio.create_task(self._tick())
        host, port = door.getsockname()
        return f"http://{host}:{port}"

    async def accept(self) -> None:
        if self._server is not None:
            await self._server.start_serving()

    async def stop(self) -> None:
        """Take nothing new, finish what is asked, free everything."""
        self._hub.closing = True
        if self._server is not None:
            self._server.close()
        end = time.monotonic() + _GRACE - 1
        for connection in [*self._hub.connections]:
            connection.close_when_idle()
        while self._hub.connections and time.monotonic() < end:
            await asyncio.sleep(0.02)
        for connection in [*self._hub.connections]:
            connection.transport.abort()
        if self._ticker is not None:
            self._ticker.cancel()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.app.close(), max(0.5, end + 1 - time.monotonic()))

    def _handle(self, request: Request) -> Answer | None:
        try:
            answer = self.app.handle(request)
        except Exception as error:  # noqa: BLE001 - a fault of ours is a 500 and never ends the process
            print(f"internal error: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            return answers.text(500, "Internal server error.")
        if request.target.startswith(b"/_admin/"):
            self._spread_limits()
        return answer

    def _plain(self, status: int, sentence: str) -> Answer:
        return answers.text(status, sentence)

    def _limited(self) -> ConnectionLimits:
        return replace(self._limits, body=self.app.settings.max_request_bytes)

    def _spread_limits(self) -> None:
        limits = self._limited()
        if limits != self._hub.limits:
            self._hub.limits = limits
            for connection in self._hub.connections:
                connection.limits = limits

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            now = time.monotonic()
            for connection in [*self._hub.connections]:
                connection.overdue(now)
            self.app.deployments.flush_logs()


async def serve(
    endpoint_dir: Path,
    settings: EndpointSettings,
    limits: ConnectionLimits,
    door: socket.socket,
    announce: Callable[[str], None],
    *,
    accepting: bool = True,
) -> None:
    """Serve until SIGTERM or SIGINT. `announce` gets the URL when deployments are ready or failed.

    Without `accepting` callers wait in the socket's queue until then.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    server = Server(endpoint_dir, settings, limits)
    url = await server.start(door, accepting=accepting)
    stopped = asyncio.create_task(stop.wait())
    settled = asyncio.create_task(server.app.deployments.settled())
    await asyncio.wait({stopped, settled}, timeout=_LOADING, return_when=asyncio.FIRST_COMPLETED)
    settled.cancel()
    if not stop.is_set():
        _calm_collector()
        await server.accept()
        announce(url)
        await stopped
    await server.stop()


def _calm_collector() -> None:
    # A model is millions of objects that stay: walking them again and again would cost milliseconds.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
