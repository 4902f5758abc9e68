"""What training may cost: caps, places, compute and quota hold runs visibly and lose none; of rapid drops the newest trains."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from itertools import pairwise

import pytest

from shared.domain.errors import Transient
from shared.domain.run.cost import Compute
from shared.domain.run.ledger import Verification, verify
from shared.domain.run.states import State
from shared.domain.spend import Caps, Spend
from shared.services.run import loop, superseding
from shared.services.run.guardrails import Guardrails, Throttle
from tests.services.test_bad_cloud import until
from tests.services.test_lifecycle import CONFIG, drop, state, tick
from tests.support import sweeps
from tests.support.memory import Crash, World

DAY = 86400.0


def guarded(**rails: object) -> World:
    world = World()
    world.guardrails = Guardrails(freed=Throttle(0.0), **rails)  # type: ignore[arg-type]
    return world


def spend(world: World) -> Spend:
    return world.store.read("spend.json", Spend) or Spend()


def _away(*_: object) -> None:
    raise Transient("storage is away")


def held_lines(world: World, run_id: str) -> list[str]:
    lines = [json.loads(line) for line in world.store.ledger(run_id)]
    return [str(line["detail"]["code"]) for line in lines if line["event"] == "held"]


class TestCaps:
    def test_what_a_dataset_may_train_a_day_is_trained_and_the_rest_waits_until_tomorrow(self) -> None:
        world = guarded()
        config = replace(CONFIG, daily_runs=2)
        runs = []
        for content in "ABC":
            runs.append(drop(world, content, config=config))
            tick(world, 30)
        assert [state(world, run_id) for run_id in runs] == ["retired", "live", "registered"]
        waiting = world.run(runs[2])
        assert waiting.held is not None
        assert waiting.held.code == "cap-reached"
        assert "2 of 2 trainings of the dataset bank were begun today" in str(waiting.waits_for)
        assert held_lines(world, runs[2]) == ["cap-reached"], "told once, however often it is looked at"
        world.clock.now += DAY
        tick(world, 30)
        assert [state(world, run_id) for run_id in runs] == ["retired", "retired", "live"]
        assert world.run(runs[2]).held is None

    def test_trouble_in_between_tells_nobody_a_second_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = guarded(caps=Caps(runs=1))
        drop(world, "A")
        tick(world, 30)
        run_id = drop(world, "B")
        tick(world, 3)
        for _ in range(3):
            with monkeypatch.context() as patch:
                patch.setattr(superseding, "take_place", _away)
                tick(world, 1)
            assert world.run(run_id).held is not None
            tick(world, 2)
        assert held_lines(world, run_id) == ["cap-reached"]
        world.clock.now += DAY
        tick(world, 30)
        assert state(world, run_id) == "live"

    def test_a_day_of_waiting_is_no_standstill(self) -> None:
        world = guarded(caps=Caps(runs=1))
        drop(world, "A")
        second = drop(world, "B", dataset="wine")
        tick(world, 20)
        world.clock.now += 0.9 * DAY
        tick(world, 5)
        assert state(world, second) in ("registered", "live")
        world.clock.now += DAY
        tick(world, 30)
        assert state(world, second) == "live"

    def test_minutes_are_counted_whole_before_and_as_they_were_afterwards(self) -> None:
        world = guarded(caps=Caps(minutes=100))
        world.azureml.patience = 4
        drop(world, "A", config=replace(CONFIG, timeout_minutes=60))
        second = drop(world, "B", dataset="wine", config=replace(CONFIG, timeout_minutes=60))
        tick(world, 1)
        assert (state(world, second), spend(world).minutes) == ("registered", {"bank": 60.0})
        tick(world, 30)
        assert state(world, second) == "live", "the first one took seconds of its hour"
        assert spend(world).minutes["bank"] < 1

    def test_a_cap_of_the_app_holds_whatever_the_datasets_say(self) -> None:
        world = guarded(caps=Caps(runs=3))
        for n in range(6):
            drop(world, "A", dataset=f"d{n}")
        tick(world, 30)
        assert world.azureml.submissions == 3
        assert [run.state for run in world.runs()].count(State.REGISTERED) == 3

    def test_two_hosts_together_exceed_nothing(self) -> None:
        world = guarded(caps=Caps(runs=5), places=4)
        for n in range(12):
            drop(world, "A", dataset=f"d{n:02}")
        hosts = [threading.Thread(target=lambda: loop.tick(world.context)) for _ in range(4)]
        for host in hosts:
            host.start()
        for host in hosts:
            host.join()
        assert world.azureml.submissions <= 5
        tick(world, 40)
        assert world.azureml.submissions == 5
        assert sum(spend(world).runs.values()) == 5

    def test_a_host_that_dies_anywhere_counts_it_once(self) -> None:
        for point in sweeps.places():
            world = guarded(caps=Caps(runs=1))
            run_id = drop(world, "A")
            world.points.die_at = 2 * len(world.points.seen) + point
            died = False
            for _ in range(40):
                try:
                    loop.tick(world.context)
                except Crash:
                    died, world.points.die_at = True, None
                    world.restart()
                world.clock.now += 1
            assert state(world, run_id) == "live", point
            assert sum(spend(world).runs.values()) == world.azureml.submissions == 1, point
            if not died:
                break
        assert point > 20

    def test_a_count_that_cannot_be_read_is_begun_anew(self) -> None:
        world = guarded(caps=Caps(runs=1))
        world.docs.blobs["spend.json"] = ("{", '"0"')
        run_id = drop(world, "A")
        tick(world, 30)
        assert state(world, run_id) == "live"
        assert sum(spend(world).runs.values()) == 1


def test_no_more_train_at_a_time_than_there_are_places_and_all_do() -> None:
    world = guarded(places=2)
    world.azureml.patience = 3
    runs = [drop(world, "A", dataset=f"d{n}") for n in range(7)]
    for _ in range(60):
        loop.tick(world.context)
        world.clock.now += 1
        training = [run for run in world.runs() if run.state is State.TRAINING]
        assert len(training) <= 2
        assert len(spend(world).open) <= 2
    assert {state(world, run_id) for run_id in runs} == {"live"}
    assert {code for run_id in runs for code in held_lines(world, run_id)} == {"trainings-full"}


class TestComputeAndQuota:
    @pytest.mark.parametrize(
        ("compute", "code"),
        [
            (Compute("cpu", exists=False), "compute-missing"),
            (Compute("cpu", vm_size="S", vcpus=4, quota=0, family="standardDSv2Family"), "quota-missing"),
        ],
    )
    def test_what_is_missing_holds_the_run_until_it_is_there(self, compute: Compute, code: str) -> None:
        there = [compute]
        world = guarded(look=lambda: there[0])
        run_id = drop(world)
        tick(world, 10)
        held = world.run(run_id).held
        assert (state(world, run_id), held and held.code) == ("registered", code)
        assert held is not None
        assert held.remedy
        assert world.azureml.submissions == 0
        there[0] = Compute("cpu", vm_size="S", vcpus=4, nodes=2, quota=8, family="standardDSv2Family")
        tick(world, 30)
        run = world.run(run_id)
        assert (run.state, run.held) == ("live", None)
        assert run.cost is not None
        assert run.cost.sentence.startswith("at most")
        assert verify(world.store.ledger(run_id), run.ledger_head, run.pending) == Verification()


class TestRapidDrops:
    @pytest.mark.parametrize("between", [0, 1, 3])
    def test_of_ten_in_a_minute_the_newest_trains_and_the_others_say_why_not(self, between: int) -> None:
        world = guarded(drop_settle_seconds=60)
        world.azureml.patience = 8
        runs = []
        for content in "ABCDEFGHIJ":
            runs.append(drop(world, content))
            tick(world, between)
        tick(world, 80)
        assert [state(world, run_id) for run_id in runs] == ["cancelled"] * 9 + ["live"]
        for run_id, newer in pairwise(runs):
            problem = world.run(run_id).problem
            assert problem is not None
            assert problem.code == "superseded"
            assert problem.message.endswith("a newer file was dropped before this one was trained.")
            assert newer in problem.message or runs[-1] in problem.message
        begun = set(world.azureml.jobs) - {runs[-1]}
        assert {world.azureml.job_status.get(name) for name in begun} <= {"Canceled"}

    def test_one_that_came_later_leaves_the_older_one_alone(self) -> None:
        world = guarded(drop_settle_seconds=60)
        world.azureml.patience = 100
        first = drop(world, "A")
        tick(world, 61)
        drop(world, "B")
        tick(world, 10)
        assert state(world, first) == "training"

    def test_of_files_that_wait_for_tomorrow_the_newest_is_trained(self) -> None:
        world = guarded(drop_settle_seconds=1, caps=Caps(runs=1))
        drop(world, "A")
        tick(world, 20)
        waiting = []
        for content in "BCD":
            waiting.append(drop(world, content))
            tick(world, 10)
        assert [state(world, run_id) for run_id in waiting] == ["cancelled", "cancelled", "registered"]
        world.clock.now += DAY
        tick(world, 30)
        assert state(world, waiting[2]) == "live"

    def test_a_refused_file_takes_nobodys_place(self) -> None:
        from shared.domain.run.parts import RunProblem

        world = guarded(drop_settle_seconds=60)
        first = drop(world, "A")
        second = drop(world, "B", RunProblem("no-rows", "There are none."))
        tick(world, 30)
        assert [state(world, run_id) for run_id in (first, second)] == ["live", "quarantined"]


def test_a_clock_that_jumps_for_a_moment_speaks_for_nobody() -> None:
    world = guarded(approval_days=14)
    run_id = drop(world, "A", config=replace(CONFIG, approval="required"))
    until(world, run_id, "awaiting_approval")
    world.jump(15 * DAY)
    tick(world, 2)
    world.jump(-15 * DAY)
    tick(world, 2)
    assert state(world, run_id) == "awaiting_approval"


def test_nobody_waits_for_a_person_for_ever() -> None:
    world = guarded(approval_days=14)
    drop(world, "A")
    tick(world, 30)
    run_id = drop(world, "B", config=replace(CONFIG, approval="required"))
    until(world, run_id, "awaiting_approval")
    world.clock.now += 13 * DAY
    tick(world, 3)
    assert state(world, run_id) == "awaiting_approval"
    world.clock.now += 1.1 * DAY
    tick(world, 5)
    run = world.run(run_id)
    assert run.state == "rejected"
    assert run.gate is not None
    assert run.gate.reason == "nobody said anything within 14 days (APPROVAL_DAYS)"
    (endpoint,) = world.azureml.endpoints.values()
    assert list(endpoint["deployments"]) == ["m1-a1"]
