"""A cloud that lags, answers by halves or lets things fail: waited out, tried once more, told, and seldom a run's end."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from shared.domain.errors import NotFound, Transient, Upstream
from shared.domain.run.documents import Run
from shared.domain.run.ledger import Verification, verify
from shared.domain.run.states import State
from tests.services.test_lifecycle import drop, state, tick
from tests.support import sweeps
from tests.support.memory import Crash, World


def until(world: World, run_id: str, wanted: str) -> Run:
    for _ in range(60):
        if state(world, run_id) == wanted:
            return world.run(run_id)
        tick(world, 1)
    raise AssertionError(f"{run_id} never was {wanted}: {world.run(run_id).problem}")


def stale(world: World, method: str, looks: int) -> list[str]:
    """The first `looks` reads of each thing after it was made find nothing; returns what was asked for."""
    real: Callable[..., Any] = getattr(world.azureml, method)
    missed: dict[tuple[Any, ...], int] = {}
    asked: list[str] = []

    def lagging(*args: Any) -> Any:
        asked.append(str(args))
        found = real(*args)
        if found is not None and missed.get(args, 0) < looks:
            missed[args] = missed.get(args, 0) + 1
            return None
        return found

    setattr(world.azureml, method, lagging)
    return asked


class TestReadsThatLagBehindWrites:
    @pytest.mark.parametrize("method", ["job", "endpoint", "deployment"])
    def test_what_was_just_made_is_waited_for(self, method: str) -> None:
        world = World()
        stale(world, method, 3)
        run_id = drop(world)
        tick(world, 60)
        assert state(world, run_id) == "live"
        assert world.azureml.submissions == 1

    def test_and_told_meanwhile(self) -> None:
        world = World()
        stale(world, "deployment", 3)
        run_id = drop(world)
        until(world, run_id, "deploying")
        tick(world, 1)
        trouble = world.run(run_id).trouble
        assert trouble is not None
        assert "no deployment m1-a1" in trouble.message

    @pytest.mark.parametrize(
        ("method", "in_state", "code"),
        [
            ("job", "training", "job-gone"),
            ("deployment", "deploying", "deployment-failed"),
            ("endpoint", "canary", "endpoint-gone"),
        ],
    )
    def test_what_stays_away_ends_the_run(self, method: str, in_state: str, code: str) -> None:
        world = World(canary_seconds=100)
        drop(world, "A")
        tick(world)
        world.azureml.patience = 3
        run_id = drop(world, "B")
        until(world, run_id, in_state)
        setattr(world.azureml, method, lambda *_: None)
        tick(world, 12)
        problem = world.run(run_id).problem
        assert problem is not None
        assert problem.code == code

    def test_what_was_seen_and_is_missed_once_is_looked_for_again(self) -> None:
        world = World(canary_seconds=30)
        drop(world, "A")
        tick(world)
        run_id = drop(world, "B")
        until(world, run_id, "canary")
        tick(world, 10)
        stale(world, "endpoint", 1)
        tick(world, 60)
        assert state(world, run_id) == "live"

    def test_a_job_whose_data_is_not_known_yet_is_submitted_later(self) -> None:
        world = World()
        submit, refusals = world.azureml.submit, [4]

        def lagging(job: Any) -> None:
            if refusals[0]:
                refusals[0] -= 1
                raise NotFound("There is no data asset bank:1.")
            submit(job)

        world.azureml.submit = lagging  # type: ignore[method-assign]
        run_id = drop(world)
        tick(world, 60)
        assert state(world, run_id) == "live"

    def test_traffic_that_reads_back_old_is_asked_for_again(self) -> None:
        world = World()
        endpoint = world.azureml.endpoint
        old = [5]

        def lagging(name: str) -> Any:
            found = endpoint(name)
            if found is not None and found.traffic and old[0]:
                old[0] -= 1
                return type(found)(found.name, "Succeeded", found.scoring_uri, {}, found.auth_mode)
            return found

        world.azureml.endpoint = lagging  # type: ignore[method-assign]
        run_id = drop(world)
        tick(world, 60)
        assert state(world, run_id) == "live"
        assert world.serving("bank").traffic == {"m1-a1": 100}


class TestASecondAttempt:
    def test_of_a_job_that_the_service_let_fail(self) -> None:
        world = World()
        run_id = drop(world)
        world.azureml.job_status[run_id] = "Failed"
        world.azureml.system_errors.add(run_id)
        tick(world, 60)
        run = world.run(run_id)
        assert run.state is State.LIVE
        assert run.training is not None
        assert run.training.name == "bank-1-a1-r2"
        assert run.repeated == ("job",)
        (note,) = [moment.note for moment in run.history if moment.note]
        assert "bank-1-a1 failed by a fault of the service" in note
        assert "out of memory" in note
        assert world.azureml.models == {"bank:1": "bank-1-a1-r2_1"}
        lines = world.store.ledger(run_id)
        assert verify(lines, run.ledger_head) == Verification()
        assert any('"repeated":"job"' in line for line in lines)

    def test_of_a_job_is_the_last(self) -> None:
        world = World()
        run_id = drop(world)
        for name in (run_id, f"{run_id}-r2"):
            world.azureml.job_status[name] = "Failed"
            world.azureml.system_errors.add(name)
        tick(world, 60)
        problem = world.run(run_id).problem
        assert problem is not None
        assert problem.code == "out-of-memory"
        assert world.azureml.submissions == 2

    def test_is_not_for_what_the_job_itself_did(self) -> None:
        world = World()
        run_id = drop(world)
        world.azureml.job_status[run_id] = "Failed"
        tick(world, 60)
        assert (state(world, run_id), world.azureml.submissions) == ("failed", 1)

    def test_of_a_deployment_killed_while_it_loads(self) -> None:
        world = World()
        world.azureml.failed_deployments.add("m1-a1")
        run_id = drop(world)
        tick(world, 60)
        run = world.run(run_id)
        assert run.state is State.LIVE
        assert run.placement is not None
        assert run.placement.deployment == "m1-a1-r2"
        (endpoint,) = world.azureml.endpoints.values()
        assert endpoint["traffic"] == {"m1-a1-r2": 100}
        assert set(endpoint["deployments"]) == {"m1-a1-r2"}
        assert world.azureml.submissions == 1, "the model is the same"
        assert any(moment.note and "worker timed out" in moment.note for moment in run.history)

    def test_of_a_deployment_is_the_last(self) -> None:
        world = World()
        world.azureml.fail_deployments = True
        run_id = drop(world)
        tick(world, 60)
        problem = world.run(run_id).problem
        assert problem is not None
        assert problem.code == "deployment-failed"
        (endpoint,) = world.azureml.endpoints.values()
        assert endpoint["deployments"] == {}

    def test_of_an_endpoint_that_came_out_as_failed(self) -> None:
        world = World()
        endpoint, failed = world.azureml.endpoint, [True]

        def once(name: str) -> Any:
            found = endpoint(name)
            if found is not None and found.state == "Succeeded" and failed and world.azureml.models != {}:
                failed.clear()
                return type(found)(found.name, "Failed", "", {}, found.auth_mode)
            return found

        world.azureml.endpoint = once  # type: ignore[method-assign]
        run_id = drop(world)
        tick(world, 60)
        assert (state(world, run_id), world.run(run_id).repeated) == ("live", ("endpoint",))

    @pytest.mark.parametrize("fault", ["job", "deployment"])
    def test_dying_at_any_moment_of_it_makes_no_third(self, fault: str) -> None:
        def story(die_at: int | None) -> World:
            world = World()
            world.data.holdout = 100
            if fault == "job":
                world.azureml.job_status["bank-1-a1"] = "Failed"
                world.azureml.system_errors.add("bank-1-a1")
            else:
                world.azureml.failed_deployments.add("m1-a1")
            drop(world)
            world.points.die_at = die_at
            for _ in range(30):
                try:
                    tick(world, 1)
                except Crash:
                    world.points.die_at = None
                    world.restart()
            return world

        points = 2 * len(story(None).points.seen)
        for point in sweeps.part(range(points)):
            world = story(point)
            assert state(world, "bank-1-a1") == "live", point
            assert world.azureml.submissions == (2 if fault == "job" else 1)
            (endpoint,) = world.azureml.endpoints.values()
            assert len(endpoint["deployments"]) == 1


def test_an_endpoint_that_first_answers_500_is_asked_again_before_it_is_taken_down() -> None:
    world = World()
    labels, faults = world.scorer.labels, [2]

    def starting(*args: Any) -> list[str]:
        if faults[0]:
            faults[0] -= 1
            raise Upstream("The container answers 500.")
        return labels(*args)

    world.scorer.labels = starting  # type: ignore[method-assign, assignment]
    run_id = drop(world)
    tick(world, 60)
    assert state(world, run_id) == "live"


class Storm:
    """A cloud of which each call may be throttled, hang, answer by halves, be carried out unheard or read back old."""

    def __init__(self, world: World, seed: int, share: float) -> None:
        self.calm = False
        self._draw, self._share = random.Random(seed), share
        for verb in EFFECTS:
            setattr(world.azureml, verb, self._stormy(getattr(world.azureml, verb), after=True))
        for verb in READS:
            setattr(world.azureml, verb, self._stormy(getattr(world.azureml, verb), after=False))

    def _stormy(self, real: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            drawn = self._draw.random()
            if self.calm or drawn >= self._share:
                return real(*args, **kwargs)
            if after and drawn < self._share / 2:
                real(*args, **kwargs)
            if not after and drawn < self._share / 4 and real.__name__ != "trials":
                return None
            raise Transient("HTTP 503, or an answer that was cut off.")

        return call


EFFECTS = (
    *("register_data", "submit", "register_model", "register_code", "register_environment"),
    *("begin_endpoint", "begin_deployment", "begin_traffic"),
)
READS = ("job", "endpoint", "deployment", "trials")


@pytest.mark.parametrize("seed", range(12))
def test_a_run_comes_through_a_storm_with_everything_once(seed: int) -> None:
    world = World(canary_seconds=5, settle_seconds=60)
    world.data.holdout = 100
    storm = Storm(world, seed, 0.35)
    run_id = drop(world)
    tick(world, 60)
    storm.calm = True
    tick(world, 60)
    run = world.run(run_id)
    assert run.state is State.LIVE, run.problem
    assert world.azureml.submissions == len(world.azureml.models) == len(world.azureml.data) == 1
    assert verify(world.store.ledger(run_id), run.ledger_head) == Verification()
