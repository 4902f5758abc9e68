"""A run that was cancelled by mistake is no dead end: it is tried again, and so are the same bytes dropped again."""

from __future__ import annotations

import pytest

from shared.domain.errors import Conflict
from shared.domain.run.acts import Act
from shared.services.run import retraining
from shared.services.run.acting import asking
from tests.services.test_lifecycle import drop, state, tick
from tests.support.memory import World

ANN = Act("ann", 5.0, "the wrong one")


@pytest.mark.parametrize("ticks", [0, 1, 3])
def test_a_retry_is_the_next_attempt_wherever_it_was_cancelled(ticks: int) -> None:
    world = World()
    run_id = drop(world)
    tick(world, ticks)
    asking.cancel(run_id, ANN, world.context)
    tick(world, 10)
    run = world.run(run_id)
    assert run.state == "cancelled"
    assert run.problem is not None
    assert f"/api/runs/{run_id}/retry" in run.problem.remedy
    again = retraining.retry(run_id, "ann", world.context)
    assert retraining.retry(run_id, "ann", world.context) == again == "bank-1-a2"
    tick(world)
    assert (state(world, run_id), state(world, again)) == ("cancelled", "live")
    assert len(world.azureml.data) == 1, "its data are registered once"


def test_the_same_file_dropped_again_is_the_next_attempt() -> None:
    world = World()
    run_id = drop(world)
    tick(world, 3)
    asking.cancel(run_id, ANN, world.context)
    tick(world, 10)
    world.clock.now += 60
    again = world.store.claim(
        "bank",
        world.run(run_id).key,
        lambda n, a: retraining.derive(
            world.run(run_id), n, a, key=world.run(run_id).key, cause="drop", actor="bob", at=world.clock()
        ),
        delivery="another etag",
        brings_data=True,
    )
    assert again == ("bank-1-a2", True)


def test_what_is_under_way_is_no_case_for_a_retry_and_says_what_to_look_at() -> None:
    world = World()
    run_id = drop(world)
    tick(world, 3)
    with pytest.raises(Conflict) as refused:
        retraining.retry(run_id, "ann", world.context)
    assert run_id in refused.value.remedy
    assert refused.value.error_code == "not-retryable", "asking again helps nothing"
