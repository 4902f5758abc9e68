"""Events doubled, late, in any order, from several hosts that die in between: what comes of it is what one quiet host makes.

An event names a blob; what is read is what the blob holds when it is delivered. So each content that a delivery or a sweep
met is a version, once, however often it was told of, and the newest one answers in the end.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared.domain.run.ledger import Verification, verify
from shared.domain.run.states import State
from shared.services.run import loop
from shared.services.run.pulse import Pulse
from tests.support.intake_front import Front
from tests.support.memory import Crash
from tests.support.staging_area import people

NAMES = st.sampled_from(["leads.csv", "churn.csv"])
CONTENTS = {size: people(size) for size in (200, 220, 240)}
#: Which external effect of a delivery something comes before (even) or after (odd).
MOMENTS = st.integers(0, 60)


class Deliveries(RuleBasedStateMachine):
    """`versions` is what each blob's deliveries have met, in order: the in-order run that the end is held against."""

    @initialize()
    def begin(self) -> None:
        self.front = Front()
        self.world = self.front.world
        self.held: dict[str, int] = {}
        self.versions: dict[str, list[int]] = {}

    @rule(name=NAMES, size=st.sampled_from(sorted(CONTENTS)))
    def upload(self, name: str, size: int) -> None:
        """New content, or the same again under another ETag. Its events may come late, or never."""
        self.front.put(name, CONTENTS[size])
        self.held[name] = size

    @rule(name=NAMES, times=st.integers(1, 5))
    def deliver(self, name: str, times: int) -> None:
        for _ in range(times):
            self.front.drop(name)
        self._met(name)

    @rule(name=NAMES, other=NAMES, moment=MOMENTS)
    def two_hosts(self, name: str, other: str, moment: int) -> None:
        """A second host takes an event while the first is in the middle of its own; a write that it lost is tried again."""
        self._meanwhile(moment, lambda: self.front.drop(other), lambda: self.front.drop(name))
        for one in (name, other):
            self.front.drop(one)
            self._met(one)

    @rule(name=NAMES, moment=MOMENTS)
    def host_dies(self, name: str, moment: int) -> None:
        """What it took was never acknowledged, so that it is delivered again."""
        self.world.points.die_at = 2 * len(self.world.points.seen) + moment
        with suppress(Crash):
            self.front.drop(name)
        self.world.points.die_at = None
        self.world.restart()
        self.front.drop(name)
        self._met(name)

    @rule()
    def sweep(self) -> None:
        self.front.sweep()
        for name in self.held:
            self._met(name)

    @rule(ticks=st.integers(1, 6), moment=MOMENTS)
    @precondition(lambda self: self.versions)
    def two_ticks(self, ticks: int, moment: int) -> None:
        """The lifecycle goes on, on two hosts at once."""
        for _ in range(ticks):
            self._meanwhile(moment, self._others_tick, self._tick)
            self.world.clock.now += 1

    @invariant()
    def each_version_is_one_run_and_one_job(self) -> None:
        runs = self.world.runs()
        assert sorted((run.source.blob, run.n, run.attempt) for run in runs) == sorted(
            (name, n, 1) for name, met in self.versions.items() for n in range(1, len(met) + 1)
        )
        assert self.world.azureml.submissions == len(self.world.azureml.jobs)

    def teardown(self) -> None:
        """Everything comes to the end that it would have come to in order."""
        self.sweep()
        for _ in range(80 * max(1, len(self.world.runs()))):
            if not self.world.store.open_datasets():
                break
            self._tick()
            self.world.clock.now += 1
        self.each_version_is_one_run_and_one_job()
        for name, met in self.versions.items():
            runs = [run for run in self.world.runs() if run.source.blob == name]
            assert [run.snapshot and run.snapshot.rows for run in sorted(runs, key=lambda run: run.n)] == met
            (live,) = [run for run in runs if run.state is State.LIVE]
            assert live.n == len(met), "the newest answers"
            for run in runs:
                assert not run.is_open
                assert (
                    verify(self.world.store.ledger(run.run_id), run.ledger_head, run.pending)
                    == Verification()
                )

    def _tick(self) -> None:
        loop.tick(self.world.context)

    def _others_tick(self) -> None:
        """Of a host of its own: what a process has one of, it doesn't share with the first."""
        world = self.world
        pulse = Pulse(world.store, lambda: world.clock.now, world.log, lambda: world.clock.now)
        loop.tick(replace(world.context, pulse=pulse))

    def _met(self, name: str) -> None:
        if name in self.held:
            met = self.versions.setdefault(name, [])
            if met[-1:] != [self.held[name]]:
                met.append(self.held[name])

    def _meanwhile(self, moment: int, other: Callable[[], object], action: Callable[[], object]) -> None:
        self.world.points.meanwhile = 2 * len(self.world.points.seen) + moment, other
        try:
            action()
        finally:
            self.world.points.meanwhile = None


TestDeliveries = Deliveries.TestCase
TestDeliveries.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
