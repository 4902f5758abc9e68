"""Somebody moves the traffic in Azure while a canary lasts: it is that person's word on the canary, and holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shared.domain.run.acts import Act
from shared.services.run.acting import asking
from tests.services.test_acts import entries, in_canary, live, states, traffic
from tests.services.test_canary import callers
from tests.services.test_lifecycle import CONFIG, drop, state, tick
from tests.services.test_watching import look, studio
from tests.support.memory import World

BACK, FORTH = {"m1-a1": 100}, {"m2-a1": 100}


def told(world: World, run_id: str = "bank-2-a1") -> list[Any]:
    found = [entry for entry in entries(world, run_id) if entry["event"] == "traffic-changed-outside"]
    return [(entry["actor"], entry["detail"]["now"]) for entry in found]


def test_all_of_it_back_on_the_champion_ends_the_canary() -> None:
    world = in_canary()
    studio(world, m1_a1=100)
    look(world)
    assert world.serving("bank").traffic == BACK, "callers of the proxy are brought back at once"
    tick(world, 1200)
    assert states(world) == ["live", "rejected"], "and the challenger isn't promoted after its time"
    assert traffic(world) == world.serving("bank").traffic == BACK
    assert told(world) == [("azure", BACK)]
    gate = world.run("bank-2-a1").gate
    assert gate is not None
    assert "somebody gave m1-a1 all of it in Azure" in (gate.reason or "")


def test_all_of_it_on_the_challenger_promotes_it() -> None:
    world = in_canary()
    studio(world, m2_a1=100)
    look(world)
    tick(world, 4)
    assert states(world) == ["retired", "live"]
    assert traffic(world) == world.serving("bank").traffic == FORTH
    assert told(world) == [("azure", FORTH)]


def test_another_split_is_the_canarys_from_then_on() -> None:
    world = in_canary()
    studio(world, m1_a1=50, m2_a1=50)
    for _ in range(3):
        look(world)
        tick(world, 3)
    assert world.serving("bank").traffic == {"m1-a1": 50, "m2-a1": 50}
    assert told(world) == [("azure", {"m1-a1": 50, "m2-a1": 50})], "once"
    callers(world, "host-a", "m2-a1", 40, failing=True)
    tick(world, 5)
    assert states(world) == ["live", "rejected"], "a breach brings callers back as before"
    assert traffic(world) == BACK


def test_a_canary_that_nobody_touches_is_left_alone() -> None:
    world = in_canary()
    for _ in range(5):
        look(world)
        tick(world, 2)
    assert world.serving("bank").traffic == {"m1-a1": 90, "m2-a1": 10}
    assert told(world) == []


def test_a_live_model_whose_deployment_was_deleted_can_be_replaced() -> None:
    """There is nothing to share traffic with: who was let through gets all of it."""
    world = live("A", canary_seconds=10)
    studio(world)
    (endpoint,) = world.azureml.endpoints.values()
    del endpoint["deployments"]["m1-a1"]
    world.scorer.broken = {"m1-a1"}
    run_id = drop(world, "B", config=replace(CONFIG, approval="none"))
    tick(world, 60)
    assert state(world, run_id) == "live", world.run(run_id).trouble
    assert world.serving("bank").traffic == traffic(world) == FORTH


def test_nobodys_silence_and_a_late_yes_don_t_meet_half_way() -> None:
    """APPROVAL_DAYS are over, and the yes comes between the two things that follow from it."""
    world = live("A")
    world.guardrails = replace(world.guardrails, approval_days=1.0)
    run_id = drop(world, "B", config=replace(CONFIG, approval="required"))
    tick(world, 20)
    assert state(world, run_id) == "awaiting_approval"
    real, said = world.azureml.begin_delete_deployment, list[str]()

    def deletes(endpoint: str, name: str) -> None:
        real(endpoint, name)
        if not said:
            said.append("yes")
            try:
                asking.decide(run_id, "approved", Act("ann", 5.0), world.context)
            except Exception as error:  # noqa: BLE001 - told below
                said.append(type(error).__name__)

    world.azureml.begin_delete_deployment = deletes  # type: ignore[method-assign]
    world.clock.now += 2 * 86400
    tick(world, 20)
    assert said == ["yes", "Refused"]
    assert state(world, run_id) == "rejected"
    assert "APPROVAL_DAYS" in str(world.run(run_id).gate)


def test_an_endpoint_whose_last_change_was_cancelled_takes_the_next_model() -> None:
    world = live("A")
    (endpoint,) = world.azureml.endpoints.values()
    endpoint["state"] = "Canceled"
    run_id = drop(world, "B")
    tick(world, 60)
    assert state(world, run_id) == "live"
