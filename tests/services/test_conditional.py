"""A write that keeps losing its race ends: paced, bounded, and with a remedy."""

from __future__ import annotations

import pytest

from shared.domain.errors import Conflict, Transient
from shared.services import conditional


def test_a_write_that_wins_at_once_waits_for_nothing() -> None:
    pauses: list[float] = []
    assert conditional.write(lambda: "done", "a.json", sleep=pauses.append) == "done"
    assert pauses == []


def test_a_write_that_lost_is_decided_anew() -> None:
    pauses: list[float] = []
    answers = iter([Conflict("lost"), Conflict("lost"), None])

    def attempt() -> str:
        if error := next(answers):
            raise error
        return "done"

    assert conditional.write(attempt, "a.json", sleep=pauses.append) == "done"
    assert len(pauses) == 2


def test_a_permanent_conflict_ends_with_a_remedy_after_growing_pauses() -> None:
    pauses: list[float] = []

    def attempt() -> None:
        raise Conflict("a.json was changed by somebody else.")

    with pytest.raises(Conflict, match=r"a\.json") as caught:
        conditional.write(attempt, "a.json", sleep=pauses.append)
    assert caught.value.error_code == "write-contention"
    assert caught.value.remedy
    limits = [
        min(conditional.MAX_PAUSE, conditional.FIRST_PAUSE * 2**n) for n in range(conditional.TRIES - 1)
    ]
    assert len(pauses) == len(limits)
    assert all(0 <= pause <= limit for pause, limit in zip(pauses, limits, strict=True))


def test_other_errors_are_not_tried_again() -> None:
    calls = []

    def attempt() -> None:
        calls.append(1)
        raise Transient("storage is down")

    with pytest.raises(Transient):
        conditional.write(attempt, "a.json")
    assert calls == [1]
