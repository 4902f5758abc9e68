"""People act while hosts die: before or after any effect, and in pairs. What was asked for holds, once; ledgers are whole."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.errors import Conflict, DropMLError
from shared.domain.run.ledger import Verification, verify
from shared.domain.run.states import State
from shared.services.run import loop
from shared.services.run.acting import asking, putting_back
from shared.services.run.levers.outside import OutsideTraffic
from tests.services.test_acts import ANN, in_canary, live, lost
from tests.services.test_bad_cloud import until
from tests.services.test_lifecycle import CONFIG, drop
from tests.support import sweeps
from tests.support.memory import Crash, World


@dataclass
class Hosts:
    """One host after the other: whoever dies at an effect is followed by the next; `deaths` are effects apart."""

    world: World
    deaths: list[int] = field(default_factory=list)
    died: int = 0

    def living(self, action: Callable[[], object]) -> None:
        """Do it, again on the next host after each death: callers repeat what got no answer."""
        while True:
            if self.deaths and self.world.points.die_at is None:
                self.world.points.die_at = 2 * len(self.world.points.seen) + self.deaths.pop()
            try:
                action()
            except Crash:
                self.died += 1
                self.world.points.die_at = None
                self.world.restart()
            else:
                return

    def ticks(self, count: int) -> None:
        for _ in range(count):
            self.living(lambda: loop.tick(self.world.context))
            self.world.clock.now += 1


def whole(world: World) -> None:
    """What holds after every story: one model in force everywhere, nothing open, ledgers and lists as the documents are."""
    world.points.die_at = None
    dataset = world.store.dataset("bank")
    assert dataset is not None
    runs = world.runs()
    (now,) = [run for run in runs if run.state is State.LIVE]
    assert (dataset.champion, dataset.open, dataset.promoting, dataset.shifting) == (
        now.run_id,
        {},
        None,
        None,
    )
    assert now.placement is not None
    (endpoint,) = world.azureml.endpoints.values()
    assert endpoint["traffic"] == {now.placement.deployment: 100} == world.serving("bank").traffic
    assert world.store.open_datasets() == {}
    assert world.azureml.submissions == len(world.azureml.jobs)
    for run in runs:
        assert verify(world.store.ledger(run.run_id), run.ledger_head, run.pending) == Verification()
    listed = {summary.run_id: summary.state for summary in world.store.index.page(50).items}
    assert listed == {run.run_id: run.state for run in runs}


def rollback(world: World, to: str | None = None) -> object:
    return putting_back.rollback("bank", to, ANN, None, world.context)


def studio(world: World) -> None:
    (endpoint,) = world.azureml.endpoints.values()
    endpoint |= {"traffic": {"m1-a1": 100}, "wanted": {"m1-a1": 100}}
    world.clock.now += 10
    watcher = OutsideTraffic(world.context)
    watcher.tick(world.context.active() + 5)


def approving() -> World:
    world = live("A")
    until(world, drop(world, "B", config=replace(CONFIG, approval="required")), "awaiting_approval")
    return world


#: What is done to which world, and the states that the two runs end in.
ACTS: dict[str, tuple[Callable[[], World], Callable[[World], object], list[str]]] = {
    "roll back": (live, rollback, ["live", "rolled_back"]),
    "roll a canary back": (in_canary, rollback, ["live", "rolled_back"]),
    "cancel a canary": (
        in_canary,
        lambda world: asking.cancel("bank-2-a1", ANN, world.context),
        ["live", "cancelled"],
    ),
    "roll back to what is deleted meanwhile": (
        live,
        lambda world: lost(world, "m1-a1"),
        ["rolled_back", "live"],
    ),
    "promote a canary": (
        in_canary,
        lambda world: putting_back.promote("bank-2-a1", ANN, world.context),
        ["retired", "live"],
    ),
    "promote a former version": (
        live,
        lambda world: putting_back.promote("bank-1-a1", ANN, world.context),
        ["live", "retired"],
    ),
    "approve": (
        approving,
        lambda world: asking.decide("bank-2-a1", "approved", ANN, world.context),
        ["retired", "live"],
    ),
    "reject": (
        approving,
        lambda world: asking.decide("bank-2-a1", "rejected", ANN, world.context),
        ["live", "rejected"],
    ),
    "follow Azure": (live, studio, ["live", "rolled_back"]),
}


def story(name: str, deaths: list[int]) -> tuple[World, int]:
    made, act, ends = ACTS[name]
    world = made()
    hosts = Hosts(world, list(deaths))
    hosts.living(lambda: act(world))
    hosts.ticks(30)
    assert [str(run.state) for run in world.runs()] == ends
    whole(world)
    return world, hosts.died


@pytest.mark.parametrize("name", ACTS)
def test_dying_before_or_after_any_effect_changes_nothing(name: str) -> None:
    lines = [len(story(name, [])[0].store.ledger(f"bank-{n}-a1")) for n in (1, 2)]
    for point in sweeps.places():
        world, died = story(name, [point])
        assert [len(world.store.ledger(f"bank-{n}-a1")) for n in (1, 2)] == lines, point
        if not died:
            break
    assert point > 8, "there were many places to die at"


@settings(max_examples=sweeps.examples(40), deadline=None)
@given(st.sampled_from(sorted(ACTS)), st.lists(st.integers(0, 25), min_size=2, max_size=4))
def test_dying_again_and_again_changes_nothing(name: str, deaths: list[int]) -> None:
    world, _ = story(name, deaths)
    assert [str(run.state) for run in world.runs()] == ACTS[name][2]


def lever(verb: str, n: int) -> Callable[[World], object]:
    run_id = f"bank-{n}-a1"
    if verb == "cancel":
        return lambda world: asking.cancel(run_id, ANN, world.context)
    if verb == "promote":
        return lambda world: putting_back.promote(run_id, ANN, world.context)
    return lambda world: asking.decide(run_id, "approved", ANN, world.context)


LEVERS: dict[str, Callable[[World], object]] = {
    "rollback": rollback,
    "forth": lambda world: rollback(world, "bank-2-a1"),
    "pause": lambda world: asking.pause("bank", ANN, world.context),
    "resume": lambda world: asking.resume("bank", ANN, world.context),
    "drop": lambda world: drop(world, f"more {len(world.azureml.jobs)}"),
    **{f"{verb} {n}": lever(verb, n) for n in (1, 2, 3) for verb in ("cancel", "promote", "approve")},
}


@settings(max_examples=sweeps.examples(150), deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(LEVERS)), st.integers(0, 12)), min_size=1, max_size=8),
    st.lists(st.integers(0, 80), max_size=3),
)
def test_whatever_people_do_one_version_serves_in_the_end(
    deeds: list[tuple[str, int]], deaths: list[int]
) -> None:
    """Any levers, in any order, at any moment, with hosts that die: what is refused changes nothing."""
    world = live("A", canary_seconds=4)
    drop(world, "B")
    hosts = Hosts(world, list(deaths))

    def do(name: str) -> Any:
        with suppress(Conflict, DropMLError):
            LEVERS[name](world)

    for name, pause in deeds:
        hosts.living(partial(do, name))
        hosts.ticks(pause)
    hosts.living(lambda: do("resume"))
    hosts.ticks(70)
    whole(world)
    assert len([run for run in world.runs() if str(run.state) == "live"]) <= 1
