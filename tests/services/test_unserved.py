"""A live model that can't be brought back, or harms its callers without a way back: it is told, and the next file replaces it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.notify.notices import Notice
from shared.services.run.acting import asking
from tests.services.test_acts import ANN, live, states
from tests.services.test_bad_cloud import until
from tests.services.test_canary import callers
from tests.services.test_lifecycle import CONFIG, drop, state, tick
from tests.services.test_notices import HOOK, told
from tests.services.test_sleeping import Scene
from tests.support.memory import World


def unserved(world: World) -> list[Notice]:
    return [notice for notice in told(world) if notice.event == "unserved"]


def asleep() -> Scene:
    scene = Scene()
    scene.world.receivers = (HOOK,)
    scene.sleeps()
    scene.world.scorer.broken = {"m1-a1", "m2-a1"}  # nothing of it stands
    return scene


@pytest.mark.parametrize("trouble", ["the service lets it fail", "somebody deleted the endpoint"])
def test_an_endpoint_that_can_t_be_woken_is_told_and_the_next_file_takes_its_place(trouble: str) -> None:
    scene = asleep()
    world = scene.world
    if trouble.endswith("endpoint"):
        world.azureml.endpoints.clear()
    else:
        world.azureml.failed_deployments = {"m2-a1"}
    assert scene.call() == "waking"
    scene.ticks(30, 60)
    (notice,) = unserved(world)
    assert notice.code == "endpoint-not-awake"
    assert "bank-2-a1" in notice.sentence
    run_id = drop(world, "C", config=replace(CONFIG, approval="none"))
    scene.ticks(60, 60)
    assert state(world, run_id) == "live", world.run(run_id).waits_for
    assert scene.call() == "m3-a1"
    dataset = world.store.dataset("bank")
    assert dataset is not None
    assert dataset.sleep is None


def test_an_endpoint_deleted_while_it_falls_asleep_sleeps() -> None:
    scene = Scene()
    scene.world.clock.now += 25 * 3600
    scene.ticks(1)
    scene.world.clock.now += 600
    scene.ticks(1)
    scene.world.azureml.endpoints.clear()
    scene.ticks(10)
    dataset = scene.world.store.dataset("bank")
    assert dataset is not None
    assert dataset.sleep is not None
    assert dataset.sleep.stage == "asleep"


def test_a_live_model_without_a_way_back_is_told_once() -> None:
    world = live("A", canary_seconds=30, watch_seconds=600, receivers=(HOOK,))
    until(world, drop(world, "B"), "canary")
    until(world, "bank-2-a1", "live")
    tick(world, 1)
    world.scorer.broken = {"m1-a1", "m2-a1"}
    callers(world, "host-a", "m2-a1", 40, failing=True)
    tick(world, 20)
    assert states(world) == ["retired", "live"]
    (notice,) = unserved(world)
    assert (notice.code, notice.run_id) == ("no-way-back", "bank-2-a1")
    assert "40 of its 40 calls failed" in notice.sentence


def test_people_are_told_why_the_watch_took_a_version_back() -> None:
    world = live("A", canary_seconds=30, watch_seconds=600, receivers=(HOOK,))
    until(world, drop(world, "B"), "canary")
    until(world, "bank-2-a1", "live")
    tick(world, 1)
    callers(world, "host-a", "m2-a1", 40, failing=True)
    tick(world, 5)
    (notice,) = [each for each in told(world) if each.event == "rolled_back"]
    assert "40 of its 40 calls failed" in notice.sentence


def test_a_canary_whose_endpoint_was_deleted_ends_and_lets_the_next_one_pass() -> None:
    world = live("A", canary_seconds=1000)
    until(world, drop(world, "B"), "canary")
    tick(world, 5)
    world.azureml.endpoints.clear()
    world.scorer.broken = {"m1-a1"}
    tick(world, 60)
    assert state(world, "bank-2-a1") == "failed"
    run_id = drop(world, "C")
    tick(world, 60)
    assert state(world, run_id) == "awaiting_approval", "nothing is live to compare it with"
    asking.decide(run_id, "approved", ANN, world.context)
    tick(world, 40)
    assert state(world, run_id) == "live"
