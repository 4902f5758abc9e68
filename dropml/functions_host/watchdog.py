"""A thread that outlives every blocked handler: it replaces a process whose time or worker is over, and ends slow stops."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from dropml.functions_host.invocation import Invoker

log = logging.getLogger("Host.Startup")

STOP_LIMIT_S = 4.7
_LOOK_S = 0.2


class Watchdog:
    """Looks at the runs in flight. `abandon` gives back their work, `start_anew` replaces the process.

    A thread can't be stopped from outside, so, as the real host kills its worker, the whole process goes.
    """

    def __init__(
        self, invoker: Invoker, abandon: Callable[[], None], start_anew: Callable[[], NoReturn]
    ) -> None:
        self._invoker = invoker
        self._abandon = abandon
        self._start_anew = start_anew
        self._stop_asked: float | None = None

    def start(self) -> None:
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def stop_asked(self) -> None:
        """From now on the process has STOP_LIMIT_S to end by itself."""
        self._stop_asked = self._stop_asked or time.monotonic()

    def _watch(self) -> None:
        while True:
            time.sleep(_LOOK_S)
            try:
                self._look()
            except Exception:  # the last guard there is goes on looking
                log.exception("The watchdog failed at one look")

    def _look(self) -> None:
        if self._stop_asked is not None:
            if time.monotonic() - self._stop_asked > STOP_LIMIT_S:
                end_process(0)
            return
        reason = self._invoker.fatal()
        if reason is None:
            return
        log.error("%s Every run in flight ends with this process, which starts anew.", reason)
        giving_up = threading.Thread(target=self._abandon, daemon=True)
        giving_up.start()
        giving_up.join(3)
        time.sleep(0.1)  # lets the front send the answers that it has just been given
        if self._stop_asked is not None:  # a fresh process would never hear of it
            end_process(0)
        self._start_anew()


def end_process(code: int) -> NoReturn:
    """End now: runs that don't return must not keep the process."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
