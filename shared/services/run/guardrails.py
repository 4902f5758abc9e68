"""What training and serving may cost, as the settings say."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.domain.run.cost import Compute
from shared.domain.spend import Caps


class Throttle:
    """Lets something happen once in so many seconds of a process, whoever asks; thread-safe."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last: float | None = None
        self._lock = threading.Lock()

    def due(self, now: float) -> bool:
        with self._lock:
            if self._last is not None and 0 <= now - self._last < self._seconds:
                return False
            self._last = now
            return True


def nobody_asks() -> Compute | None:
    """Nothing is known of the compute."""
    return None


@dataclass(frozen=True)
class Guardrails:
    """Limits of 0 are none."""

    #: Of the whole app; a dataset's own stand in its configuration.
    caps: Caps = field(default_factory=Caps)
    #: Trainings under way at a time.
    places: int = 0
    #: A file takes the place of one dropped so shortly before it (seconds).
    drop_settle_seconds: float = 0.0
    #: What training would run on; None where nothing is known or nobody asks.
    look: Callable[[], Compute | None] = nobody_asks
    keep_previous_hours: float = 0.0
    approval_days: float = 0.0
    #: Hours without a call after which an endpoint is put to sleep.
    idle_hours: float = 0.0
    #: Between two looks for trainings that are over while others wait (seconds).
    freed: Throttle = field(default_factory=lambda: Throttle(1.0))
