"""A person rolls back and forth again while callers score all the time: no call fails, and each is answered by one version."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.live_stack import SMALL, LiveStack, live_stack, small_table
from tests.support.watching import Calls

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
ROW = {"a": 60, "b": 5}
#: A serving document is kept in memory for up to 5 s; the rest is a call or two on a busy machine.
SECONDS = 10.0


def until(holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def back(live: LiveStack, **body: str) -> dict[str, Any]:
    answer = live.request(
        "POST", "/datasets/shop/rollback", json=body, headers={"x-dropml-actor": "night engineer"}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_back_and_forth_under_constant_scoring_fails_no_call(tmp_path: Path) -> None:
    with live_stack(tmp_path / "stack", extra={"CANARY_SECONDS": "1", "WATCH_SECONDS": "5"}) as live:
        first = live.live("shop")["run_id"]
        live.drop("shop.csv", small_table(1), metadata=SMALL)
        second = live.wait("shop", number=2, seconds=120)["run_id"]
        assert live.get(f"/runs/{second}")["state"] == "live"
        headers = {"x-functions-key": live.running.key}
        url = f"{live.running.api}/score/shop"
        with Calls("POST", url, pause=0.02, threads=2, json=[ROW], headers=headers) as scoring:
            until(lambda: scoring.calls[-1:] != [] and scoring.calls[-1].run == second, "the new one answers")
            asked = time.monotonic()
            assert back(live, note="callers complain")["run_id"] == first
            assert back(live)["moved"] is False
            until(lambda: scoring.calls[-1].run == first, "callers are back", SECONDS)
            until(lambda: all(c.run == first for c in scoring.calls[-20:]), "all of them are", SECONDS)
            until(lambda: live.get("/datasets")["datasets"][0]["shift"]["done_at"], "Azure follows")
            assert back(live, to=second)["run_id"] == second
            until(lambda: all(c.run == second for c in scoring.calls[-20:]), "and forth again", SECONDS)
            until(lambda: live.get("/datasets")["datasets"][0]["shift"]["done_at"], "Azure follows again")
        assert scoring.failed == [], scoring.told()
        assert {call.run for call in scoring.calls} == {first, second}
        moved = next(call.at for call in scoring.calls if call.at > asked and call.run == first)
        assert moved - asked < SECONDS
        states = [live.get(f"/runs/{run_id}")["state"] for run_id in (first, second)]
        assert states == ["rolled_back", "live"]
        ledger = live.get(f"/runs/{first}/ledger")
        assert ledger["broken_at"] is None
        assert [entry["actor"] for entry in ledger["entries"][-2:]] == ["night engineer"] * 2
