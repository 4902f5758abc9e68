"""What the dashboard says of an endpoint at work: its hours, its sleep, and a canary that somebody holds."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared import dashboard
from shared.domain.canary import Tally
from shared.domain.documents import to_json
from shared.domain.run.acts import Sleep
from shared.services.monitoring.hours import Counts
from shared.services.run.artifacts import GuardrailsView
from shared.services.ticks import Tick
from shared.ui.desk import Settled
from tests.services.test_acts import in_canary
from tests.support.guest import BASE, Guest
from tests.support.intake_front import Front


@pytest.fixture
def house() -> Front:
    """A canary is under way."""
    house = Front()
    house.world = in_canary()
    return house


def metrics(house: Front) -> str:
    return f"/endpoints/{house.world.serving('bank').endpoint}/metrics"


def called(house: Front, hours_ago: int, calls: int, errors: int = 0) -> None:
    """So many calls of an hour, as a process has written them down."""
    tally = Tally()
    for _ in range(calls - errors):
        tally.answered(0.03, None, 1)
    for _ in range(errors):
        tally.failed()
    at = datetime.fromtimestamp(house.world.clock.now - hours_ago * 3600, UTC)
    counts = Counts({f"{at:%H}": {"m1-a1": tally}})
    house.world.docs.put(f"hours/bank/{at:%Y-%m-%d}/p{hours_ago}.json", to_json(counts))


def test_the_hours_of_an_endpoint_are_drawn_and_stand_in_a_table(house: Front, guest: Guest) -> None:
    called(house, 0, 10)
    called(house, 5, 30, errors=4)
    page = guest.page(metrics(house))
    assert "Calls 40 Failed 10.0 % p50 latency ≤ 50 ms p95 latency ≤ 50 ms" in page.text
    assert " 30 4 ≤ 50 ms ≤ 50 ms m1-a1 30" in page.text
    bars = [attrs["class"] for tag, attrs in page.tags if tag == "rect"]
    assert sorted(bars) == ["bar"] * 4 + ["bar bad"]
    assert "Side by side" in page.text, "two versions share the traffic"


@pytest.mark.parametrize(("span", "calls"), [("6", 10), ("24", 40), ("168", 140)])
def test_the_span_is_the_visitor_s(house: Front, guest: Guest, span: str, calls: int) -> None:
    for ago, n in ((0, 10), (20, 30), (100, 100)):
        called(house, ago, n)
    assert f"Calls {calls} Failed" in guest.page(f"{metrics(house)}?hours={span}").text


def test_where_nobody_called_the_page_says_how_to(house: Front, guest: Guest) -> None:
    page = guest.page(metrics(house))
    assert "Nobody has called it in this time" in page.text
    assert f"{BASE}{metrics(house).replace('metrics', 'consume')}" in page.links()
    assert guest.get(f"{metrics(house)}?hours=0").status_code == 400


def test_an_endpoint_that_sleeps_is_told_as_such(house: Front, guest: Guest) -> None:
    entry = house.world.serving("bank")
    house.world.store.write("serving/bank.json", replace(entry, asleep=True, traffic={}))
    house.world.store.change_dataset(
        "bank", lambda found: replace(found, sleep=Sleep("bank-1-a1", "asleep", 1.0))
    )
    assert "the next call is answered" in guest.page(metrics(house)).text
    assert "asleep" in guest.page("").text
    assert "asleep" in guest.page("/datasets/bank").text


def test_a_canary_is_held_and_let_go_from_its_own_page(guest: Guest) -> None:
    assert f"{BASE}/ask/datasets/bank/pause" in guest.page("/runs/bank-2-a1/rollout").links()
    guest.press("/ask/datasets/bank/pause")
    held = guest.page("/runs/bank-2-a1/rollout").links()
    assert f"{BASE}/ask/datasets/bank/resume" in held
    assert f"{BASE}/ask/datasets/bank/pause" not in held


def test_what_a_training_left_is_read_once(
    house: Front, guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, path, get = Settled(), "artifacts/bank-1-a1/guardrails.json", house.world.docs.get
    house.world.docs.put(path, to_json(GuardrailsView("bank-1-a1", "job", ())))
    read: list[str] = []

    def counting(path: str) -> tuple[dict[str, Any], str] | None:
        read.append(path)
        return get(path)

    monkeypatch.setattr(dashboard, "settled", lambda: kept)
    monkeypatch.setattr(house.world.docs, "get", counting)
    for _ in range(3):
        guest.page("/runs/bank-1-a1/model")
    assert read.count(path) == 1


def test_an_open_run_says_when_it_was_looked_at(house: Front, guest: Guest) -> None:
    assert "A timer looks at it" not in guest.page("/runs/bank-2-a1").text, "none was seen yet"
    house.world.store.write("ticks/advance.json", Tick(time.time() - 90 * 60))
    assert "last 1 h ago" in guest.page("/runs/bank-2-a1").text
    assert "A timer looks at it" not in guest.page("/runs/bank-1-a1").text, "it is live"
