"""The version before goes after its hours, and a rollback then says why it can't; of both at once one wins, whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.errors import Refused
from shared.domain.run.dataset import UNDEPLOYED
from shared.domain.run.ledger import Verification, verify
from shared.services.documents import entries
from shared.services.run import loop
from shared.services.run.acting import putting_back
from shared.services.run.dataset_store import SUCCEEDED
from shared.services.run.guardrails import Guardrails
from shared.services.run.looks import LOOK_SECONDS
from shared.services.run.pipeline_runs import PipelineRuns
from shared.services.run.previous import Previous
from shared.services.run.upgrade import upgrade
from tests.services.test_acts import ANN, live
from tests.services.test_lifecycle import drop, tick
from tests.support.memory import Crash, World
from tests.support.memory_pipelines import MemoryPipelines

HOUR = 3600.0


def kept(hours: float = 24) -> World:
    world = live()
    world.guardrails = Guardrails(keep_previous_hours=hours)
    for _ in range(20):  # the watch ends
        loop.tick(world.context)
        world.clock.now += 1
    return world


def looks(world: World, count: int = 5) -> None:
    previous = Previous(world.context)
    for _ in range(count):
        previous.tick(world.context.active() + 5)
        world.clock.now += LOOK_SECONDS


def deployments(world: World) -> list[str]:
    (endpoint,) = world.azureml.endpoints.values()
    return sorted(endpoint["deployments"])


def test_it_stays_for_its_hours_then_goes_and_a_rollback_says_why_it_cannot() -> None:
    world = kept()
    looks(world)
    assert deployments(world) == ["m1-a1", "m2-a1"]
    world.clock.now += 24 * HOUR
    looks(world)
    assert deployments(world) == ["m2-a1"]
    with pytest.raises(Refused) as refused:
        putting_back.rollback("bank", None, ANN, None, world.context)
    assert refused.value.error_code == "deployment-gone"
    assert "KEEP_PREVIOUS_HOURS" in refused.value.message
    with pytest.raises(Refused):
        putting_back.promote("bank-1-a1", ANN, world.context)
    run = world.run("bank-1-a1")
    lines = world.store.ledger("bank-1-a1")
    assert run.undeployed
    assert '"event":"undeployed"' in lines[-1].replace(" ", "")
    assert verify(lines, run.ledger_head, run.pending) == Verification()


def test_after_any_number_of_versions_the_dataset_remembers_the_latest_alone() -> None:
    world = kept()
    for number in range(3, UNDEPLOYED + 5):
        world.clock.now += 25 * HOUR
        looks(world)
        drop(world, f"more {number}")
        tick(world, 30)
    dataset = world.store.dataset("bank")
    assert dataset is not None
    assert len(dataset.undeployed) == UNDEPLOYED
    assert deployments(world) == [f"m{UNDEPLOYED + 3}-a1", f"m{UNDEPLOYED + 4}-a1"]
    with pytest.raises(Refused) as refused:
        putting_back.rollback("bank", "bank-1-a1", ANN, None, world.context)
    assert refused.value.error_code == "deployment-gone"


def test_a_clock_that_jumps_for_a_moment_takes_no_way_back() -> None:
    world = kept()
    previous = Previous(world.context)
    for _ in range(3):
        world.jump(8 * 24 * HOUR)
        for _ in range(5):
            previous.tick(world.context.active() + 5)
            world.clock.now += 1
        world.jump(-8 * 24 * HOUR)
        world.clock.now += LOOK_SECONDS
        previous.tick(world.context.active() + 5)
    assert deployments(world) == ["m1-a1", "m2-a1"]
    assert putting_back.rollback("bank", None, ANN, None, world.context).run_id == "bank-1-a1"


def test_zero_keeps_it_for_ever() -> None:
    world = kept(0)
    world.clock.now += 1000 * HOUR
    looks(world)
    assert deployments(world) == ["m1-a1", "m2-a1"]


def test_what_a_rollback_took_back_is_not_taken_away() -> None:
    world = kept()
    world.clock.now += 25 * HOUR
    putting_back.rollback("bank", None, ANN, None, world.context)
    looks(world)
    assert "m1-a1" in deployments(world)
    dataset = world.store.dataset("bank")
    assert dataset is not None
    assert dataset.champion == "bank-1-a1"


def test_a_host_that_dies_anywhere_leaves_it_to_the_next() -> None:
    point = 0
    while True:
        world = kept()
        world.clock.now += 25 * HOUR
        world.points.die_at = 2 * len(world.points.seen) + point
        try:
            looks(world)
        except Crash:
            world.points.die_at = None
            world.restart()
            looks(world)
            point += 1
        else:
            break
        assert deployments(world) == ["m2-a1"], point
        lines = world.store.ledger("bank-1-a1")
        assert sum('"undeployed"' in line for line in lines) == 1, point
    assert point > 5


def test_once_done_a_round_costs_one_listing_and_no_read(monkeypatch: pytest.MonkeyPatch) -> None:
    world = kept()
    world.clock.now += 25 * HOUR
    looks(world)
    asked: list[str] = []
    monkeypatch.setattr(world.docs, "get", asked.append)
    looks(world, 20)
    assert asked == []


def test_a_promotion_that_is_lost_to_a_crash_is_looked_at_all_the_same() -> None:
    """The mark comes before the write that it stands for: dying between the two leaves too much, never too little."""
    world = live()
    dataset = world.store.dataset("bank")
    assert dataset is not None
    world.points.die_at = 2 * len(world.points.seen) + 1
    with pytest.raises(Crash):
        world.store.change_dataset("bank", lambda found: replace(found, champion="bank-1-a1"))
    assert world.store.dataset("bank") == dataset
    assert [entry.path for entry in entries(world.docs, SUCCEEDED)] == [f"{SUCCEEDED}bank"]


def test_what_an_earlier_release_left_deployed_goes_too() -> None:
    world = kept()
    for entry in list(entries(world.docs, SUCCEEDED)):
        world.docs.delete(entry.path)
    world.clock.now += 25 * HOUR
    looks(world)
    assert deployments(world) == ["m1-a1", "m2-a1"], "nothing marks it: the state of a release before marks"
    upgrade(world.context, PipelineRuns(world.context, MemoryPipelines(world.azureml)))
    looks(world)
    assert deployments(world) == ["m2-a1"]
