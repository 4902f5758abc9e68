"""The emulator's clock: real time that a test may shift, freeze and step.

Long-running operations, token expiry and schedules go by it; processes (jobs, endpoints) live in real time.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class _Meta(Protocol):
    def meta(self, name: str, default: str = "") -> str: ...
    def set_meta(self, name: str, value: str) -> None: ...


class Clock:
    """Seconds since 1970. The shift survives a restart, so that no operation goes back in time."""

    def __init__(self, store: _Meta) -> None:
        self._store = store
        self._offset = float(store.meta("clock.offset", "0"))
        frozen = store.meta("clock.frozen")
        self._frozen: float | None = float(frozen) if frozen else None
        self._stepped = 0.0
        self._stood: float | None = time.monotonic() if frozen else None
        self._changed = asyncio.Event()

    def now(self) -> float:
        return self._frozen if self._frozen is not None else time.time() + self._offset

    def steady(self) -> float:
        """Seconds that no jump of the machine's clock moves, for durations; a test's steps and freezes count."""
        here = self._stood if self._stood is not None else time.monotonic()
        return here + self._stepped

    @property
    def frozen(self) -> bool:
        return self._frozen is not None

    def step(self, seconds: float) -> None:
        """Move forward."""
        if seconds < 0:
            raise ValueError("The clock only goes forward: give a step of 0 seconds or more.")
        self._stepped += seconds
        if self._frozen is not None:
            self._frozen += seconds
        else:
            self._offset += seconds
        self._save()

    def freeze(self) -> None:
        self._frozen = self.now()
        self._stood = self._stood or time.monotonic()
        self._save()

    def resume(self) -> None:
        """Go on from where the clock stood."""
        if self._frozen is not None:
            self._offset = self._frozen - time.time()
            self._frozen = None
            if self._stood is not None:
                self._stepped -= time.monotonic() - self._stood
                self._stood = None
            self._save()

    async def sleep(self, seconds: float) -> None:
        """As long as that by `steady`, woken by steps too."""
        until = self.steady() + seconds
        while (left := until - self.steady()) > 0:
            changed = self._changed
            try:
                await asyncio.wait_for(changed.wait(), None if self.frozen else left)
            except TimeoutError:
                continue

    def _save(self) -> None:
        self._store.set_meta("clock.offset", repr(self._offset))
        self._store.set_meta("clock.frozen", "" if self._frozen is None else repr(self._frozen))
        self._changed.set()
        self._changed = asyncio.Event()


def stamp(moment: float) -> str:
    """A .NET round-trip time, seven digits of a second: `2026-03-27T04:38:53.5299540+00:00`."""
    whole = datetime.fromtimestamp(moment, UTC)
    return whole.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0+00:00"
