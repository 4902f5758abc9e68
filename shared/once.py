"""What is built once a process, at its first use."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import update_wrapper
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Makes a builder's result once, however many threads ask at the same time; one that fails is tried again."""

    def __init__(self, build: Callable[[], T]) -> None:
        self._build = build
        self._lock = threading.RLock()
        self._made: list[T] = []
        update_wrapper(self, build)

    def __call__(self) -> T:
        if not self._made:
            with self._lock:
                if not self._made:
                    self._made.append(self._build())
        return self._made[0]

    def cache_clear(self) -> None:
        self._made.clear()
