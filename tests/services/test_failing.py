"""A training that fails is explained at once: sentence, remedy, code, the trial's own words, the end of its log."""

from __future__ import annotations

import pytest

from shared.domain.errors import Transient, Upstream
from shared.domain.run.parts import FailedTrial, RunProblem, Trial
from shared.services.run import loop
from tests.services.test_lifecycle import drop, tick
from tests.services.test_time import HOUR, training
from tests.support.memory import World


def failed(world: World, run_id: str) -> RunProblem:
    """After one tick: explained within one."""
    loop.tick(world.context)
    problem = world.run(run_id).problem
    assert problem is not None
    return problem


def broken(status: str = "Failed", said: str = "KeyError: 'age'") -> tuple[World, str]:
    world = World()
    run_id = training(world)
    world.azureml.job_status[run_id] = status
    world.azureml.job_errors[run_id] = said
    return world, run_id


def test_the_trial_s_own_message_and_the_end_of_its_log_are_told() -> None:
    world, run_id = broken(said="No trial completed. See the trials.")
    world.azureml.failed_trials[run_id] = Trial(
        f"{run_id}_2", "SVM", None, "Failed", error="No space left on device"
    )
    world.azureml.job_logs[f"{run_id}_2"] = "x" * 9000 + "the last line"
    problem = failed(world, run_id)
    assert problem.code == "no-trial-completed"
    assert (
        problem.message
        == "Every trial failed, so that there is no model. Azure ML says: No trial completed. See the trials."
    )
    assert problem.trial == FailedTrial(f"{run_id}_2", "SVM", "No space left on device")
    assert problem.log_tail.endswith("the last line")
    assert len(problem.log_tail) == 4000
    assert world.run(run_id).trials[-1].error == "No space left on device"


def test_the_trial_explains_what_the_job_does_not() -> None:
    world, run_id = broken(said="The job failed and the service gave no reason.")
    world.azureml.failed_trials[run_id] = Trial(
        f"{run_id}_2", "SVM", None, "Failed", error="No space left on device"
    )
    world.azureml.job_logs[run_id] = "the job's own log"
    problem = failed(world, run_id)
    assert (problem.code, problem.log_tail) == ("disk-full", "the job's own log")


def test_what_nothing_explains_is_told_in_the_service_s_words() -> None:
    world, run_id = broken()
    problem = failed(world, run_id)
    assert problem.code == "training-failed"
    assert "KeyError: 'age'" in problem.message
    assert problem.remedy


def test_a_log_that_can_not_be_read_and_trials_that_can_not_be_listed_hold_nothing_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, run_id = broken()

    def away(*_: object, **__: object) -> object:
        raise Transient("The service can't be reached.")

    monkeypatch.setattr(world.azureml, "job_log", away)
    monkeypatch.setattr(world.azureml, "trials", away)
    problem = failed(world, run_id)
    assert (problem.code, problem.log_tail, problem.trial) == ("training-failed", "", None)


def test_a_job_that_somebody_cancelled_in_azure_is_told_as_that() -> None:
    world, run_id = broken("Canceled")
    assert failed(world, run_id).code == "training-cancelled"


def test_a_job_that_never_got_a_machine_is_cancelled_and_told_as_that_within_one_tick() -> None:
    world, run_id = broken("Queued")
    world.clock.now += 60 + HOUR + 1
    problem = failed(world, run_id)
    assert problem.code == "job-never-started"
    assert "still Queued after 61 minutes" in problem.message
    assert world.azureml.cancelled == [run_id]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("submit job: The compute target 'x' was not found in the workspace.", "compute-missing"),
        ("submit job: a total vCPU quota of 0 and cannot accomodate", "quota-exceeded"),
        ("submit job: something else", "upstream-error"),
    ],
)
def test_a_refusal_at_submission_is_explained_too(
    said: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()

    def refused(*_: object) -> None:
        raise Upstream(said)

    monkeypatch.setattr(world.azureml, "submit", refused)
    run_id = drop(world, "A")
    for _ in range(6):
        tick(world, 1)
        world.clock.now += 3
    problem = world.run(run_id).problem
    assert problem is not None
    assert problem.code == code
    assert said in problem.message


def test_the_job_of_a_run_that_is_overdue_is_ended_and_a_long_one_has_its_time() -> None:
    world = World(open_run_hours=0.5)
    run_id = training(world)

    def away(_: str) -> None:
        raise Transient("The service can't be reached.")

    world.azureml.job = away  # type: ignore[method-assign, assignment]
    world.clock.now += HOUR  # more than is usual, less than this training may take
    loop.tick(world.context)
    assert str(world.run(run_id).state) == "training"
    world.clock.now += 120
    problem = failed(world, run_id)
    assert problem.code == "stuck"
    assert world.azureml.cancelled == [run_id]
