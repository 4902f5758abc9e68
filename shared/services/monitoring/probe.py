"""Asks whether something works, at most once at a time and every few seconds, however many want to know."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from shared.services.flight import Flight

log = logging.getLogger(__name__)

#: Between two looks at an answer that is waited for, in seconds.
LOOK = 0.02
#: A question without an answer for so long is given up, and asked again, in seconds.
GIVE_UP = 10.0


class Probe:
    """For one event loop. Who asks is told what is known; it is waited for only by who asks first, or while nothing is."""

    def __init__(
        self,
        ask: Callable[[], object],
        *,
        keep: float = 2.0,
        patience: float = 0.9,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask, self._keep, self._patience, self._clock = ask, keep, patience, clock
        self._known: bool | None = None
        self._asked_at = float("-inf")
        self._flight: Flight[None] | None = None
        self._asks = 0

    async def passes(self) -> bool:
        """Whether `ask` returned when last asked; False when it raised, or has not returned within `patience` seconds."""
        flight = self._flight
        if flight is None or flight.landed or flight.age > GIVE_UP:
            if self._clock() - self._asked_at < self._keep:
                return bool(self._known)
            self._asks += 1
            flight = self._flight = Flight(self._work, "probe")
        elif self._known is not None:
            return self._known
        while not flight.landed and flight.age < self._patience:
            await asyncio.sleep(LOOK)
        if not flight.landed:
            self._known = False
        return bool(self._known)

    def _work(self) -> None:
        ask = self._asks
        try:
            self._ask()
            passed = True
        except Exception:
            log.exception("the app can't work now")
            passed = False
        if ask == self._asks:  # one that was given up has nothing to say any more
            self._known, self._asked_at = passed, self._clock()
