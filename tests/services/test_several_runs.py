"""Two and three open runs of one dataset, with hosts that die in between: every run ends, one serves, nothing is twice."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.run.ledger import Verification, verify
from shared.domain.run.states import State
from shared.services.run import loop
from tests.services.test_lifecycle import drop
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
    (live,) = [run for run in runs if run.state is State.LIVE]
    dataset = world.store.dataset("bank")
    assert dataset is not None
    assert (dataset.champion, dataset.open, dataset.promoting) == (live.run_id, {}, None)
    assert live.placement is not None
    assert live.placement.deployment is not None
    (endpoint,) = world.azureml.endpoints.values()
    assert endpoint["traffic"] == {live.placement.deployment: 100} == world.serving("bank").traffic
    assert len(endpoint["deployments"]) <= 2
    assert world.azureml.submissions == len(world.azureml.jobs) == len(drops)
    assert len(world.azureml.models) == len(drops)
    for run in runs:
        assert verify(world.store.ledger(run.run_id), run.ledger_head, run.pending) == Verification()
    listed = {summary.run_id: summary.state for summary in world.store.index.page(50).items}
    assert listed == {run.run_id: run.state for run in runs}
    assert world.store.open_datasets() == {}
