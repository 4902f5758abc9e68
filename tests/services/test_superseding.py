"""A configuration that comes after its data: the run it starts takes the place of the older one, whose job is cancelled."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from shared.domain.run.ledger import verify
from shared.domain.run.parts import Gate
from shared.domain.run.states import State
from shared.services.run import loop
from tests.support import sweeps
from tests.support.intake_front import Front
from tests.support.memory import Crash

OLD, NEW = "people-1-a1", "people-2-a1"


@pytest.fixture
def front() -> Front:
    """A dropped file whose job goes on until something ends it."""
    front = Front()
    front.world.azureml.job_status[OLD] = "Running"
    front.put("people.csv")
    front.drop("people.csv")
    front.put("people.yaml", "max_trials: 7\n")
    return front


def ticks(front: Front, count: int = 40) -> None:
    for _ in range(count):
        loop.tick(front.world.context)
        front.world.clock.now += 1


def hold(front: Front, state: State, **changes: object) -> None:
    """The old run stands in `state`, as if its steps had brought it there."""
    run, etag = front.world.store.load(OLD)
    front.world.store.save(replace(run, state=state, **changes), etag)  # type: ignore[arg-type]


def test_the_older_run_is_cancelled_with_its_job_and_says_why(front: Front) -> None:
    assert front.world.run(OLD).state is State.TRAINING
    assert front.drop("people.yaml") == NEW
    ticks(front)
    assert front.states() == {OLD: "cancelled", NEW: "live"}
    assert front.world.azureml.cancelled == [OLD]
    problem = front.problem(OLD)
    assert (problem.code, problem.failed_in) == ("superseded", State.TRAINING)
    assert problem.message == f"Superseded by run {NEW}: the configuration came later."
    run, lines = front.world.run(OLD), front.world.store.ledger(OLD)
    assert verify(lines, run.ledger_head, run.pending).broken_at is None
    assert '"cancelled"' in lines[-1]
    assert NEW in lines[-1]
    dataset = front.world.store.dataset("people")
    assert dataset is not None
    assert not dataset.open
    assert dataset.champion == NEW


def test_each_further_change_leaves_the_newest_alone(front: Front) -> None:
    front.world.azureml.job_status[NEW] = "Running"
    front.drop("people.yaml")
    front.put("people.yaml", "max_trials: 8\n")
    front.drop("people.yaml")
    ticks(front)
    assert front.states() == {OLD: "cancelled", NEW: "cancelled", "people-3-a1": "live"}
    assert sorted(front.world.azureml.cancelled) == [OLD, NEW]


def test_hosts_that_die_anywhere_leave_one_run_and_no_job_that_goes_on(front: Front) -> None:
    def story(front: Front, die_at: int | None) -> bool:
        front.world.points.die_at = None if die_at is None else 2 * len(front.world.points.seen) + die_at
        died = True
        with suppress(Crash):
            front.drop("people.yaml")
            ticks(front, 6)
            died = False
        front.world.points.die_at = None
        front.world.restart()
        front.sweep()
        ticks(front, 20)
        return died

    for at in sweeps.places():
        world = Front()
        world.world.azureml.job_status[OLD] = "Running"
        world.put("people.csv")
        world.drop("people.csv")
        world.put("people.yaml", "max_trials: 7\n")
        died = story(world, at)
        assert world.states() == {OLD: "cancelled", NEW: "live"}, at
        assert set(world.world.azureml.cancelled) == {OLD}
        if not died:
            break
    assert at > 20, "there were many places to die at"


@pytest.mark.parametrize("state", [State.DEPLOYING, State.VERIFYING, State.GATE])
def test_a_deployment_that_was_made_goes_with_its_run(front: Front, state: State) -> None:
    front.world.azureml.job_status[OLD] = "Completed"
    while front.world.run(OLD).state is not state:
        loop.step(OLD, front.world.context)
        front.world.clock.now += 0.1
    endpoint = next(iter(front.world.azureml.endpoints.values()))
    assert "m1-a1" in endpoint["deployments"]
    front.drop("people.yaml")
    ticks(front)
    assert front.states() == {OLD: "cancelled", NEW: "live"}
    assert list(endpoint["deployments"]) == ["m2-a1"]


@pytest.mark.parametrize("state", [State.DROPPED, State.VALIDATING, State.REGISTERED, State.MODEL_REGISTERED])
def test_nothing_more_is_begun_for_it(front: Front, state: State) -> None:
    hold(front, state, training=None)
    front.world.azureml.jobs.pop(OLD)
    front.drop("people.yaml")
    ticks(front)
    assert front.states() == {OLD: "cancelled", NEW: "live"}
    assert OLD not in front.world.azureml.jobs


def test_a_job_that_another_host_submits_at_this_moment_is_found_and_cancelled(front: Front) -> None:
    job = front.world.azureml.jobs.pop(OLD)
    hold(front, State.REGISTERED, training=None)
    front.drop("people.yaml")
    loop.step(OLD, front.world.context)
    assert front.world.run(OLD).state is State.REGISTERED, "it may still come"
    front.world.azureml.jobs[OLD] = job
    loop.step(OLD, front.world.context)
    assert front.world.run(OLD).state is State.CANCELLED
    assert front.world.azureml.cancelled == [OLD]


def test_a_model_that_is_being_promoted_goes_on_to_live(front: Front) -> None:
    front.world.azureml.job_status[OLD] = "Completed"
    while front.world.run(OLD).state is not State.GATE:
        loop.step(OLD, front.world.context)
        front.world.clock.now += 0.1
    hold(front, State.GATE, gate=Gate(decision="promote"))
    front.drop("people.yaml")
    ticks(front)
    assert front.states() == {OLD: "retired", NEW: "live"}
    assert not front.world.azureml.cancelled


def test_a_run_of_another_version_of_the_file_is_left_alone(front: Front) -> None:
    front.put("people.csv", "".join(f"{i},{i % 2}\n" if i else "x,y\n" for i in range(200)))
    front.drop("people.csv")
    front.drop("people.yaml")
    assert front.states().keys() == {OLD, NEW}, "it was dropped with the configuration beside it"
    ticks(front, 3)
    assert front.world.run(OLD).state is State.TRAINING
