"""What the app is made of is made once, whoever asks first."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.once import Once


def test_thread_after_thread_gets_the_one_that_was_made() -> None:
    made: list[int] = []
    gate = threading.Barrier(8)

    @Once
    def slow() -> int:
        time.sleep(0.05)
        made.append(1)
        return len(made)

    def ask(_: int) -> int:
        gate.wait()
        return slow()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {1}


def test_a_builder_that_failed_is_asked_again() -> None:
    answers = iter([ValueError("not yet"), None])

    @Once
    def moody() -> str:
        error = next(answers)
        if error:
            raise error
        return "made"

    with pytest.raises(ValueError, match="not yet"):
        moody()
    assert moody() == "made"
