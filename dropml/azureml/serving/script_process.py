"""The endpoint's side of a scoring script's process."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import resource
import signal
import sys
from dataclasses import dataclass
from typing import Any

from dropml.azureml.serving.logs import DeploymentLog
from dropml.azureml.serving.script_mount import Mount
from dropml.azureml.serving.script_wire import Message, pack, receive
from dropml.azureml.serving.settings import DeploymentSettings
from dropml.common import private
from dropml.common.folders import ROOT
from dropml.common.processes import environment

_MARKS = ("DROPML_STACK", "DROPML_EMULATOR_DATA")  # by which a killed emulator's processes are found
_CHUNK = 65_536
_LINE = 8_192  # characters of a line of the log
_TRACEBACK = 4_000
_MAIN = (
    "import sys; sys.path.insert(0, {0!r}); from dropml.azureml.serving.script_child import main; main({0!r})"
)


class ScriptError(Exception):
    """The script did not start, or its process is gone."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the script's container answers."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def variables(settings: DeploymentSettings, mount: Mount) -> dict[str, str]:
    """The environment of the process: the deployment's own, and what the service sets; nothing of the endpoint's."""
    script = settings.script
    assert script is not None
    own = script.variables | {"AML_APP_ROOT": str(mount.app_root), "AZUREML_ENTRY_SCRIPT": script.entry}
    if mount.model_dir is not None:
        own["AZUREML_MODEL_DIR"] = str(mount.model_dir)
    found = environment(1)
    del found["PYTHONPATH"]
    return found | own | {name: os.environ[name] for name in _MARKS if name in os.environ}


class ScriptProcess:
    """One process, from its start to its end."""

    def __init__(self, log: DeploymentLog) -> None:
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._replies: dict[int, asyncio.Future[Message]] = {}
        self._ids = itertools.count()
        self._ended = False

    async def start(self, settings: DeploymentSettings, mount: Mount) -> None:
        """Start it, and wait until `init` is done. Raises ScriptError with the traceback, OSError."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-c", _MAIN.format(str(ROOT))),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=mount.app_root,
            env=variables(settings, mount),
            start_new_session=True,
            umask=private.UMASK,
        )
        if sys.platform == "linux":
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(self._process.pid, resource.RLIMIT_CORE, (0, 0))
        self._tasks = [asyncio.create_task(self._listen())]
        assert self._process.stdout is not None
        try:
            head, _ = await receive(self._process.stdout)
        except asyncio.IncompleteReadError:
            code = await self._process.wait()
            raise ScriptError(f"the process of the scoring script ended at its start (exit {code})") from None
        if "failed" in head:
            raise ScriptError(f"{head['failed']}\n{head['traceback'][-_TRACEBACK:]}")
        self._tasks.append(asyncio.create_task(self._read()))

    async def ask(self, head: dict[str, Any], body: bytes) -> Reply:
        """The answer to a request. Raises ScriptError where the process is gone."""
        if self._process is None or self._process.stdin is None or self._ended:
            raise ScriptError("the process of the scoring script has ended")
        number = next(self._ids)
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._replies[number] = future
        try:
            self._process.stdin.write(pack({"id": number, **head}, body))
            with contextlib.suppress(ConnectionError):  # then `_read` tells of the process' end
                await self._process.stdin.drain()
            found, content = await future
        finally:
            self._replies.pop(number, None)
        return Reply(found["status"], [(name, value) for name, value in found["headers"]], content)

    async def ended(self) -> int:
        """Wait for its end; the exit code."""
        return -1 if self._process is None else await self._process.wait()

    def kill(self) -> None:
        """End it with all that it has started in its session."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def close(self) -> None:
        """End it; nothing is left behind, and its last words are in the log."""
        if self._process is None:
            return
        self.kill()
        await self._process.wait()
        if self._tasks:
            # A grandchild in a session of its own may hold the pipe open.
            _, late = await asyncio.wait(self._tasks, timeout=1.0)
            for task in late:
                task.cancel()

    async def _read(self) -> None:
        assert self._process is not None
        stream = self._process.stdout
        assert stream is not None
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                message = await receive(stream)
                future = self._replies.get(message[0]["id"])
                if future is not None and not future.done():
                    future.set_result(message)
        self._ended = True
        for future in self._replies.values():
            if not future.done():
                future.set_exception(ScriptError("the process of the scoring script has ended"))

    async def _listen(self) -> None:
        """What it says goes into the deployment's log, line by line."""
        assert self._process is not None
        stream = self._process.stderr
        assert stream is not None
        rest = b""
        while chunk := await stream.read(_CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._log.said(line[:_LINE])
            rest = rest[:_LINE]
        if rest:
            self._log.said(rest)
