"""The process behind each online endpoint: started, told, supervised, found again after a restart on its old port."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import requests

from dropml.azureml.core.context import Context
from dropml.azureml.core.loops import contained, every
from dropml.azureml.core.store import Doc
from dropml.azureml.online.comeback import Comeback, last_used, listening
from dropml.common.logs import bound, is_ready, rotate, tail
from dropml.common.processes import Child, find_by_argument, start

log = logging.getLogger(__name__)
_START_SECONDS = 30.0
_WATCH_SECONDS = 1.0


class EndpointDownError(Exception):
    """The process can't be reached or can't be started; the message says why."""


class EndpointProcesses:
    """`served` gives an endpoint's `endpoint.json` document from the state; the process reads it."""

    def __init__(self, context: Context, served: Callable[[Doc], Doc]) -> None:
        self._c, self._served = context, served
        self.comeback = Comeback(self._come_back)
        self._children: dict[str, Child] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._sessions = requests.Session()
        self._serving: list[str] = []
        self._closing = False

    def folder(self, name: str) -> Path:
        return self._c.folder("endpoints", name)

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    def url(self, endpoint: Doc) -> str | None:
        return f"http://127.0.0.1:{endpoint['port']}" if endpoint.get("port") else None

    # -- life ----------------------------------------------------------------------------------------------

    async def ensure(self, name: str) -> None:
        """The process runs and serves, with the configuration of now. Raises EndpointDownError."""
        async with self._lock(name):
            endpoint = self._c.store.get("endpoint", name)
            if endpoint is None or self._closing:
                return
            self._write(endpoint)
            child = self._children.get(name) or self._adopt(endpoint)
            if child is None or not child.alive():
                await self._start(endpoint)
            else:
                self._children[name] = child

    def _adopt(self, endpoint: Doc) -> Child | None:
        """The process that an earlier emulator started, if it lives; one without a written pid by its folder."""
        if endpoint.get("pid"):
            return Child.adopt(endpoint["pid"], endpoint.get("pid_started"))
        return find_by_argument(str(self.folder(endpoint["name"]))) if endpoint.get("port") else None

    async def _start(self, endpoint: Doc) -> None:
        name, reason = endpoint["name"], ""
        for attempt in range(3):
            with contextlib.closing(self._socket(endpoint, attempt)) as door:
                child = await self._spawn(name, door)
            if await self._ready(child, self._log(name)):
                return
            await child.stop(2)
            reason = tail(self._log(name), 3)
        raise EndpointDownError(f"The endpoint's process does not start: {reason or 'it printed nothing'}")

    def _socket(self, endpoint: Doc, attempt: int) -> socket.socket:
        """On the old port first, so that its callers find it again; a taken one is replaced."""
        if attempt == 0:
            if held := self.comeback.take(endpoint["name"]):
                return held
            with contextlib.suppress(OSError):
                return listening(endpoint.get("port"))
        return listening(None)

    async def _spawn(self, name: str, door: socket.socket) -> Child:
        """The process, which inherits the socket that it is to serve."""
        rotate(self._log(name))
        command = [sys.executable, "-m", "dropml.azureml.serving"]
        command += ["--endpoint", str(self.folder(name)), "--socket", str(door.fileno())]
        # The port first: a process whose pid was never written down is found by its folder, but not its port.
        self._note(name, port=door.getsockname()[1], pid=None)
        begin = partial(start, command, self._log(name), env=self._c.mark, inherited=(door.fileno(),))
        child = await asyncio.to_thread(begin)
        self._children[name] = child
        self._note(name, pid=child.pid, pid_started=child.started)
        return child

    def _log(self, name: str) -> Path:
        return self.folder(name) / "process.log"

    async def hold(self, names: list[str]) -> None:
        """Hold the ports of those whose process is gone, those used last to come back first."""
        used = await asyncio.to_thread(lambda: {name: last_used(self.folder(name)) for name in names})
        endpoints = [e for name in names if (e := self._c.store.get("endpoint", name))]
        endpoints.sort(key=lambda e: (used[e["name"]], e["modified"]), reverse=True)
        # The processes of a killed emulator serve on.
        self._serving = [
            e["name"] for e in endpoints if Child.adopt(e.get("pid"), e.get("pid_started")) is not None
        ]
        gone = [(e["name"], e.get("port")) for e in endpoints if e["name"] not in self._serving]
        self.comeback.hold(gone)

    async def resume(self) -> None:
        """The process of every endpoint that is held, started; of every other, found again."""
        await asyncio.gather(self.comeback.run(), *(self._find_again(name) for name in self._serving))

    async def _find_again(self, name: str) -> None:
        with contained(f"endpoint {name}"):
            await self._come_back(name)

    async def _come_back(self, name: str) -> None:
        """The process runs and its models are loaded, or it is known why not."""
        try:
            status = await self.reload(name)
            deadline = time.monotonic() + _START_SECONDS
            while _loading(status) and time.monotonic() < deadline:
                await asyncio.sleep(0.05)
                status = await self.status(name)
        except EndpointDownError:
            log.exception("endpoint %s could not be started again", name)
            self._note(name, state="Failed")

    def _note(self, name: str, **values: Any) -> None:
        self._c.store.update("endpoint", name, lambda d: d.update(values))

    async def _ready(self, child: Child, logfile: Path) -> bool:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and child.alive():
            if is_ready(logfile):
                return True
            await asyncio.sleep(0.05)
        return False

    async def stop(self, name: str) -> None:
        async with self._lock(name):
            endpoint = self._c.store.get("endpoint", name)
            child = self._children.pop(name, None) or (self._adopt(endpoint) if endpoint else None)
            if child:
                await child.stop(3)
        self._locks.pop(name, None)

    async def supervise(self) -> None:
        """Start again what has died, as the service restarts a container; forever."""
        await every(_WATCH_SECONDS, "the supervision of endpoints", self._restart_dead)

    async def _restart_dead(self) -> None:
        for name, child in list(self._children.items()):
            with contained(f"the log of endpoint {name}"):
                bound(self._log(name))
            if child.alive() or self._closing or self._lock(name).locked():
                continue
            log.warning("endpoint %s: its process ended; starting it again", name)
            with contained(f"endpoint {name}"):
                await self._again(name)

    async def _again(self, name: str) -> None:
        try:
            await self.ensure(name)
        except EndpointDownError as error:
            log.error("endpoint %s: %s", name, error)

    async def close(self) -> None:
        self._closing = True
        stopping = (child.stop(2.5) for child in self._children.values())
        await asyncio.gather(*stopping, return_exceptions=True)
        self._sessions.close()

    # -- talk ----------------------------------------------------------------------------------------------

    def _write(self, endpoint: Doc) -> None:
        folder = self.folder(endpoint["name"])
        folder.mkdir(parents=True, exist_ok=True)
        scratch = folder / "endpoint.json.new"
        scratch.touch(mode=0o600)
        scratch.write_text(json.dumps(self._served(endpoint), indent=1))
        scratch.replace(folder / "endpoint.json")

    async def reload(self, name: str) -> Doc:
        """Write the configuration and have it taken over; the status of the deployments."""
        await self.ensure(name)
        async with self._lock(name):
            endpoint = self._c.store.get("endpoint", name)
            if endpoint is None:
                raise EndpointDownError(f"The endpoint {name} was deleted.")
            self._write(endpoint)
            return await asyncio.to_thread(self._call, endpoint, "POST", "/_admin/reload")

    async def status(self, name: str) -> Doc:
        endpoint = self._c.store.get("endpoint", name)
        if endpoint is None:
            raise EndpointDownError(f"The endpoint {name} was deleted.")
        return await asyncio.to_thread(self._call, endpoint, "GET", "/_admin/status")

    def _call(self, endpoint: Doc, method: str, path: str) -> Doc:
        try:
            answer = self._sessions.request(
                method,
                f"{self.url(endpoint)}{path}",
                headers={"x-admin-secret": endpoint["admin_secret"]},
                timeout=(3, 15),
            )
        except requests.RequestException as error:
            raise EndpointDownError(f"The endpoint's process does not answer: {error}") from error
        if answer.status_code != 200:
            raise EndpointDownError(f"The endpoint's process refused its configuration: {answer.text[:300]}")
        found: Any = answer.json()
        return dict(found)


def _loading(status: Doc) -> bool:
    return any(d.get("status") == "loading" for d in (status.get("deployments") or {}).values())
