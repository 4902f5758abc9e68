"""The lifecycle's own time: the seconds that something was there to look, which no jump of a clock changes.

What a run may take is counted in it. Within a process it goes by the monotonic clock, which stands still while a computer
sleeps. Between processes and hosts it goes by `pulse.json`: whoever works takes it up where it was left off, so that two
hosts whose clocks differ count the same, and what passed while nobody looked counts for REST_SECONDS at most.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from shared.services.run.state_documents import StateDocuments

PATH = "pulse.json"
#: Seconds between two writes.
BEAT_SECONDS = 15.0
#: Most seconds that count between the last beat of one process and the first of another.
REST_SECONDS = 120.0
#: A wall clock that departs from the monotonic one by more has jumped, or the computer has slept.
JUMP_SECONDS = 30.0


@dataclass(frozen=True)
class Beat:
    """`pulse.json`: the lifecycle's time, and what the clock of the host that wrote it said (unix seconds)."""

    active: float
    wall: float


class Pulse:
    """Thread-safe; one per process. `log(message, **fields)` is told of jumps."""

    def __init__(
        self,
        state: StateDocuments,
        wall: Callable[[], float],
        log: Callable[..., None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state, self._wall, self._log, self._monotonic = state, wall, log, monotonic
        #: The lifecycle's time at a moment of the monotonic clock.
        self._known: tuple[float, float] | None = None
        #: What the wall clock and the monotonic one said at the last beat.
        self._beaten: tuple[float, float] | None = None
        self._lock = threading.Lock()

    def now(self) -> float:
        """Seconds; only differences mean anything."""
        with self._lock:
            return self._now()

    def beat(self) -> None:
        """Leave word of the time where another process finds it; costs nothing until BEAT_SECONDS are over."""
        with self._lock:
            active, wall, monotonic = self._now(), self._wall(), self._monotonic()
            if self._beaten is not None:
                if monotonic - self._beaten[1] < BEAT_SECONDS:
                    return
                jump = (wall - self._beaten[0]) - (monotonic - self._beaten[1])
                if abs(jump) > JUMP_SECONDS:
                    self._log(
                        "the clock has jumped; what runs may take goes on without it", seconds=round(jump)
                    )
            left = self._state.hint(PATH, Beat)
            if left is not None and left.active > active:
                active = left.active
                self._known = active, monotonic
            self._state.write(PATH, Beat(active, wall))
            self._beaten = wall, monotonic

    def _now(self) -> float:
        if self._known is None:
            wall, left = self._wall(), self._state.hint(PATH, Beat)
            active = left.active + min(max(0.0, wall - left.wall), REST_SECONDS) if left else wall
            self._known = active, self._monotonic()
        return self._known[0] + self._monotonic() - self._known[1]
