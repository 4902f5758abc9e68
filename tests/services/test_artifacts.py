"""Charts, explanation and guardrails are fetched once, when a training ends; and what can't be fetched stops nothing."""

from __future__ import annotations

import json

import pytest

from shared.domain.errors import NotFound, Transient
from shared.services.run import artifacts, run_logs
from tests.domain.test_charts import table
from tests.services.test_lifecycle import drop, tick
from tests.support.memory import World

ROWS = [(i % 3 == 0, (i % 10) / 10) for i in range(60)]
FAULT = {
    "friendly_type": "Class balancing detection",
    "result": "ALERTED",
    "friendly_result": "Fix the balance.",
    "friendly_learn_more": "Learn more",
    "friendly_parameters": [{"Size of the smallest class": "3"}, "no table"],
}


def written(world: World, child: str, job: str) -> None:
    """What the service writes of a training."""
    place = "explanation/1a2b3c4d"
    world.files.texts[child] = {
        "accuracy_table": json.dumps(table(ROWS)),
        "confusion_matrix": "not json",
        "explanation/00000000/rich_metadata.interpret.json": json.dumps({"is_raw": False}),
        "explanation/00000000/global_names/0.interpret.json": json.dumps(["age_bin"]),
        "explanation/00000000/global_values/0.interpret.json": json.dumps([9.0]),
        f"{place}/rich_metadata.interpret.json": json.dumps({"is_raw": True}),
        f"{place}/global_names/0.interpret.json": json.dumps(["age"]),
        f"{place}/global_names/1.interpret.json": json.dumps(["city"]),
        f"{place}/global_values/0.interpret.json": json.dumps([0.25]),
        f"{place}/global_values/1.interpret.json": json.dumps([0.5]),
    }
    world.files.texts[job] = {"outputs/verifier_results.json": json.dumps({"faults": [FAULT, 7]})}


def trained() -> tuple[World, str, str]:
    world = World()
    run_id = drop(world, "A")
    names = [f"{run_id}_{at}" for at in range(5)]
    for name in names:
        written(world, name, run_id)
    tick(world)
    best = world.run(run_id).best
    assert best is not None
    return world, run_id, best.name


def test_what_the_service_left_is_kept_and_outlives_the_job() -> None:
    world, run_id, best = trained()
    world.files.texts.clear()
    found = artifacts.charts_of(run_id, best, None, world.store)
    assert [each.label for each in found.classes] == ["yes"]
    assert found.confusion is None
    explained = artifacts.explanation_of(run_id, world.store)
    assert [(each.feature, each.value) for each in explained.features] == [("city", 0.5), ("age", 0.25)]
    (guardrail,) = artifacts.guardrails_of(run_id, world.store).guardrails
    assert (guardrail.result, guardrail.details) == ("ALERTED", ({"Size of the smallest class": "3"},))


def test_it_is_fetched_in_one_step_and_no_more() -> None:
    world, run_id, best = trained()
    reads = len(world.files.reads)
    tick(world, 10)
    artifacts.charts_of(run_id, best, world.files, world.store)
    assert len(world.files.reads) == reads


def test_another_trial_is_fetched_at_the_first_look() -> None:
    world, run_id, best = trained()
    other = next(t.name for t in world.run(run_id).trials if t.name != best)
    assert artifacts.charts_of(run_id, other, world.files, world.store).trial == other
    world.files.texts.clear()
    assert artifacts.charts_of(run_id, other, world.files, world.store).classes
    with pytest.raises(NotFound):
        artifacts.charts_of(run_id, "nobody", world.files, world.store)


def test_what_cannot_be_fetched_stops_nothing() -> None:
    world = World()
    world.files.broken = Transient("storage can't be reached")
    run_id = drop(world, "A")
    tick(world)
    assert world.run(run_id).state == "live"
    assert {"charts could not be fetched", "explanation could not be fetched"} <= {
        e["what"] for e in world.logged
    }
    for ask in (artifacts.explanation_of, artifacts.guardrails_of):
        with pytest.raises(NotFound) as caught:
            ask(run_id, world.store)
        assert caught.value.error_code == "not-kept"


def test_an_artifact_beyond_the_bound_is_left_where_it_is() -> None:
    world = World()
    run_id = drop(world, "A")
    for at in range(5):
        world.files.texts[f"{run_id}_{at}"] = {"accuracy_table": " " * (artifacts.MOST_BYTES + 1)}
    tick(world)
    assert world.run(run_id).state == "live"
    assert not list(world.docs.list(f"artifacts/{run_id}/charts/"))


def test_the_log_that_tells_most() -> None:
    world, run_id, _ = trained()
    found = run_logs.log_of(run_id, world.context)
    assert (found.of, found.log) == ("deployment m1-a1", "worker timed out")
