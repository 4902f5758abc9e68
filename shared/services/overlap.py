"""Reading ahead and writing behind: one thread beside the caller's, one item on its way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self, TypeVar

T = TypeVar("T")


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, the next one made on another thread while this one is worked on."""
    with ThreadPoolExecutor(1, thread_name_prefix="dropml-ahead") as pool:
        future = pool.submit(next, items, None)
        while (item := future.result()) is not None:
            future = pool.submit(next, items, None)
            yield item


class Behind:
    """Does one piece of work on another thread while the caller goes on; leaving it waits for the last one.

    What a piece raises comes out of the next `put` or `wait`, or at the end.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="dropml-behind")
        self._pending: Future[object] | None = None

    def put(self, work: Callable[[], object]) -> None:
        """Wait for the work before, then start this."""
        self.wait()
        self._pending = self._pool.submit(work)

    def wait(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._pool:
            self.wait()
