"""What the app is made of is made once, whoever asks first."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from functions import intake
from shared import bootstrap, front
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


def test_the_workers_shared_out_are_those_that_the_host_passes_calls_to() -> None:
    host = json.loads((Path(__file__).resolve().parents[1] / "host.json").read_text())
    http = host["extensions"]["http"]
    assert http["maxConcurrentRequests"] == bootstrap.HTTP_CALLS
    # what waits in the host is answered by the app in words; beyond that the host says 429 without any
    assert http["maxOutstandingRequests"] >= 4 * bootstrap.HTTP_CALLS


def test_the_sweep_has_at_hand_what_the_first_training_job_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK takes seconds to load, and a file dropped meanwhile is taken at half the speed."""
    done: list[str] = []

    class Workspace:
        @property
        def client(self) -> str:
            done.append("the SDK")
            return "a client"

    front.ready.cache_clear()
    monkeypatch.setattr(bootstrap, "azureml", Workspace)
    monkeypatch.setattr(front, "sweep", lambda: done.append("a sweep"))
    try:
        timer = intake.sweep._function.get_user_function()
        for _ in range(2):
            timer(None)
    finally:
        front.ready.cache_clear()
    assert done == ["a sweep", "the SDK", "a sweep"]
