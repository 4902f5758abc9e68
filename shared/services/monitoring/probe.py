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
    """For one event loop. Who asks is told what is known; an answer is waited for where none is, or where it is old."""

    def __init__(
        self,
        ask: Callable[[], object],
        *,
        keep: float = 2.0,
        patience: float = 0.7,
        lately: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask, self._keep, self._patience, self._clock = ask, keep, patience, clock
        self._lately = lately
        self._known: bool | None = None
        self._asked_at = float("-inf")
        self._flight: Flight[None] | None = None
        self._asks = 0

    async def passes(self) -> bool:
        """Whether `ask` returned when last asked; False when it raised, or has not returned within `patience` seconds.

        Where it passed within the last `lately` seconds, that is believed until then, so that nobody waits for a slow answer.
        """
        flight, wait = self._flight, 0.0
        if flight is None or flight.landed or flight.age > GIVE_UP:
            if self._clock() - self._asked_at < self._keep:
                return bool(self._known)
            self._asks += 1
            flight = self._flight = Flight(self._work, "probe")
            wait = 0.0 if self._passed_lately else self._patience
        elif self._known is None:
            wait = self._patience
        while not flight.landed and flight.age < wait:
            await asyncio.sleep(LOOK)
        if not flight.landed and flight.age >= self._patience:
            self._known = False
        return bool(self._known)

    @property
    def _passed_lately(self) -> bool:
        return bool(self._known) and self._clock() - self._asked_at < self._lately

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
