"""What a look at a page costs in storage: a listing or two, and documents that can have changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared import dashboard
from shared.services.run import loop
from shared.ui.memo import Memo
from tests.functions.test_dashboard import until_done, with_a_live_model
from tests.support.guest import Guest
from tests.support.intake_front import Front
from tests.support.staging_area import people


@pytest.fixture
def house() -> Front:
    """One dataset with a live model, and nothing else."""
    return with_a_live_model()


def asked(house: Front, monkeypatch: pytest.MonkeyPatch, look: Callable[[], object]) -> list[str]:
    """`get datasets/people.json`, `list waiting/` ... of one look."""
    calls: list[str] = []
    with monkeypatch.context() as patch:
        for method in ("get", "list", "page"):
            kept = getattr(house.world.docs, method)

            def counting(path: str, *rest: Any, _as: str = method, _call: Any = kept) -> Any:
                calls.append(f"{_as} {path}")
                return _call(path, *rest)

            patch.setattr(house.world.docs, method, counting)
        look()
    return calls


def test_the_overview_looks_for_waiting_batches_only_where_a_dataset_has_no_model_yet(
    house: Front, guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest.page()
    dashboard.settled().moved()  # two seconds later
    calls = asked(house, monkeypatch, guest.page)
    assert {call for call in calls if not call.startswith("get")} == {"page datasets/", "list datasets/"}
    calls = asked(house, monkeypatch, guest.page)
    assert not [call for call in calls if not call.startswith("get")], (
        "the list of a moment ago is new enough"
    )
    assert len(calls) <= 5, calls
    house.put("more.csv")
    house.drop("more.csv")
    loop.tick(house.world.context)
    assert "list waiting/" in asked(house, monkeypatch, guest.page)


def test_a_refused_file_is_on_the_overview_at_once(
    house: Front, guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "waits in quarantine" not in guest.page().text
    house.put("broken.csv", "a,b,y\n1,2,3,4,no\n")
    house.drop("broken.csv")
    until_done(house)
    assert "broken.csv waits in quarantine" in guest.page().text
    calls = asked(house, monkeypatch, lambda: guest.page("/quarantine"))
    assert "page index/quarantine/" not in calls, "its first page is one document"


@pytest.mark.parametrize("path", ["", "/datasets/people"])
def test_what_a_run_or_a_person_does_is_seen_at_once(
    house: Front, guest: Guest, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def lists() -> list[str]:
        calls = asked(house, monkeypatch, lambda: guest.page(path))
        return [call for call in calls if call.startswith("page")]

    lists()
    house.put("people.csv", people(90))
    house.drop("people.csv")
    until_done(house)
    assert lists(), "a run has begun, and ended"
    assert "people-2-a1" in guest.page(path).text
    assert not lists()
    if not path:
        guest.press("/ask/datasets/people/pause", note="a holiday")
        assert lists(), "a person has paused it"
        assert "paused" in guest.page(path).text


def test_what_timers_write_of_a_dataset_is_not_read_with_every_look(
    house: Front, guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = asked(house, monkeypatch, lambda: guest.page("/datasets/people"))
    again = asked(house, monkeypatch, lambda: guest.page("/datasets/people"))
    assert {"get drift/people.json", "get performance/people.json"} <= set(first)
    assert not {"get drift/people.json", "get performance/people.json"} & set(again)


def test_what_is_kept_for_no_time_is_built_each_time() -> None:
    for seconds, built in ((0.0, [1, 2]), (3600.0, [1, 1])):
        memo: Memo[int] = Memo(5, seconds)
        values = iter((1, 2))
        assert [memo.get("x", lambda: next(values)) for _ in range(2)] == built  # noqa: B023 - called at once
