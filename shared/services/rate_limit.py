"""How often one function key may be used: a token bucket for each key, in each process."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from shared.domain.problems import RateLimited

#: Keys remembered; the one that was not used for longest goes first.
MAX_KEYS = 1000
#: Calls that may come at once, in seconds of the rate.
BURST_SECONDS = 2.0


class RateLimit:
    """Thread-safe. `rate` is in calls a second; 0 means no limit, and nothing to check. Keys are kept as digests."""

    def __init__(self, rate: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self._clock = rate, clock
        self._most = max(1.0, rate * BURST_SECONDS)
        self._buckets: OrderedDict[bytes, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, key: str) -> None:
        """Take one call of the key's. Raises RateLimited."""
        name, now = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest(), self._clock()
        with self._lock:
            left, at = self._buckets.pop(name, (self._most, now))
            left = min(self._most, left + (now - at) * self.rate)
            self._buckets[name] = (left - 1 if left >= 1 else left, now)
            if len(self._buckets) > MAX_KEYS:
                self._buckets.popitem(last=False)
        if left < 1:
            raise RateLimited(
                f"This function key was used more than {self.rate:g} times a second.",
                remedy="Wait as long as Retry-After says, send more rows in each call, or raise RATE_LIMIT.",
                retry_after=(1 - left) / self.rate,
            )
