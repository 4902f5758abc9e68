"""The reference form of a model, in a process of its own.

The reference pipeline needs pandas and scikit-learn, some 200 MB that the endpoint's process does without.
Frames on the pipes: four bytes of length, then JSON. The child ends when its stdin does, so it never
outlives the endpoint.
"""

import asyncio
import contextlib
import itertools
import os
import signal
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from scorer import SignatureError, check_parity, load

_LENGTH = struct.Struct("!I")
_ROOT = Path(__file__).resolve().parents[3]


class WorkerError(Exception):
    """The child reported an error, or is gone. `signature` marks one of MLflow's sentences."""

    def __init__(self, message: str, *, signature: bool = False) -> None:
        super().__init__(message)
        self.signature = signature


class Worker:
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
            *("-W", "ignore", "-m", __name__, str(self.model_dir)),
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
        """End the child; what it was asked raises WorkerError."""
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
            raise WorkerError("the process of the reference form has ended")
        number = next(self._ids)
        frame = orjson.dumps({"id": number, **question}, default=str)
        reply = asyncio.get_running_loop().create_future()
        self._replies[number] = reply
        try:
            self._process.stdin.write(_LENGTH.pack(len(frame)) + frame)
            with contextlib.suppress(ConnectionError):  # then the reader reports the child's end
                await self._process.stdin.drain()
            answer: dict[str, Any] = await reply
        finally:
            self._replies.pop(number, None)
        if "error" in answer:
            raise WorkerError(answer["error"], signature=bool(answer.get("signature")))
        return answer

    async def _read(self) -> None:
        assert self._process is not None
        stream = self._process.stdout
        assert stream is not None
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (length,) = _LENGTH.unpack(await stream.readexactly(_LENGTH.size))
                answer = orjson.loads(await stream.readexactly(length))
                reply = self._replies.get(answer["id"])
                if reply is not None and not reply.done():
                    reply.set_result(answer)
        self._ended = True  # from here on nobody would set a reply
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(WorkerError("the process of the reference form has ended"))


def _serve(model_dir: Path, questions: BinaryIO, replies: BinaryIO) -> None:
    """The child's loop."""
    scorer: Any = None
    while True:
        prefix = questions.read(_LENGTH.size)
        if len(prefix) < _LENGTH.size:
            return
        question = orjson.loads(questions.read(_LENGTH.unpack(prefix)[0]))
        try:
            if question["op"] == "parity":
                answer = {"parity": repr(float(check_parity(model_dir)))}  # JSON has no NaN
            else:
                if scorer is None:
                    scorer = load(model_dir, "reference")
                answer = _ask_scorer(scorer, question)
        except Exception as error:  # noqa: BLE001 - whatever a model raises is the answer
            answer = _describe_error(error, quotes_rows=question["op"] == "predict")
        frame = orjson.dumps(
            {"id": question["id"], **answer}, option=orjson.OPT_SERIALIZE_NUMPY, default=plain
        )
        replies.write(_LENGTH.pack(len(frame)) + frame)
        replies.flush()


def _ask_scorer(scorer: Any, question: dict[str, Any]) -> dict[str, Any]:
    if question["op"] == "predict":
        return {"result": list(scorer.predict(question["columns"], question["data"]))}
    return {"columns": scorer.columns, "types": scorer.types, "labels": scorer.labels}


def _describe_error(error: Exception, *, quotes_rows: bool) -> dict[str, Any]:
    signature = is_signature_error(error)
    # A message of numpy or scikit-learn may quote a value of the row; the kind of the error never does.
    name = type(error).__name__
    sentence = str(error) if signature else name if quotes_rows else f"{name}: {error}"
    return {"error": sentence, "signature": signature}


def is_signature_error(error: BaseException) -> bool:
    """Whether this is one of MLflow's sentences on the input, which name columns and types only."""
    return isinstance(error, SignatureError)


def plain(value: Any) -> Any:
    """Numpy's scalars as Python's, for orjson."""
    item = getattr(value, "item", None)
    return item() if item is not None else str(value)


def main() -> None:
    """Entry of the child process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the endpoint ends us
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not get between the frames
    _serve(Path(sys.argv[1]), sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
