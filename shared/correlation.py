"""What belongs together: the operation under way, and the exchanges with endpoints that one call made.

An operation's id is that of a request or of a run. It is in log lines and in telemetry (docs/telemetry.md).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

#: Of this thread's work; empty where it belongs to none.
OPERATION: ContextVar[str] = ContextVar("operation", default="")


def new_id() -> str:
    """32 hexadecimal digits for a request or a span; no secret.

    `secrets` would call the kernel, which gives up the interpreter to another thread each time.
    """
    return f"{random.getrandbits(128):032x}"


class Exchange(NamedTuple):
    """One request to an endpoint. `status` is 0 where no answer came."""

    endpoint: str
    deployment: str
    status: int
    seconds: float


#: Where this thread's exchanges are noted; None: nobody asks.
EXCHANGES: ContextVar[list[Exchange] | None] = ContextVar("exchanges", default=None)


@contextmanager
def operation(name: str) -> Iterator[None]:
    """What is logged and sent inside belongs to `name`."""
    token = OPERATION.set(name)
    try:
        yield
    finally:
        OPERATION.reset(token)


def note(endpoint: str, deployment: str, status: int, seconds: float) -> None:
    """Keep an exchange for whoever asked for this thread's."""
    noted = EXCHANGES.get()
    if noted is not None:
        noted.append(Exchange(endpoint, deployment, status, seconds))
