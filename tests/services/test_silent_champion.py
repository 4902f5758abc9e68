"""A live model that answers no more can be replaced by a drop: its error is not its challenger's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.domain.answers import Answers
from shared.domain.errors import Transient
from shared.domain.run.acts import Act
from shared.services.run.acting import asking
from shared.services.run.ports import Endpoint
from tests.services.test_lifecycle import CONFIG, drop, state, tick
from tests.support.memory import World

SAID = "the live model m1-a1 didn't answer: the container answered 500"


def dead(**options: Any) -> World:
    world = World(canary_seconds=10, **options)
    drop(world, "A")
    tick(world)
    world.scorer.broken = {"m1-a1"}
    return world


def test_the_challenger_is_judged_alone_and_a_person_is_asked() -> None:
    world = dead()
    run_id = drop(world, "B")
    tick(world, 3)
    run = world.run(run_id)
    assert run.trouble is not None, "one silence is no verdict"
    assert run.trouble.message == SAID[0].upper() + SAID[1:]
    tick(world, 20)
    run = world.run(run_id)
    assert run.state == "awaiting_approval"
    assert run.approval is not None
    assert run.gate is not None
    assert SAID in run.approval.why
    assert run.gate.silent == SAID
    assert run.gate.reason is not None
    assert run.gate.reason.startswith(f"{SAID}; ")
    assert "beats guessing" in run.gate.reason
    assert run.gate.champion_run == "bank-1-a1"
    asking.decide(run_id, "approved", Act("ann", 5.0), world.context)
    tick(world, 3)
    assert state(world, run_id) == "canary", "a yes is not asked for again"
    tick(world, 60)
    assert (state(world, "bank-1-a1"), state(world, run_id)) == ("retired", "live")


def test_where_nobody_is_ever_asked_it_goes_to_its_canary() -> None:
    world = dead()
    run_id = drop(world, "B", config=replace(CONFIG, approval="none"))
    tick(world, 60)
    assert state(world, run_id) == "live"
    assert any("m1-a1 didn't answer" in line for line in world.store.ledger(run_id))


def test_one_that_is_no_better_than_guessing_is_rejected_all_the_same() -> None:
    world = dead()
    world.scorer.error_rate = {"m2-a1": 0.5}
    run_id = drop(world, "B")
    tick(world, 40)
    run = world.run(run_id)
    assert run.state == "rejected"
    assert run.gate is not None
    assert (run.gate.reason or "").startswith(SAID)


@pytest.mark.parametrize("back", [True, False])
def test_what_may_pass_is_waited_for_an_hour(back: bool) -> None:
    world = dead()
    answers = world.scorer.answers

    def away(endpoint: Endpoint, deployment: str, columns: list[str], rows: list[list[Any]]) -> Answers:
        if deployment in world.scorer.broken:
            raise Transient("503: no healthy upstream")
        return answers(endpoint, deployment, columns, rows)

    world.scorer.answers = away  # type: ignore[method-assign]
    run_id = drop(world, "B")
    for _ in range(55):
        world.clock.now += 60
        tick(world, 1)
    assert state(world, run_id) == "gate"
    if back:
        world.scorer.broken = set()
    for _ in range(10):
        world.clock.now += 60
        tick(world, 1)
    assert state(world, run_id) == ("live" if back else "awaiting_approval")
