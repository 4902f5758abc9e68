"""How often one call of Azure is tried: a few times, with pauses that grow, all inside one deadline."""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

log = logging.getLogger(__name__)

#: Tries of one call, and the seconds that its tries and pauses may take together.
TRIES, CALL_SECONDS = 4, 60.0
#: Seconds: the longest pause before the second try doubles up to the longest of all.
FIRST_PAUSE, MAX_PAUSE = 0.5, 8.0
#: Seconds for a connection, and without an answer.
CONNECT, READ = 5.0, 30.0
#: Statuses that another try may change: too slow, too many, or broken for the moment.
PASSING = frozenset({408, 429, 500, 502, 503, 504})


class Tries:
    """The tries of one call. `what` names it in the log."""

    def __init__(
        self,
        what: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._what, self._clock, self._sleep = what, clock, sleep
        self._until = clock() + CALL_SECONDS
        self._made = 1

    def timeout(self) -> tuple[float, float]:
        """For a connection and for an answer of the try that comes: never past the deadline."""
        left = max(0.001, self._until - self._clock())
        connect = min(CONNECT, left / 2)
        return connect, min(READ, left - connect)

    def again(self, why: str, wanted: float = 0.0) -> bool:
        """Wait before another try, `wanted` seconds at least; False when tries or time don't allow one.

        A service that wants a longer wait than is left gets no try before it: the caller has its answer now.
        """
        limit = min(MAX_PAUSE, FIRST_PAUSE * 2 ** (self._made - 1))
        pause = max(wanted, random.uniform(limit / 2, limit))
        if self._made >= TRIES or self._clock() + pause >= self._until:
            log.warning("%s: %s; gave up after %d tries", self._what, why, self._made)
            return False
        log.info("%s: %s; trying again in %.1f s", self._what, why, pause)
        self._made += 1
        self._sleep(pause)
        return True


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds of a Retry-After header, in either of its forms; 0 without one.

    https://www.rfc-editor.org/rfc/rfc9110#name-retry-after
    """
    text = headers.get("Retry-After") or ""
    try:
        seconds = float(text)
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError):
            return 0.0
        seconds = (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0
