"""How the endpoint and the child of the reference form speak: four bytes of length, then JSON."""

import struct
from typing import Any

import orjson

LENGTH = struct.Struct("!I")


def frame(document: dict[str, Any]) -> bytes:
    """A document as it goes over the pipe."""
    body = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY, default=plain)
    return LENGTH.pack(len(body)) + body


def plain(value: Any) -> Any:
    """Numpy's scalars as Python's, for orjson."""
    item = getattr(value, "item", None)
    return item() if item is not None else str(value)
