"""What a run has deployed goes when it ends, however it ends; what can't be deleted holds nobody up; people's own stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.errors import Conflict, DropMLError, NotFound, Transient, Upstream
from shared.domain.run.states import State
from shared.services.run import loop
from shared.services.run.acting import asking
from shared.services.run.leftovers import Leftovers
from shared.services.run.looks import LOOK_SECONDS
from tests.services.test_acts import ANN, live, states, stepped, traffic
from tests.services.test_bad_cloud import until
from tests.services.test_lifecycle import CONFIG, drop, state, tick
from tests.services.test_sleeping import Scene
from tests.support import sweeps
from tests.support.memory import Crash, World


def deployments(world: World) -> list[str]:
    (endpoint,) = world.azureml.endpoints.values()
    return sorted(endpoint["deployments"])


def rounds(world: World, count: int = 3) -> None:
    leftovers = Leftovers(world.context)
    for _ in range(count):
        leftovers.tick(world.context.active() + 5)
        world.clock.now += LOOK_SECONDS + 1


def test_a_run_that_fails_at_the_gate_leaves_no_deployment() -> None:
    world = live("A")
    run_id = drop(world, "B")
    stepped(world, run_id, State.GATE)
    world.scorer.broken = {"m2-a1"}
    tick(world, 30)
    assert state(world, run_id) == "failed"
    rounds(world)
    assert deployments(world) == ["m1-a1"]
    assert list(world.docs.list("ended/")) == [], "and nothing is looked at any more"
    assert [line["deployment"] for line in world.logged if line["what"] == "deployment-taken-away"] == [
        "m2-a1"
    ]


def test_what_is_still_to_be_judged_or_gone_back_to_stays() -> None:
    world = live("AB", canary_seconds=100)
    tick(world, 120)
    until(world, drop(world, "C"), "canary")
    before = deployments(world)
    world.store.mark_ended("bank")
    rounds(world)
    assert deployments(world) == before == ["m1-a1", "m2-a1", "m3-a1"]


def test_what_people_have_deployed_themselves_is_theirs() -> None:
    world = live("A")
    (endpoint,) = world.azureml.endpoints.values()
    endpoint["deployments"]["blue"] = endpoint["deployments"]["m1-a1"]
    for content in "BC":
        drop(world, content)
        tick(world, 30)
    rounds(world)
    assert deployments(world) == ["blue", "m2-a1", "m3-a1"]


@pytest.mark.parametrize("error", [Upstream("403: not allowed"), Conflict("409: ScopeLocked")])
def test_a_workspace_that_can_t_delete_anything_holds_no_model_up(error: DropMLError) -> None:
    world = World()
    world.data.holdout = 200
    world.scorer.error_rate = {"m4-a1": 0.5}

    def locked(*_: str) -> Any:
        raise error

    real = world.azureml.begin_delete_deployment
    world.azureml.begin_delete_deployment = locked  # type: ignore[method-assign, assignment]
    for content in "ABCD":
        drop(world, content)
        tick(world, 40)
    assert states(world) == ["retired", "retired", "live", "rejected"]
    assert traffic(world) == {"m3-a1": 100}
    world.azureml.begin_delete_deployment = real  # type: ignore[method-assign]
    rounds(world)
    assert deployments(world) == ["m2-a1", "m3-a1"]


@pytest.mark.parametrize("marked", [True, False])
def test_an_endpoint_that_sleeps_keeps_none(monkeypatch: pytest.MonkeyPatch, marked: bool) -> None:
    scene = left_behind(monkeypatch, marked=marked)
    scene.sleeps()
    assert scene.deployments() in ([], ["m3-a1"])
    rounds(scene.world)
    assert scene.deployments() == []
    assert list(scene.world.docs.list("ended/")) == []
    assert scene.call() == "waking"
    scene.ticks(20)
    assert (scene.call(), scene.deployments()) == ("m2-a1", ["m2-a1"])


def test_one_that_can_not_be_deleted_keeps_no_endpoint_awake(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = left_behind(monkeypatch)
    real = scene.world.azureml.begin_delete_deployment

    def locked(endpoint: str, name: str) -> None:
        if name == "m3-a1":
            raise Conflict("409: ScopeLocked")
        real(endpoint, name)

    with monkeypatch.context() as patch:
        patch.setattr(scene.world.azureml, "begin_delete_deployment", locked)
        scene.sleeps()
        rounds(scene.world)
        assert (scene.deployments(), scene.call()) == (["m3-a1"], "waking")
        scene.ticks(20)
        assert scene.call() == "m2-a1"
    rounds(scene.world)
    assert scene.deployments() == ["m2-a1"]


def test_hosts_that_die_anywhere_take_it_away_from_one_that_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    for point in sweeps.places():
        scene = left_behind(monkeypatch)
        world = scene.world
        world.points.die_at = 2 * len(world.points.seen) + point
        scene.sleeps()
        try:
            rounds(world)
        except Crash:
            world.points.die_at = None
            world.restart()
        died, world.points.die_at = world.points.die_at is None, None
        scene.ticks(20, LOOK_SECONDS)
        rounds(world)
        assert scene.deployments() == [], point
        assert scene.call() == "waking"
        scene.ticks(20)
        assert (scene.call(), scene.deployments()) == ("m2-a1", ["m2-a1"]), point
        if not died:
            break
    assert point > 12


def left_behind(monkeypatch: pytest.MonkeyPatch, *, marked: bool = True) -> Scene:
    """A rejected run whose deployment could not be deleted, and nobody calls any more."""
    scene = Scene()

    def busy(*_: str) -> None:
        raise Transient("HTTP 429")

    scene.world.scorer.error_rate = {"m3-a1": 0.4}
    with monkeypatch.context() as patch:
        patch.setattr(scene.world.azureml, "begin_delete_deployment", busy)
        drop(scene.world, "C")
        tick(scene.world, 40)
    assert (states(scene.world)[-1], scene.deployments()) == ("rejected", ["m1-a1", "m2-a1", "m3-a1"])
    if not marked:
        scene.world.docs.delete("ended/bank")
    return scene


def test_what_somebody_has_given_traffic_to_goes_once_that_has_moved_on() -> None:
    world = live("A")
    run_id = drop(world, "B", config=replace(CONFIG, approval="required"))
    until(world, run_id, "awaiting_approval")
    (endpoint,) = world.azureml.endpoints.values()
    endpoint |= {"traffic": {"m2-a1": 100}, "wanted": {"m2-a1": 100}}
    asking.decide(run_id, "rejected", ANN, world.context)
    tick(world, 5)
    rounds(world)
    assert (state(world, run_id), deployments(world)) == ("rejected", ["m1-a1", "m2-a1"])
    endpoint |= {"traffic": {"m1-a1": 100}, "wanted": {"m1-a1": 100}}
    rounds(world)
    assert deployments(world) == ["m1-a1"]
    assert list(world.docs.list("ended/")) == [], "and nothing is looked at any more"


def challenged() -> World:
    """A worse challenger at the gate; an endpoint answers for deployments that stand, and for no others."""
    world = live("A")
    world.scorer.error_rate = {"m2-a1": 0.4}
    stepped(world, drop(world, "B"), State.GATE)
    real: Callable[..., Any] = world.scorer.answers

    def answers(endpoint: Any, deployment: str, *of: Any) -> Any:
        if deployment not in deployments(world):
            raise NotFound(f"there is no deployment {deployment}")
        return real(endpoint, deployment, *of)

    world.scorer.answers = answers  # type: ignore[method-assign, assignment]
    return world


def test_a_host_that_dies_at_the_gate_changes_no_verdict() -> None:
    world = challenged()
    begun = len(world.points.seen)
    tick(world, 3)
    assert states(world) == ["live", "rejected"]
    points = 2 * (len(world.points.seen) - begun)
    assert points > 10
    for point in range(points):
        world = challenged()
        world.points.die_at = 2 * len(world.points.seen) + point
        try:
            tick(world, 30)
        except Crash:
            world.points.die_at = None
            world.restart()
            tick(world, 30)
        run = world.run("bank-2-a1")
        assert run.state == "rejected", (point, run.problem)
        assert run.gate is not None
        assert run.gate.numbers is not None
        assert (run.gate.numbers.high or 0) < 0


def test_two_hosts_that_judge_otherwise_come_to_one_verdict() -> None:
    """One has measured that the challenger is slow, the other that it isn't: who writes first is right; nothing is deleted."""
    world = live("A")
    stepped(world, drop(world, "B"), State.GATE)
    world.scorer.error_rate = {"m2-a1": 0.5}
    real, met = world.store.documents, list[str]()
    assert real is world.docs
    replaced = world.docs.replace

    def other_first(path: str, *of: Any) -> Any:
        if path == "runs/bank-2-a1.json" and not met:
            met.append("the other host")
            world.scorer.error_rate = {}
            loop.step("bank-2-a1", world.context)
        return replaced(path, *of)

    world.docs.replace = other_first  # type: ignore[method-assign, assignment]
    tick(world, 40)
    assert met
    assert states(world) == ["retired", "live"]
