"""Asks whether something works, at most once at a time and every few seconds, however many want to know."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


class Probe:
    """Thread-safe. The first caller waits for the answer; those who come meanwhile get the one before."""

    def __init__(
        self,
        ask: Callable[[], object],
        *,
        keep: float = 2.0,
        patience: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask, self._keep, self._patience, self._clock = ask, keep, patience, clock
        self._known: bool | None = None
        self._asked_at = float("-inf")
        self._running: threading.Event | None = None
        self._lock = threading.Lock()

    def passes(self) -> bool:
        """Whether `ask` returned when last asked; False when it raised, or has not returned within `patience` seconds."""
        with self._lock:
            running = self._running
            if running is None and self._clock() - self._asked_at >= self._keep:
                running = self._running = threading.Event()
                threading.Thread(target=self._work, args=(running,), name="probe", daemon=True).start()
            elif running is None or self._known is not None:
                return bool(self._known)
        if not running.wait(self._patience):
            with self._lock:
                if self._running is running:
                    self._known = False
        return bool(self._known)

    def _work(self, done: threading.Event) -> None:
        try:
            self._ask()
            passed = True
        except Exception:
            log.exception("the app can't work now")
            passed = False
        with self._lock:
            self._known, self._asked_at, self._running = passed, self._clock(), None
        done.set()
