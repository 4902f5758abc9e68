"""Who may run now. No caller's hung calls take every place: each may have as many as are still free.

A lone busy function gets half of all, a second one half of the rest, and so on: however many hang, one that comes anew
finds a place (dynamic thresholds of Choudhury and Hahne, 1998, with factor 1).
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque

WAIT_S = 5.0


class NoPlaceError(Exception):
    """Nothing is free for this caller; it may try again after `retry_after_s`."""

    retry_after_s = 1


class Places:
    """`running` at once, `outstanding` with those that wait. Used on one event loop."""

    def __init__(self, running: int, outstanding: int | None, wait_s: float = WAIT_S) -> None:
        self._limit, self._outstanding_limit, self._wait_s = running, outstanding, wait_s
        self._running: Counter[str] = Counter()
        self._outstanding: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    def place(self, key: str) -> Place:
        """A place for one call of `key`, waited for at most `wait_s` from where it is entered. That raises NoPlaceError."""
        return Place(self, key)

    async def enter(self, key: str) -> None:
        """Raises NoPlaceError."""
        if not self._within(self._outstanding, key, self._outstanding_limit):
            raise NoPlaceError
        self._outstanding[key] += 1
        try:
            await self._enter(key)
        except BaseException:
            self._leave(self._outstanding, key)
            raise

    def leave(self, key: str) -> None:
        self._leave(self._running, key)
        self._leave(self._outstanding, key)
        if self._waiting:
            self._wake()

    @staticmethod
    def _within(counts: Counter[str], key: str, limit: int | None) -> bool:
        free = 2**31 if limit is None else limit - counts.total()
        return free > 0 and counts[key] <= free

    async def _enter(self, key: str) -> None:
        if key not in self._waiting and self._within(self._running, key, self._limit):
            self._running[key] += 1
            return
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.setdefault(key, deque()).append(turn)
        too_late = loop.call_later(self._wait_s, _refuse, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.exception() is None:  # its place had just come
                self._leave(self._running, key)
                self._wake()
            raise
        finally:
            too_late.cancel()
            self._forget(key, turn)

    def _forget(self, key: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(key)
        if turns is not None and turn in turns:
            turns.remove(turn)
        if turns is not None and not turns:
            self._waiting.pop(key, None)

    def _wake(self) -> None:
        """Give what is free to those that wait, one of each key in turn."""
        for key in list(self._waiting):
            turns = self._waiting[key]
            while turns and turns[0].done():
                turns.popleft()
            if turns and self._within(self._running, key, self._limit):
                turns.popleft().set_result(None)
                self._running[key] += 1
                self._waiting.move_to_end(key)
            if not turns:
                self._waiting.pop(key)

    @staticmethod
    def _leave(counts: Counter[str], key: str) -> None:
        counts[key] -= 1
        if counts[key] <= 0:
            del counts[key]


class Place:
    """`async with`: one call's place. A class, for `contextlib` takes as long as all else here."""

    __slots__ = ("_key", "_of")

    def __init__(self, of: Places, key: str) -> None:
        self._of, self._key = of, key

    async def __aenter__(self) -> None:
        await self._of.enter(self._key)

    async def __aexit__(self, *_: object) -> None:
        self._of.leave(self._key)


def _refuse(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_exception(NoPlaceError())
