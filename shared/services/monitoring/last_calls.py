"""When each dataset was called last, kept in state behind the calls; and that a call found its endpoint asleep."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial

from shared.domain.errors import DropMLError
from shared.domain.run.serving import ServingEntry
from shared.services.documents import Documents, Entry, entries
from shared.services.guard import guarded
from shared.services.quiet import stir

CALLS, WAKE, MARKS = "calls/", "wake/", "open/"
OPEN = f"{MARKS}runs/"
#: A call is in state so many seconds later at the latest; one that found the endpoint asleep is, at once, once in so many.
WRITE_SECONDS, WAKE_SECONDS = 300.0, 5.0


def _in_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()


class LastCalls:
    """One per process; thread-safe. Costs a call a look into a dictionary."""

    def __init__(
        self,
        documents: Documents,
        log: Callable[..., None],
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        behind: Callable[[Callable[[], None]], None] = _in_a_thread,
    ) -> None:
        self._behind = behind
        self._documents, self._log, self._wall, self._monotonic = documents, log, wall, monotonic
        self._marked: dict[str, float] = {}
        self._lock = threading.Lock()

    def called(self, entry: ServingEntry) -> None:
        """Never waits, never raises."""
        path = f"{CALLS}{entry.slug}"
        if self._due(path, WRITE_SECONDS):
            self._behind(partial(self._mark, (path,)))

    def wake(self, entry: ServingEntry) -> None:
        """Have the lifecycle bring it back. Never raises: the next call asks again."""
        paths = (f"{CALLS}{entry.slug}", f"{WAKE}{entry.slug}", f"{OPEN}{entry.slug}")
        if self._due(f"{WAKE}{entry.slug}", WAKE_SECONDS):
            self._mark(paths)
            guarded(self._log, "nobody is told of a call", partial(stir, self._documents, MARKS))

    def _due(self, path: str, seconds: float) -> bool:
        now = self._monotonic()
        with self._lock:
            if now - self._marked.get(path, float("-inf")) < seconds:
                return False
            self._marked[path] = now
            return True

    def _mark(self, paths: tuple[str, ...]) -> None:
        for path in paths:
            at = {"at": f"{self._wall():.3f}"}
            guarded(
                self._log, "a call is not written down", partial(self._documents.mark, path, at), path=path
            )


def last_call(documents: Documents, slug: str) -> float | None:
    """Unix seconds; None where none was written down, or it can't be read."""
    try:
        found = documents.page(f"{CALLS}{slug}", 2)[0]
    except DropMLError:
        return None
    return _times(found).get(slug)


def last_calls(documents: Documents) -> dict[str, float]:
    """Of each dataset that was called, by slug: a listing call a 5,000. None where they can't be read."""
    try:
        return _times(entries(documents, CALLS))
    except DropMLError:
        return {}


def _times(found: Iterable[Entry]) -> dict[str, float]:
    times = {}
    for entry in found:
        with contextlib.suppress(KeyError, ValueError):  # written by hand
            times[entry.path.removeprefix(CALLS)] = float(entry.metadata["at"])
    return times
