"""What a page brings up to date by itself: all that can change on it, and nothing that somebody holds."""

from __future__ import annotations

import pytest

from tests.services.test_acts import in_canary
from tests.support.guest import Guest, guest_of
from tests.support.intake_front import Front


@pytest.fixture
def house() -> Front:
    """A canary is under way."""
    house = Front()
    house.world = in_canary()
    return house


def anew(guest: Guest, path: str) -> str:
    """The part of a page that a look replaces; nothing where none comes."""
    text = guest.get(path).get_body().decode()
    return text.partition('<div id="live" data-live')[2]


@pytest.mark.parametrize("part", ["", "/leaderboard", "/gate", "/rollout"])
def test_a_run_s_state_its_tabs_and_its_buttons_follow_it(house: Front, guest: Guest, part: str) -> None:
    seen = anew(guest, f"/runs/bank-2-a1{part}")
    for told in ("bank-2-a1</h1>", ">canary</span>", "/promote", "/cancel", 'aria-label="Parts of the run"'):
        assert told in seen, told


def test_a_screen_reader_is_told_of_a_new_state(guest: Guest) -> None:
    page = guest.page("/runs/bank-2-a1")
    assert ("span", {"role": "status"}) in page.tags


def test_a_slider_that_somebody_holds_is_left_alone(guest: Guest) -> None:
    assert anew(guest, "/runs/bank-2-a1/model") == ""
    assert 'http-equiv="refresh"' not in guest.get("/runs/bank-2-a1/model").get_body().decode()


def test_a_dataset_s_badge_and_buttons_follow_its_first_model(house: Front, guest: Guest) -> None:
    house.put("people.csv")
    house.drop("people.csv")
    seen = anew(guest, "/datasets/people")
    assert ">nothing live yet</span>" in seen
    assert "/datasets/people/pause" in seen


def test_whoever_waits_for_a_first_file_sees_it_come(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = Front()
    guest = guest_of(empty, monkeypatch)
    guest.sign_in()
    first = guest.get("")
    assert "Nothing dropped yet" in anew(guest, "")
    empty.put("people.csv")
    empty.drop("people.csv")
    again = guest.get("", if_none_match=first.headers["ETag"])
    assert again.status_code == 200
    assert "people-1-a1" in again.get_body().decode()
