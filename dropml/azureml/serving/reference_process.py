"""The reference form of a model, in a process of its own.

The reference pipeline needs pandas and scikit-learn, some 200 MB that the endpoint's process does without.
The child ends when its stdin does, so it never outlives the endpoint.
"""

import asyncio
import contextlib
import itertools
import os
import sys
from pathlib import Path
from typing import Any

import orjson

from dropml.azureml.serving.frames import LENGTH, frame

_ROOT = Path(__file__).resolve().parents[3]


class ReferenceProcessError(Exception):
    """The child reported an error, or is gone."""


class ReferenceProcess:
    """The endpoint's side: starts the child and asks it."""

    def __init__(self, model_dir: Path) -> None:
        self.model_dir = model_dir
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._ids = itertools.count()
        self._ended = False

    async def start(self) -> None:
        environment = dict(os.environ)
        environment["PYTHONPATH"] = os.pathsep.join(
            filter(None, (str(_ROOT), environment.get("PYTHONPATH", "")))
        )
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-W", "ignore", "-m", "dropml.azureml.serving.reference_child", str(self.model_dir)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # Libraries print values of rows in their warnings, and logs hold no payloads.
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
        )
        self._reader = asyncio.create_task(self._read())

    @property
    def alive(self) -> bool:
        return self._process is not None and not self._ended

    async def parity(self) -> float:
        """The largest difference of the compiled form from the reference on the model's parity rows."""
        return float((await self._ask({"op": "parity"}))["parity"])

    async def describe(self) -> dict[str, Any]:
        """Load the reference form; columns, types and labels."""
        return await self._ask({"op": "describe"})

    async def predict(self, columns: list[str], data: list[list[Any]]) -> list[Any]:
        result: list[Any] = (await self._ask({"op": "predict", "columns": columns, "data": data}))["result"]
        return result

    def kill(self) -> None:
        """End the child; what it was asked raises ReferenceProcessError."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def close(self) -> None:
        """End the child; nothing is left behind."""
        process = self._process
        if process is None:
            return
        self.kill()
        await process.wait()
        if self._reader is not None:
            await self._reader

    async def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        if self._process is None or self._process.stdin is None or not self.alive:
            raise ReferenceProcessError("the process of the reference form has ended")
        number = next(self._ids)
        reply = asyncio.get_running_loop().create_future()
        self._replies[number] = reply
        try:
            self._process.stdin.write(frame({"id": number, **question}))
            with contextlib.suppress(ConnectionError):  # then the reader reports the child's end
                await self._process.stdin.drain()
            answer: dict[str, Any] = await reply
        finally:
            self._replies.pop(number, None)
        if "error" in answer:
            raise ReferenceProcessError(answer["error"])
        return answer

    async def _read(self) -> None:
        assert self._process is not None
        stream = self._process.stdout
        assert stream is not None
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (length,) = LENGTH.unpack(await stream.readexactly(LENGTH.size))
                answer = orjson.loads(await stream.readexactly(length))
                reply = self._replies.get(answer["id"])
                if reply is not None and not reply.done():
                    reply.set_result(answer)
        self._ended = True  # from here on nobody would set a reply
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(ReferenceProcessError("the process of the reference form has ended"))
