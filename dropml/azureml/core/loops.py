"""What runs beside the requests goes on: an unexpected error is one round's, or one item's, never the loop's end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


@contextmanager
def contained(what: str) -> Iterator[None]:
    """Record whatever the block throws, with its traceback, and go on behind it."""
    try:
        yield
    except Exception:
        log.exception("%s: an unexpected error; going on", what)


async def every(seconds: float, what: str, do: Callable[[], Awaitable[None]]) -> None:
    """Do it again and again with a pause before each time; only cancellation ends it."""
    while True:
        await asyncio.sleep(seconds)
        with contained(what):
            await do()
