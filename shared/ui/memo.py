"""What pages read again and again and what can't have changed: documents by their ETag, and parts of runs that are settled."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Memo(Generic[T]):
    """At most so many values, the ones used last, each for so many seconds. Thread-safe; two who ask at once may both build."""

    def __init__(self, most: int, seconds: float = math.inf) -> None:
        self._most, self._seconds, self._lock = most, seconds, threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[float, T]] = OrderedDict()

    def get(self, key: Hashable, build: Callable[[], T]) -> T:
        asked = time.monotonic()
        with self._lock:
            if key in self._kept and asked - self._kept[key][0] < self._seconds:
                self._kept.move_to_end(key)
                return self._kept[key][1]
        made = build()
        with self._lock:
            self._kept[key] = asked, made
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return made

    def forget(self) -> None:
        """What is kept may have changed."""
        with self._lock:
            self._kept.clear()
