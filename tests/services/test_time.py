"""Clocks that jump, computers that sleep, hosts that disagree: no run ends for it, and real waiting still does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared.domain.documents import to_json
from shared.domain.run.ledger import Verification, verify
from shared.services.run import loop
from shared.services.run.pulse import PATH, REST_SECONDS, Beat, Pulse
from tests.services.test_bad_cloud import until
from tests.services.test_lifecycle import drop, state, tick
from tests.support.memory import World
from tests.support.upkeep import app_schedule, untrained

HOUR = 3600.0


def training(world: World) -> str:
    run_id = drop(world)
    world.azureml.job_status[run_id] = "Running"
    until(world, run_id, "training")
    tick(world, 3)
    return run_id


class TestAJump:
    @pytest.mark.parametrize("seconds", [HOUR, 30 * HOUR, -600.0])
    @pytest.mark.parametrize("new_process", [False, True])
    def test_during_training_ends_no_run(self, seconds: float, new_process: bool) -> None:
        world = World()
        run_id = training(world)
        world.jump(seconds)
        if new_process:
            world.restart()
        tick(world, 20)
        assert state(world, run_id) == "training"
        del world.azureml.job_status[run_id]
        tick(world, 40)
        assert state(world, run_id) == "live"
        assert world.azureml.cancelled == []

    @pytest.mark.parametrize("seconds", [HOUR, -600.0])
    def test_is_told(self, seconds: float) -> None:
        world = World()
        training(world)
        tick(world, 20)
        world.jump(seconds)
        tick(world, 20)
        (told,) = [line for line in world.logged if "clock has jumped" in line["what"]]
        assert told["seconds"] == seconds

    def test_of_the_clock_during_a_canary_neither_shortens_nor_stretches_it(self) -> None:
        for seconds in (HOUR, -600.0):
            world = World(canary_seconds=20)
            drop(world, "A")
            tick(world)
            run_id = drop(world, "B")
            until(world, run_id, "canary")
            tick(world, 4)
            world.jump(seconds)
            tick(world, 8)
            assert state(world, run_id) == "canary"
            tick(world, 20)
            assert state(world, run_id) == "live"

    def test_back_lets_refusals_count_all_the_same(self) -> None:
        world = World()
        run_id = drop(world)

        def refuse(*_: Any) -> Any:
            raise KeyError("status")

        world.azureml.submit = refuse  # type: ignore[method-assign, assignment]
        tick(world, 4)
        world.jump(-600)
        tick(world, 12)
        assert state(world, run_id) == "failed"


def test_a_job_that_really_takes_too_long_is_cancelled_and_explained_within_one_tick() -> None:
    world = World()
    run_id = training(world)
    world.clock.now += 60 + HOUR + 1
    tick(world, 1)
    problem = world.run(run_id).problem
    assert problem is not None
    assert problem.code == "training-timeout"
    assert "61 minutes" in problem.message
    assert world.azureml.cancelled == [run_id]


class TestTwoHosts:
    def test_whose_clocks_differ_by_five_minutes_wait_the_same(self) -> None:
        world = World(canary_seconds=60)
        here, there = world.pulse, None
        drop(world, "A")
        tick(world)
        run_id = drop(world, "B")
        there = Pulse(world.store, lambda: world.clock.now + 300, world.log, lambda: world.clock.now)
        seen: list[str] = []
        for number in range(200):
            world.pulse = there if number % 2 else here
            world.clock.now += (300 if number % 2 else -300) if number else 0
            loop.tick(world.context)
            world.clock.now += 1
            seen.append(state(world, run_id))
        assert 40 <= seen.count("canary") <= 90
        assert seen[-1] == "live"


class TestThePulse:
    def pulse(self, world: World, now: list[float]) -> Pulse:
        return Pulse(world.store, lambda: now[0], world.log, lambda: now[0])

    def test_goes_on_where_another_process_left_it(self) -> None:
        world, now = World(), [1000.0]
        first = self.pulse(world, now)
        first.beat()
        now[0] += 60
        assert self.pulse(world, now).now() == first.now() == 1060.0

    def test_counts_little_of_what_passed_while_nobody_looked(self) -> None:
        world, now = World(), [1000.0]
        self.pulse(world, now).beat()
        now[0] += 8 * HOUR
        assert self.pulse(world, now).now() == 1000.0 + REST_SECONDS

    def test_never_goes_back(self) -> None:
        world, now = World(), [1000.0]
        self.pulse(world, now).beat()
        now[0] -= 600
        assert self.pulse(world, now).now() == 1000.0

    def test_takes_up_what_another_host_has_counted(self) -> None:
        world, now = World(), [1000.0]
        pulse = self.pulse(world, now)
        pulse.beat()
        world.store.write(PATH, Beat(1500.0, 1000.0))
        now[0] += 20
        pulse.beat()
        assert pulse.now() == 1500.0

    @pytest.mark.parametrize("text", ["{", "[]", '{"active": "now"}'])
    def test_that_cannot_be_read_stops_nothing(self, text: str) -> None:
        world = World()
        world.docs.blobs[PATH] = (text, '"x"')
        run_id = drop(world)
        tick(world)
        assert state(world, run_id) == "live"
        assert to_json(world.store.read(PATH, Beat))["active"] > 0

    def test_is_written_seldom(self) -> None:
        world = World()
        training(world)
        writes = len([label for label in world.points.seen if label.endswith(("create", "replace"))])
        tick(world, 12)
        more = [label for label in world.points.seen if label.endswith(("create", "replace"))]
        assert len(more) - writes <= 1


class TestSchedules:
    def retrained(self, world: World, minute: str) -> list[str]:
        return app_schedule(world, f"2026-01-05T{minute}")

    @pytest.fixture
    def world(self) -> World:
        world = World()
        drop(world)
        tick(world)
        untrained(world)
        world.clock.now += HOUR
        return world

    def test_two_hosts_with_clocks_five_minutes_apart_retrain_once(self, world: World) -> None:
        assert self.retrained(world, "03:00") == ["bank-3-a1"]
        tick(world, 60)
        world.clock.now += 240
        assert self.retrained(world, "03:05") == []

    def test_a_clock_that_goes_back_retrains_once(self, world: World) -> None:
        assert self.retrained(world, "03:00") == ["bank-3-a1"]
        tick(world, 60)
        world.jump(-600)
        assert self.retrained(world, "02:51") == []
        assert self.retrained(world, "03:00") == []

    @pytest.mark.parametrize("missed", [0, 1, 50])
    def test_however_many_were_missed_one_catches_up(self, world: World, missed: int) -> None:
        world.jump(missed * 24 * HOUR)
        world.restart()
        assert self.retrained(world, "03:00") == ["bank-3-a1"]
        assert self.retrained(world, "03:01") == []
        tick(world, 60)
        assert [run.cause for run in world.runs()] == ["drop", "drop", "retrain"]

    def test_the_next_one_is_another(self, world: World) -> None:
        self.retrained(world, "03:00")
        tick(world, 60)
        world.clock.now += 24 * HOUR
        untrained(world, "C")
        assert self.retrained(world, "03:00 a day later") == ["bank-5-a1"]


def test_two_hosts_that_tick_together_do_everything_once() -> None:
    world = World(canary_seconds=5)
    world.data.holdout = 100
    ids = [drop(world, dataset=f"d{n}") for n in range(6)]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(60):
            contexts = [world.context, world.context]
            list(pool.map(loop.tick, contexts))
            world.clock.now += 1
    assert {state(world, run_id) for run_id in ids} == {"live"}
    assert world.azureml.submissions == len(world.azureml.models) == 6
    for run_id in ids:
        run = world.run(run_id)
        assert verify(world.store.ledger(run_id), run.ledger_head, run.pending) == Verification()


@pytest.mark.parametrize("missed", [1, 10, 50])
def test_ticks_that_were_missed_cost_time_alone(missed: int) -> None:
    world = World(canary_seconds=30)
    drop(world, "A")
    tick(world, 60)
    run_id = drop(world, "B")
    for _ in range(30):
        tick(world, 1)
        world.clock.now += missed * 60
    assert state(world, run_id) == "live"
    assert world.azureml.submissions == 2
