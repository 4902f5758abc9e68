"""How the endpoint and a scoring script's process speak: a head in JSON and a body as it is, each behind its length."""

from __future__ import annotations

import asyncio
from typing import Any, BinaryIO

import orjson

from dropml.azureml.serving.frames import LENGTH

Message = tuple[dict[str, Any], bytes]


def pack(head: dict[str, Any], body: bytes = b"") -> bytes:
    """A message as it goes over the pipe."""
    text = orjson.dumps(head)
    return b"".join((LENGTH.pack(len(text)), text, LENGTH.pack(len(body)), body))


def read(stream: BinaryIO) -> Message | None:
    """The next message; None at the pipe's end. Blocks."""
    parts = []
    for _ in range(2):
        prefix = stream.read(LENGTH.size)
        if len(prefix) < LENGTH.size:
            return None
        parts.append(stream.read(LENGTH.unpack(prefix)[0]))
    return orjson.loads(parts[0]), parts[1]


async def receive(stream: asyncio.StreamReader) -> Message:
    """The next message. Raises asyncio.IncompleteReadError at the pipe's end."""
    parts = []
    for _ in range(2):
        (length,) = LENGTH.unpack(await stream.readexactly(LENGTH.size))
        parts.append(await stream.readexactly(length))
    return orjson.loads(parts[0]), parts[1]
