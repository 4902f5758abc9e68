"""The workers of one process, shared out: whoever waits for one thing never holds the places of all others.

A sync function holds a worker for as long as it waits. So each dataset, and each kind of other work, has a lane, and a
lane may hold at most its share of the workers, and never more than are left free: however many lanes hang at once,
there is room for those that don't. (The rule of dynamic thresholds, https://doi.org/10.1109/90.664262.)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shared.domain.problems import Overloaded

#: A place that comes free so soon is waited for: bursts of short calls pass. In seconds.
PATIENCE = 0.5
#: Share of the workers that may wait for a place of one lane, besides those that have one.
WAITING = 0.25


@dataclass
class _Lane:
    """Places taken, and workers waiting for one."""

    taken: int = 0
    waiting: int = 0


class Bulkhead:
    """Thread-safe. `workers` are all there are; `share` of them is the most that one lane may hold."""

    def __init__(self, workers: int, share: float = 0.5) -> None:
        self.workers = workers
        self._share = max(1, int(workers * share))
        self._lanes: dict[str, _Lane] = {}
        #: Workers that have a place or wait for one.
        self.held = 0
        self._waiting = 0
        self._changed = threading.Condition(threading.Lock())

    @contextmanager
    def place(
        self, lane: str, what: str, *, most: int | None = None, dataset: str | None = None
    ) -> Iterator[None]:
        """A place of a lane while the block runs. Raises Overloaded, which says that `what` has too many calls under way.

        `most` bounds the lane below its share of the workers.
        """
        self.enter(lane, what, most=most, dataset=dataset)
        try:
            yield
        finally:
            self.leave(lane)

    def enter(self, lane: str, what: str, *, most: int | None = None, dataset: str | None = None) -> None:
        """Take a place, to be left again. Raises Overloaded."""
        most = most or self._share
        with self._changed:
            found = self._lanes.get(lane)
            if found is None:
                found = self._lanes[lane] = _Lane()
            if not self._free(found, most) and not self._wait(found, most):
                if not found.taken and not found.waiting:
                    del self._lanes[lane]
                raise Overloaded(
                    f"{what} has {found.taken} calls under way, as many as it may have at once.",
                    remedy="Try again after Retry-After; fewer calls at a time, or more rows in each.",
                    retry_after=1.0,
                    dataset=dataset,
                )
            found.taken += 1
            self.held += 1

    def leave(self, lane: str) -> None:
        with self._changed:
            found = self._lanes[lane]
            found.taken -= 1
            self.held -= 1
            if self._waiting:
                self._changed.notify_all()
            if not found.taken and not found.waiting:
                del self._lanes[lane]

    def _free(self, lane: _Lane, most: int) -> bool:
        return lane.taken < most and lane.taken < self.workers - self.held

    def _wait(self, lane: _Lane, most: int) -> bool:
        """True once there is a place. A few wait, and not for long: a waiting worker is held as well."""
        waiters = min(int(self.workers * WAITING), self.workers - self.held)
        if lane.waiting >= waiters:
            return False
        lane.waiting += 1
        self._waiting += 1
        self.held += 1
        until = time.monotonic() + PATIENCE
        try:
            while not self._has_place(lane, most):
                left = until - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return self._has_place(lane, most)
            return True
        finally:
            lane.waiting -= 1
            self._waiting -= 1
            self.held -= 1

    def _has_place(self, lane: _Lane, most: int) -> bool:
        """For one that waits: it is counted among those that hold a worker."""
        return lane.taken < most and lane.taken <= self.workers - self.held
