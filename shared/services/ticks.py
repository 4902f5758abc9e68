"""When each timer came last, for whoever asks whether the timers still come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from shared.services.guard import guarded
from shared.services.run.state_documents import StateDocuments

#: Seconds between two writes of a process for one timer, however often it comes: at the same moments for every timer, for
#: some accounts (Azurite) write their whole state down after any change.
WRITE_SECONDS = 300.0


@dataclass(frozen=True)
class Tick:
    """`ticks/{timer}.json`: unix seconds."""

    at: float


class Ticks:
    """One per process; thread-safe."""

    def __init__(
        self,
        state: StateDocuments,
        log: Callable[..., None],
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state, self._log, self._wall, self._monotonic = state, log, wall, monotonic
        self._written: dict[str, float] = {}
        self._lock = threading.Lock()

    def came(self, timer: str) -> None:
        """Costs nothing until the next of WRITE_SECONDS begins; what keeps it from being written down is logged."""
        now = self._monotonic()
        with self._lock:
            if self._written.get(timer) == now // WRITE_SECONDS:
                return
            self._written[timer] = now // WRITE_SECONDS
        guarded(self._log, "a timer's tick is not written down", lambda: self._write(timer))

    def last(self, timer: str) -> float | None:
        """Unix seconds; None where none was written down."""
        found = self._state.hint(_path(timer), Tick)
        return found.at if found else None

    def _write(self, timer: str) -> None:
        self._state.write(_path(timer), Tick(round(self._wall(), 3)))


def _path(timer: str) -> str:
    return f"ticks/{timer}.json"
