"""What stands between a deployment and its traffic: smoke test, gate, canary, one at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.domain.run.states import State
from shared.services.run import loop
from shared.services.run.ports import Endpoint
from shared.services.run.traffic import traffic_is
from tests.services.test_lifecycle import CONFIG, SCHEMA, drop, state, tick
from tests.support.memory import World


def endpoint(**traffic: int) -> Endpoint:
    return Endpoint("bank-abc123", "Succeeded", "http://x/score", traffic, "key")


def test_traffic_of_nothing_is_no_traffic() -> None:
    assert traffic_is(endpoint(m1=0, m2=100), {"m2": 100})
    assert traffic_is(endpoint(m2=100), {"m2": 100})
    assert not traffic_is(endpoint(m1=10, m2=90), {"m2": 100})
    assert not traffic_is(endpoint(), {"m2": 100})


@pytest.mark.parametrize("answers", [["no"], ["no", "yes", "no"], [], ["no", "maybe"], ["maybe", "maybe"]])
def test_a_deployment_that_answers_too_little_too_much_or_strange_labels_is_taken_down(
    answers: list[str],
) -> None:
    world = World()
    world.scorer.labels = lambda *_: answers  # type: ignore[method-assign]
    run_id = drop(world)
    tick(world)
    problem = world.run(run_id).problem
    assert problem is not None
    assert problem.code == "smoke-failed"
    assert str(answers) in problem.message
    (made,) = world.azureml.endpoints.values()
    assert made["deployments"] == {}


def test_labels_that_differ_in_spelling_only_pass_the_smoke_test() -> None:
    world = World()
    schema = replace(SCHEMA, classes=("False", "True"))
    world.scorer.labels = lambda e, d, c, rows: ["true"] * len(rows)  # type: ignore[method-assign, assignment]
    run_id = drop(world, schema=schema)
    tick(world)
    assert world.run(run_id).state is not State.FAILED


def test_the_smoke_test_asks_the_examples_in_the_columns_order() -> None:
    world, seen = World(), []
    real = world.scorer.labels

    def labels(e: Any, d: str, columns: list[str], rows: list[list[Any]]) -> list[str]:
        seen.append((d, columns, rows))
        return real(e, d, columns, rows)

    world.scorer.labels = labels  # type: ignore[method-assign, assignment]
    drop(world)
    tick(world)
    assert seen[0] == ("m1-a1", ["x"], [[1], [2]])


def test_an_older_run_that_comes_late_is_superseded() -> None:
    world = World()
    drop(world, "A")
    tick(world)
    late = drop(world, "B")
    world.azureml.job_status[late] = "Running"
    tick(world, 4)
    newer = drop(world, "C")
    tick(world)
    assert state(world, newer) == "live"
    world.azureml.job_status[late] = "Completed"
    tick(world)
    run = world.run(late)
    assert run.state is State.REJECTED
    assert run.gate is not None
    assert (run.gate.decision, run.gate.reason) == (
        "reject",
        f"superseded: {newer} is newer and already live",
    )
    assert run.gate.numbers is None


def test_a_share_of_nothing_goes_straight_to_live_and_one_of_everything_is_watched() -> None:
    for percent, split in ((0, None), (100, {"m2-a1": 100})):
        world = World(canary_percent=percent, canary_seconds=30)
        drop(world, "A")
        tick(world)
        second = drop(world, "B")
        tick(world, 12)
        assert state(world, second) == ("live" if split is None else "canary")
        if split:
            assert world.serving("bank").traffic == split
            tick(world, 60)
            assert state(world, second) == "live"


def test_what_the_gate_saw_is_kept_and_told_in_the_ledger() -> None:
    world = World()
    world.scorer.error_rate = {"m1-a1": 0.2, "m2-a1": 0.05}
    first = drop(world, "A")
    tick(world)
    second = drop(world, "B")
    tick(world)
    gate = world.run(second).gate
    assert gate is not None
    assert (gate.champion_run, gate.decision, gate.smoke) == (first, "promote", ("no", "yes"))
    assert gate.numbers is not None
    assert gate.numbers.rows == 1000
    assert any(gate.reason in line for line in world.store.ledger(second) if gate.reason)
    alone = world.run(first).gate
    assert alone is not None
    assert alone.champion_run is None
    assert '"event":"gate"' in "".join(world.store.ledger(first))


def test_the_gate_asks_for_so_many_rows_and_no_more() -> None:
    world, asked = World(), []
    real = world.data.draw_holdout

    def draw(path: str, schema: Any, limit: int) -> Any:
        asked.append((path, limit))
        return real(path, schema, limit)

    world.data.draw_holdout = draw  # type: ignore[method-assign]
    run_id = drop(world)
    context = replace(world.context, gate_rows=50)
    for _ in range(20):
        loop.tick(context)
        world.clock.now += 1
    assert asked == [("bank/A/holdout", 50)]
    gate = world.run(run_id).gate
    assert gate is not None
    assert gate.numbers is not None
    assert gate.numbers.rows == 50


def test_a_regression_is_judged_by_numbers() -> None:
    world = World()
    schema = replace(SCHEMA, classes=())
    world.scorer.labels = lambda e, d, c, rows: [str(row[0]) for row in rows]  # type: ignore[method-assign, assignment]
    world.data.draw_holdout = lambda *_: ([[x] for x in range(200)], [str(x) for x in range(200)])  # type: ignore[method-assign, assignment]
    ids = []
    for content in "AB":
        ids.append(drop(world, content, schema=schema, config=replace(CONFIG, task="regression")))
        tick(world)
    assert [state(world, run_id) for run_id in ids] == ["retired", "live"]
    gate = world.run(ids[1]).gate
    assert gate is not None
    assert gate.numbers is not None
    assert (gate.numbers.metric, gate.numbers.challenger, gate.numbers.champion) == ("r2_score", 1.0, 1.0)


@pytest.mark.parametrize("classes", [("1.1", "1.10"), ("01", "1"), ("True", "true")])
def test_classes_that_numbers_or_truth_values_would_merge_are_judged_apart(classes: tuple[str, str]) -> None:
    """A model that always says the first of them is no better than guessing."""
    world = World()
    world.scorer.labels = lambda e, d, c, rows: [classes[0]] * len(rows)  # type: ignore[method-assign, assignment]
    world.data.draw_holdout = lambda *_: ([[x] for x in range(200)], [classes[x % 2] for x in range(200)])  # type: ignore[method-assign, assignment]
    run_id = drop(world, schema=replace(SCHEMA, classes=classes))
    tick(world)
    gate = world.run(run_id).gate
    assert gate is not None
    assert gate.numbers is not None
    assert (gate.decision, gate.numbers.challenger) == ("reject", 0.5)
