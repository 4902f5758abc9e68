"""Each state of a run is one event, told by the host that wrote it; what a state measures is a metric."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from shared.domain.run.signals import METRICS, STATE_EVENT, Signal
from shared.domain.run.states import State
from shared.signals_plan import measuring, of_runs
from tests.services.test_acts import rollback
from tests.services.test_lifecycle import drop, state, tick
from tests.support.memory import Crash, World


def of(world: World, run_id: str, name: str) -> list[Signal]:
    return [each for each in world.signals if (each.run_id, each.name) == (run_id, name)]


def two_versions(world: World) -> tuple[str, str]:
    world.scorer.error_rate = {"m1-a1": 0.2, "m2-a1": 0.05}
    first = drop(world, "A")
    tick(world)
    second = drop(world, "B")
    tick(world)
    assert (state(world, first), state(world, second)) == ("retired", "live")
    return first, second


def test_every_state_of_a_run_is_told_once_with_the_one_before_and_how_long_it_lasted() -> None:
    world = World()
    for run_id in two_versions(world):
        told, history = of(world, run_id, STATE_EVENT), world.run(run_id).history
        assert [each.properties["state"] for each in told] == [str(moment.state) for moment in history]
        assert [each.properties["before"] for each in told] == ["", *(str(m.state) for m in history[:-1])]
        lasted = [each.measurements["seconds_in_state_before"] for each in told[1:]]
        assert sum(lasted) == pytest.approx(history[-1].at - history[0].at)
        assert told[-1].properties["model"].startswith("bank:")
        assert {(each.properties["run"], each.properties["dataset"]) for each in told} == {(run_id, "bank")}


def test_going_live_measures_how_long_it_took_and_how_good_it_is() -> None:
    world = World()
    first, second = two_versions(world)
    for run_id in (first, second):
        run = world.run(run_id)
        (took,) = of(world, run_id, "drop_to_live_seconds")
        went_live = next(moment.at for moment in run.history if moment.state == State.LIVE)
        assert took.value == pytest.approx(went_live - run.created_at, abs=0.01)
        (good,) = of(world, run_id, "live_metric")
        assert run.gate is not None
        assert run.gate.numbers is not None
        assert (good.value, good.properties["metric"]) == (
            run.gate.numbers.challenger,
            run.gate.numbers.metric,
        )
    (difference,) = of(world, second, "gate_difference")
    assert (difference.value or 0) > 0
    assert of(world, first, "gate_difference") == []
    assert {each.properties["side"] for each in of(world, second, "canary_calls")} <= {
        "champion",
        "challenger",
    }
    assert {each.name for each in world.signals if each.value is not None} <= set(METRICS)


def test_a_version_that_is_put_back_is_told_again_but_its_way_was_measured_once() -> None:
    world = World()
    first, second = two_versions(world)
    rollback(world)
    tick(world)
    assert (state(world, first), state(world, second)) == ("live", "rolled_back")
    states = [each.properties["state"] for each in of(world, first, STATE_EVENT)]
    assert states[-2:] == ["retired", "live"]
    assert len(of(world, first, "drop_to_live_seconds")) == 1


def test_a_failed_run_is_told_with_its_code() -> None:
    world = World()
    run_id = drop(world, problem=None)
    world.azureml.fail_deployments = True
    tick(world)
    assert state(world, run_id) == "failed"
    last = of(world, run_id, STATE_EVENT)[-1]
    problem = world.run(run_id).problem
    assert problem is not None
    assert (last.properties["state"], last.properties["code"]) == ("failed", problem.code)


def test_whatever_dies_on_the_way_no_state_is_told_twice() -> None:
    calm = World()
    drop(calm)
    tick(calm)
    for die_at in range(0, 2 * len(calm.points.seen), 3):
        world = World()
        run_id = drop(world)
        world.points.die_at = len(world.points.seen) * 2 + die_at
        for _ in range(40):
            try:
                tick(world, 1)
            except Crash:
                world.points.die_at = None
        told = Counter(each.properties["state"] for each in of(world, run_id, STATE_EVENT))
        assert state(world, run_id) == "live"
        assert max(told.values()) == 1, die_at
        assert len(told) >= len(world.run(run_id).history) - 1, "one may go with the process that wrote it"


def test_a_sink_that_fails_costs_the_run_nothing(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    run_id = drop(world)

    def broken() -> Any:
        raise RuntimeError("no sink")

    opened = world.store.load(run_id)[0]
    of_runs(broken, world.log)(opened.record(1.0, "opened"))
    assert "no telemetry could be made of run" in caplog.text


def test_a_metric_carries_its_run_as_its_operation() -> None:
    class Sink:
        def __init__(self) -> None:
            self.kept: list[tuple[Any, ...]] = []

        def track_event(self, name: str, *told: Any, operation: str = "") -> None:
            self.kept.append((name, operation))

        def track_metric(self, name: str, value: float, about: Any = None, *, operation: str = "") -> None:
            self.kept.append((name, value, dict(about), operation))

    sink = Sink()
    measuring(lambda: sink)("drift_psi", 0.5, run="bank-1-a1", moved="age")
    assert sink.kept == [("drift_psi", 0.5, {"run": "bank-1-a1", "moved": "age"}, "bank-1-a1")]
