"""An act that several ask for at once is done once for all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Together:
    """Calling it returns once an act has ended well that began after the call. Thread-safe; raises what the act raises."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._turn = threading.Condition()
        self._begun = self._done = 0
        self._busy = False

    def __call__(self) -> None:
        with self._turn:
            mine = self._begun + 1
            self._turn.wait_for(lambda: self._done >= mine or not self._busy)
            if self._done >= mine:
                return
            self._busy, self._begun = True, self._begun + 1
            now = self._begun
        try:
            self._act()
        except BaseException:
            now = 0
            raise
        finally:
            with self._turn:
                self._busy, self._done = False, max(self._done, now)
                self._turn.notify_all()
