"""A host that stands still while it moves traffic asks Azure late: what others have decided meanwhile holds, and people's own
changes are still told from it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.services.run.acting import asking, putting_back
from shared.services.run.levers import shifting, sleeping
from shared.services.run.moves import LATE_SECONDS
from tests.services.test_acts import ANN, BEN, entries, live, rollback, states, traffic
from tests.services.test_lifecycle import drop, tick
from tests.services.test_watching import look, studio
from tests.support.memory import Crash, World

FORTH, BACK = {"m2-a1": 100}, {"m1-a1": 100}


def still(world: World, wanted: dict[str, int], meanwhile: Callable[[], object]) -> list[str]:
    """The next host that is about to ask for this traffic stands still; the others do something meanwhile."""
    real, stood = world.azureml.begin_traffic, list[str]()

    def begin(endpoint: str, shares: dict[str, int]) -> None:
        if shares == wanted and not stood:
            stood.append("stood still")
            meanwhile()
            tick(world, 6)
        real(endpoint, shares)

    world.azureml.begin_traffic = begin  # type: ignore[method-assign, assignment]
    return stood


def follow(world: World) -> None:
    for _ in range(6):
        world.clock.now += 1
        shifting.follow("bank", world.context)


def looked_at(world: World) -> None:
    for _ in range(4):
        look(world)
        tick(world, 2)


def test_a_late_rollback_undoes_no_promotion() -> None:
    world = live()

    def others() -> None:
        follow(world)
        putting_back.promote("bank-2-a1", BEN, world.context)
        follow(world)

    stood = still(world, BACK, others)
    rollback(world)
    tick(world, 2)
    assert stood
    (endpoint,) = world.azureml.endpoints.values()
    assert endpoint["wanted"] == BACK, "what was asked for late"
    looked_at(world)
    assert (traffic(world), world.serving("bank").traffic) == (FORTH, FORTH)
    assert states(world) == ["retired", "live"]
    told = [entry for entry in entries(world, "bank-2-a1") if entry["event"] == "traffic-put-back"]
    assert [entry["detail"] for entry in told] == [{"before": FORTH, "now": BACK, "late": True}]


def test_a_late_split_for_a_canary_takes_nothing_from_who_was_promoted() -> None:
    world = live("A", canary_seconds=1000, watch_seconds=600)
    split = {"m1-a1": 90, "m2-a1": 10}

    def others() -> None:
        tick(world, 5)
        asking.promote_canary("bank-2-a1", ANN, world.context)
        tick(world, 6)
        assert states(world) == ["retired", "live"]

    stood = still(world, split, others)
    drop(world, "B")
    tick(world, 30)
    assert stood
    looked_at(world)
    assert (traffic(world), world.serving("bank").traffic) == (FORTH, FORTH)
    dataset = world.store.dataset("bank")
    assert dataset is not None
    assert dataset.watch is not None, "and its callers are looked after as before"


def test_a_late_falling_asleep_leaves_no_endpoint_without_traffic() -> None:
    """A caller has woken it meanwhile."""
    world = live("A")

    def others() -> None:
        tick(world, 6)
        sleeping.wake("bank", world.context)
        tick(world, 20)
        dataset = world.store.dataset("bank")
        assert dataset is not None
        assert (dataset.sleep, traffic(world)) == (None, BACK)

    stood = still(world, {}, others)
    world.store.mark_open("bank")
    world.store.change_dataset("bank", lambda found: sleeping.fallen(found, world.clock(), None))
    tick(world, 3)
    assert stood
    (endpoint,) = world.azureml.endpoints.values()
    assert endpoint["wanted"] == {}, "what was asked for late"
    looked_at(world)
    assert (traffic(world), world.serving("bank").traffic) == (BACK, BACK)


def test_a_person_who_goes_back_in_azure_right_after_a_promotion_is_followed() -> None:
    world = live()
    assert list(world.docs.list("moves/")) == [], "nothing was asked for late"
    studio(world, m1_a1=100)
    looked_at(world)
    assert world.serving("bank").traffic == BACK
    assert states(world) == ["live", "rolled_back"]


@pytest.mark.parametrize("seconds", [0.0, LATE_SECONDS])
def test_what_a_host_asked_for_that_died_then_is_remembered_for_a_while(seconds: float) -> None:
    world = live()
    real = world.azureml.begin_traffic

    def dies(endpoint: str, shares: dict[str, int]) -> None:
        real(endpoint, shares)
        world.azureml.begin_traffic = real  # type: ignore[method-assign]
        raise Crash

    world.azureml.begin_traffic = dies  # type: ignore[method-assign, assignment]
    with pytest.raises(Crash):
        rollback(world)
    tick(world, 3)
    putting_back.promote("bank-2-a1", BEN, world.context)
    tick(world, 6)
    world.clock.now += seconds
    studio(world, m1_a1=100)
    looked_at(world)
    assert world.serving("bank").traffic == (BACK if seconds else FORTH)
