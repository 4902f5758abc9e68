"""A model is deployed with our entry script or without one, and what it is made of is made once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.domain.documents import from_json, to_json
from shared.domain.errors import Upstream
from shared.domain.run.parts import Placement
from shared.domain.run.serving import Version
from tests.services.test_lifecycle import drop, state, tick
from tests.support import sweeps
from tests.support.memory import Crash, World

MODES = ["script", "no_code"]


def only_endpoint(world: World) -> dict[str, Any]:
    (endpoint,) = world.azureml.endpoints.values()
    return endpoint


@pytest.mark.parametrize("mode", MODES)
def test_two_versions_live_and_die_in_each_mode(mode: str) -> None:
    world = World(deployment_mode=mode)
    first = drop(world, "A")
    tick(world)
    second = drop(world, "B")
    tick(world)
    assert (state(world, first), state(world, second)) == ("retired", "live")
    specs = only_endpoint(world)["deployments"]
    assert {name: (spec.mode, spec.label, spec.threshold) for name, spec in specs.items()} == {
        "m1-a1": (mode, "bank:1", None),
        "m2-a1": (mode, "bank:2", None),
    }
    made = ("dropml-scorer:1", "dropml-scoring:1") if mode == "script" else ("", "")
    assert {(spec.code, spec.environment) for spec in specs.values()} == {made}
    assert world.serving("bank").deployments["m2-a1"] == Version(second, "bank:2", mode=mode)


def test_code_and_packages_are_there_before_the_deployment_and_kept_with_the_run() -> None:
    world = World()
    run_id = drop(world)
    tick(world)
    wanted = ("register_code", "register_environment", "begin_deployment")
    verbs = [label.rpartition(".")[2] for label in world.points.seen]
    assert tuple(verb for verb in verbs if verb in wanted) == wanted
    placement = world.run(run_id).placement
    assert placement is not None
    assert (placement.code, placement.environment) == ("dropml-scorer:1", "dropml-scoring:1")


@pytest.mark.parametrize("mode", MODES)
def test_dying_before_and_after_each_effect_leaves_one_of_everything(mode: str) -> None:
    def story(die_at: int | None) -> World:
        world = World(deployment_mode=mode)
        world.data.holdout = 100
        drop(world)
        world.points.die_at = die_at
        for _ in range(20):
            try:
                tick(world, 1)
            except Crash:
                world.points.die_at = None
                world.restart()
        return world

    for point in sweeps.part(range(2 * len(story(None).points.seen))):
        world = story(point)
        assert state(world, "bank-1-a1") == "live", point
        (spec,) = only_endpoint(world)["deployments"].values()
        assert spec.mode == mode
        assert len(world.azureml.codes) == len(world.azureml.environments) == (mode == "script")


def test_a_run_begun_in_one_mode_goes_on_in_it_when_the_setting_changes() -> None:
    world = World(deployment_mode="no_code")
    run_id = drop(world)
    while world.run(run_id).placement is None:
        tick(world, 1)
        world.azureml.patience = 3  # the endpoint takes its time
    world.deployment_mode = "script"
    tick(world)
    assert state(world, run_id) == "live"
    assert world.serving("bank").version("m1-a1").mode == "no_code"


def test_documents_of_earlier_releases_are_of_deployments_without_a_script() -> None:
    old = {
        "endpoint": "bank-1a2b3c",
        "deployment": "m1-a1",
        "scoring_uri": "http://x/score",
        "auth_mode": "key",
    }
    placement = from_json(old, Placement)
    assert (placement.mode, placement.threshold) == ("no_code", None)
    assert from_json(to_json(replace(placement, mode="script", threshold=0.25)), Placement).threshold == 0.25
    assert from_json({"run_id": "bank-1-a1", "model": "bank:1"}, Version).mode == "no_code"


def test_a_failed_deployment_is_told_with_the_service_s_own_words_and_the_end_of_its_log() -> None:
    world = World()
    world.azureml.fail_deployments = True
    world.azureml.deployment_error = "(ResourceNotReady) User container has crashed or terminated"
    run_id = drop(world)
    tick(world, 60)
    problem = world.run(run_id).problem
    assert problem is not None
    assert problem.code == "deployment-failed"
    assert "User container has crashed" in problem.message
    assert "worker timed out" in problem.message


def test_an_image_that_cannot_be_built_is_told_as_that() -> None:
    world = World()
    world.azureml.fail_deployments = True
    world.azureml.deployment_error = (
        "(ImageBuildFailure) Image build failed. Its log: container 'azureml', path 'ImageLogs/1.txt'"
    )
    run_id = drop(world)
    tick(world, 60)
    problem = world.run(run_id).problem
    assert problem is not None
    assert problem.code == "image-build-failed"
    assert "ImageLogs/1.txt" in problem.message
    assert "no_code" in (problem.remedy or "")


def test_a_model_that_tells_no_packages_ends_its_run_with_the_way_out() -> None:
    world = World()

    def unknown(child: str) -> str:
        raise Upstream(
            f"The packages of {child} are not known.", code="no-environment", remedy="DEPLOYMENT_MODE=no_code"
        )

    world.azureml.register_environment = unknown  # type: ignore[method-assign]
    run_id = drop(world)
    tick(world, 60)
    problem = world.run(run_id).problem
    assert problem is not None
    assert (state(world, run_id), problem.code) == ("failed", "no-environment")


def test_an_endpoint_that_has_the_live_model_is_never_to_be_deleted() -> None:
    world = World()
    drop(world, "A")
    tick(world)
    endpoint = only_endpoint(world)
    ready = world.azureml._ready
    endpoint |= {"state": "Failed", "wanted": dict(endpoint["traffic"])}
    world.azureml._ready = lambda thing: not thing.startswith("endpoint") and ready(thing)  # type: ignore[method-assign]
    world.azureml.begin_traffic = lambda endpoint, traffic: None  # type: ignore[method-assign]
    second = drop(world, "B")
    tick(world)
    problem = world.run(second).problem
    assert problem is not None
    assert problem.code == "endpoint-failed"
    assert "It has the live model: don't delete it" in problem.message
    assert "Delete" not in problem.remedy
    assert "az ml online-endpoint update" in problem.remedy
    assert f"/api/runs/{second}/retry" in problem.remedy
