"""A deployment with a scoring script: its files, its process, and the next one where that ends."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from dropml.azureml.serving.logs import DeploymentLog
from dropml.azureml.serving.script_mount import Mount, mount
from dropml.azureml.serving.script_process import Reply, ScriptError, ScriptProcess
from dropml.azureml.serving.settings import DeploymentSettings

#: A process that lived this long (seconds) ended for a reason of its own: counting begins anew.
_SOUND = 60.0
#: Ends one soon after the other until the deployment is failed, and the longest pause (seconds) before a new start.
ENDS = 5
_LONGEST_PAUSE = 60.0
_numbers = itertools.count()
State = Literal["loading", "ready", "failed"]


class ScriptService:
    """`changed` is told what state the deployment is in from now on, and why."""

    def __init__(
        self, settings: DeploymentSettings, log: DeploymentLog, changed: Callable[[State, str | None], None]
    ) -> None:
        self._settings, self._log, self._changed = settings, log, changed
        self._mount: Mount | None = None
        self._process: ScriptProcess | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises ScriptError, MountError, OriginError, OSError."""
        script = self._settings.script
        assert script is not None
        root = script.mounts / f"{self._settings.name}-{time.time_ns()}-{next(_numbers)}"
        self._mount = await asyncio.to_thread(mount, root, self._settings)
        await self._begin()
        self._watching = asyncio.create_task(self._watch())

    @property
    def app_root(self) -> Path:
        assert self._mount is not None
        return self._mount.app_root

    async def ask(self, head: dict[str, Any], body: bytes) -> Reply:
        """Raises ScriptError where the process is gone."""
        if self._process is None:
            raise ScriptError("the process of the scoring script has ended")
        return await self._process.ask(head, body)

    def kill(self) -> None:
        """End a process that hangs; a new one follows."""
        if self._process is not None:
            self._process.kill()

    async def close(self) -> None:
        """End everything."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        if self._process is not None:
            await self._process.close()
        if self._mount is not None:
            await asyncio.to_thread(self._mount.remove)

    async def _begin(self) -> None:
        assert self._mount is not None
        self._process = ScriptProcess(self._log)
        await self._process.start(self._settings, self._mount)

    async def _watch(self) -> None:
        """Start it again after each end, with longer and longer pauses, as the service does with a container."""
        ends = 0
        while True:
            assert self._process is not None
            began = time.monotonic()
            code = await self._process.ended()
            await self._process.close()
            ends = 1 if time.monotonic() - began > _SOUND else ends + 1
            told = f"The process of the scoring script has ended (exit {code})"
            self._changed(
                "failed" if ends >= ENDS else "loading",
                f"{told}, {ends} times in a row" if ends >= ENDS else None,
            )
            self._log.error(f"{told}; it is started again")
            await asyncio.sleep(min(_LONGEST_PAUSE, 2.0 ** (ends - 1)))
            try:
                await self._begin()
            except (ScriptError, OSError) as error:
                self._log.error(f"It could not be started again: {error}")
            else:
                self._changed("ready", None)
