"""Something asked once, however many wait for it, and each of them no longer than its own patience."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Flight(Generic[T]):
    """A call on a thread of its own. Who waits for it gets its result, or the error it raised."""

    def __init__(self, work: Callable[[], T], name: str) -> None:
        self._work = work
        self._done = threading.Event()
        self._result: list[T] = []
        self._error: Exception | None = None
        self._begun = time.monotonic()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    @property
    def landed(self) -> bool:
        return self._done.is_set()

    @property
    def age(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._begun

    def wait(self, seconds: float) -> bool:
        """False where it has not ended within `seconds`."""
        return self._done.wait(max(0.0, seconds))

    def result(self) -> T:
        """Of one that has ended."""
        if self._error is not None:
            raise self._error
        return self._result[0]

    def _run(self) -> None:
        try:
            self._result.append(self._work())
        except Exception as error:  # noqa: BLE001 - whoever waits raises it
            self._error = error
        finally:
            self._done.set()
