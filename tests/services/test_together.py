"""What several ask for at once is done once for all, after each of them has asked."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.services.together import Together


def test_many_at_once_are_served_by_two_acts() -> None:
    began, go, acts = threading.Event(), threading.Event(), list[int]()

    def act() -> None:
        acts.append(1)
        began.set()
        assert go.wait(30)

    together = Together(act)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(together)
        assert began.wait(30)
        others = [pool.submit(together) for _ in range(8)]
        while len(together._turn._waiters) < 8:  # type: ignore[attr-defined]
            threading.Event().wait(0.01)
        assert not any(other.done() for other in others)
        go.set()
        for future in (first, *others):
            future.result(30)
    assert len(acts) == 2, (
        "the act under way may have begun before the others wrote; one more serves them all"
    )


def test_each_sees_what_it_wrote_before() -> None:
    """An act that ends before a writer returns must have begun after the writer wrote."""
    written, seen, lock = set[int](), list[set[int]](), threading.Lock()

    def act() -> None:
        with lock:
            seen.append(set(written))

    together = Together(act)

    def one(number: int) -> bool:
        with lock:
            written.add(number)
        together()
        with lock:
            return any(number in each for each in seen)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(one, range(2000)))


def test_a_failed_act_fails_who_began_it_and_the_others_try_themselves() -> None:
    turns = iter([OSError("away"), None])
    began, go = threading.Event(), threading.Event()

    def act() -> None:
        error = next(turns)
        if error:
            began.set()
            assert go.wait(30)
            raise error

    together = Together(act)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(together)
        assert began.wait(30)
        second = pool.submit(together)
        go.set()
        with pytest.raises(OSError, match="away"):
            first.result(30)
        second.result(30)
    assert next(turns, "none left") == "none left"
