"""The emulator without its sockets, and an exception that nobody foresaw."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dropml.azureml.core.config import Settings
from dropml.azureml.front.app import Emulator, build


@contextmanager
def without_sockets(folder: Path) -> Iterator[Emulator]:
    """All of the emulator but its sockets."""
    found = build(Settings(port=1, data=folder, operation_seconds=0.0))
    yield found
    found.context.store.close()


class Oddity(Exception):
    """What nobody foresaw."""


def odd(*_: Any, **__: Any) -> Any:
    raise Oddity


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(2000):
        if holds():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it did not come to that")


def beside(loop: Callable[[], Awaitable[None]], holds: Callable[[], bool]) -> None:
    """Run the loop until something holds."""

    async def story() -> None:
        task = asyncio.ensure_future(loop())
        await until(holds)
        assert not task.done()
        task.cancel()

    asyncio.run(story())


def traced(caplog: pytest.LogCaptureFixture, what: str) -> bool:
    """True if a line about it carries the traceback."""
    return any(what in r.getMessage() and r.exc_info and r.exc_info[0] is Oddity for r in caplog.records)
