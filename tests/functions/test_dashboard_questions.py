"""What is asked before an act: it names what will happen, and where nothing can, there is no button."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.run.states import State
from shared.services.run import loop
from tests.services.test_acts import in_canary
from tests.support.guest import BASE, Guest, Seen
from tests.support.intake_front import Front


@pytest.fixture
def house() -> Front:
    """A canary is under way."""
    house = Front()
    house.world = in_canary()
    return house


def later(house: Front) -> None:
    """Whatever was begun is done."""
    for _ in range(5):
        house.world.clock.now += 2000
        loop.tick(house.world.context)


def buttons(page: Seen) -> int:
    """That send a form, but for the one to sign out."""
    return sum(tag == "form" and "/ask/" in attrs.get("action", "") for tag, attrs in page.tags)


def test_rolling_back_a_canary_names_who_answers_then(house: Front, guest: Guest) -> None:
    page = guest.page("/ask/datasets/bank/rollback")
    assert "The canary of bank-2-a1 ends: bank-1-a1 answers all callers of bank" in page.text
    assert "Roll back to bank-1-a1" in page.text
    guest.press("/ask/datasets/bank/rollback")
    assert house.world.run("bank-2-a1").state is State.ROLLED_BACK
    again = guest.page("/ask/datasets/bank/rollback")
    assert "This can't be done now." in again.text
    assert buttons(again) == 0


def test_what_was_asked_is_done_although_the_canary_has_gone_live_meanwhile(
    house: Front, guest: Guest
) -> None:
    fields = guest.page("/ask/datasets/bank/rollback").fields()
    guest.press("/ask/runs/bank-2-a1/promote")
    later(house)
    assert house.world.store.find_dataset("bank").champion == "bank-2-a1"
    assert guest.post("/ask/datasets/bank/rollback", fields).status_code == 303
    assert house.world.store.find_dataset("bank").champion == "bank-1-a1"


def test_with_nothing_before_it_a_first_model_is_not_offered_a_rollback(house: Front, guest: Guest) -> None:
    guest.press("/ask/runs/bank-2-a1/cancel")
    later(house)
    page = guest.page("/ask/datasets/bank/rollback")
    assert "This can't be done now." in page.text
    assert buttons(page) == 0
    assert f"{BASE}/datasets/bank" in page.links()


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("runs/bank-1-a1/retry", "only a failed, rejected or cancelled one"),
        ("runs/bank-1-a1/cancel", "The run is live, not open."),
        ("runs/bank-1-a1/approve", "nothing waits for a person's word"),
        ("runs/bank-1-a1/reject", "nothing waits for a person's word"),
        ("runs/bank-1-a1/promote", "answers all callers already"),
    ],
)
def test_an_act_that_cannot_be_done_has_no_button(guest: Guest, path: str, why: str) -> None:
    page = guest.page(f"/ask/{path}")
    assert why in page.text
    assert buttons(page) == 0


def test_a_version_whose_deployment_is_gone_is_not_offered_all_callers(house: Front, guest: Guest) -> None:
    guest.press("/ask/datasets/bank/rollback")
    house.world.store.change_dataset("bank", lambda found: replace(found, undeployed={"bank-2-a1": 1.0}))
    page = guest.page("/ask/runs/bank-2-a1/promote")
    assert "was taken away" in page.text
    assert buttons(page) == 0
