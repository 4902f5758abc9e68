"""Two and three open runs of one dataset, with hosts that die in between: every run ends, one serves, nothing is twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.run.ledger import Verification, verify
from shared.domain.run.states import State
from shared.services.run import loop
from shared.services.run.acting import asking
from tests.services.test_acts import ANN, live, stepped
from tests.services.test_lifecycle import drop, state, tick
from tests.support import sweeps
from tests.support.memory import Crash, World

#: How the challengers of a dataset turn out: share of wrong answers.
QUALITY = st.sampled_from([0.0, 0.02, 0.3])


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[tuple[float, int]], list[int]]:
    """Drops, each with the quality of its model and the ticks after it; and how far apart the deaths are."""
    drops = draw(st.lists(st.tuples(QUALITY, st.integers(0, 7)), min_size=2, max_size=3))
    deaths = draw(st.lists(st.integers(1, 120), max_size=3))
    return drops, deaths


@settings(max_examples=sweeps.examples(120))
@given(stories())
def test_they_all_end_and_one_of_them_serves(story: tuple[list[tuple[float, int]], list[int]]) -> None:
    drops, deaths = story
    world = World(canary_seconds=2)
    world.data.holdout = 200
    world.scorer.error_rate = {f"m{n}-a1": wrong for n, (wrong, _) in enumerate(drops, 1)}
    left = list(deaths)

    def living(action: object) -> None:
        """Do it, on a new host after each death."""
        while True:
            if left and world.points.die_at is None:
                world.points.die_at = 2 * len(world.points.seen) + left.pop()
            try:
                action()  # type: ignore[operator]
            except Crash:
                world.points.die_at = None
            else:
                return

    for number, (_, ticks) in enumerate(drops):
        living(lambda number=number: drop(world, f"content {number}"))
        for _ in range(ticks):
            living(lambda: loop.tick(world.context))
            world.clock.now += 1
    for _ in range(60):
        living(lambda: loop.tick(world.context))
        world.clock.now += 1

    world.points.die_at = None  # who looks now lives on
    runs = world.runs()
    assert len(runs) == len(drops)
    assert {run.state for run in runs} <= {State.LIVE, State.RETIRED, State.REJECTED}
    (serving,) = [run for run in runs if run.state is State.LIVE]
    dataset = world.store.dataset("bank")
    assert dataset is not None
    assert (dataset.champion, dataset.open, dataset.promoting) == (serving.run_id, {}, None)
    assert serving.placement is not None
    assert serving.placement.deployment is not None
    (endpoint,) = world.azureml.endpoints.values()
    assert endpoint["traffic"] == {serving.placement.deployment: 100} == world.serving("bank").traffic
    assert len(endpoint["deployments"]) <= 2
    assert world.azureml.submissions == len(world.azureml.jobs) == len(drops)
    assert len(world.azureml.models) == len(drops)
    for run in runs:
        assert verify(world.store.ledger(run.run_id), run.ledger_head, run.pending) == Verification()
    listed = {summary.run_id: summary.state for summary in world.store.index.page(50).items}
    assert listed == {run.run_id: run.state for run in runs}
    assert world.store.open_datasets() == {}


def cancelled(world: World) -> None:
    asking.cancel("bank-2-a1", ANN, world.context)


def rejected(world: World) -> None:
    run, etag = world.store.load("bank-2-a1")
    world.store.save(run.advance(State.REJECTED, world.clock()), etag)


@pytest.mark.parametrize("end", [cancelled, rejected])
def test_a_host_that_stood_still_before_the_gate_holds_it_for_no_run_that_has_ended(
    monkeypatch: pytest.MonkeyPatch, end: Any
) -> None:
    world = live("A")
    stepped(world, drop(world, "B"), State.GATE)
    real, stood = world.store.change_dataset, list[str]()

    def late(*of: Any) -> Any:
        if not stood:
            stood.append("stood still")
            end(world)
            tick(world, 10)
        return real(*of)

    with monkeypatch.context() as patch:
        patch.setattr("shared.services.run.store.RunStore.change_dataset", lambda _, *of: late(*of))
        loop.advance("bank-2-a1", world.context, world.context.active() + 5)
    assert (stood, state(world, "bank-2-a1")) == (["stood still"], end.__name__)
    run_id = drop(world, "C")
    tick(world, 40)
    assert state(world, run_id) == "live", world.run(run_id).waits_for


def test_a_gate_that_an_earlier_release_left_with_a_run_that_had_ended_is_free() -> None:
    world = live("A")
    world.store.change_dataset("bank", lambda found: replace(found, promoting="bank-9-a1"))
    run_id = drop(world, "B")
    tick(world, 40)
    assert state(world, run_id) == "live", world.run(run_id).waits_for
