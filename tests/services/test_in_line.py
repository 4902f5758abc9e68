"""Runs of one dataset meet the gate one after the other; who waits says for whom, and doesn't die of it."""

from __future__ import annotations

from shared.domain.errors import Transient
from shared.domain.schema import Schema
from shared.services.run.ports import Drawn
from tests.services.test_lifecycle import drop, state, tick
from tests.support.memory import World


def test_the_third_in_line_says_for_whom_it_waits_and_does_not_die_of_it() -> None:
    world = World(canary_seconds=6000, open_run_hours=2, watch_seconds=5)
    drop(world, "A")
    tick(world)
    for content in "BCD":
        drop(world, content)
        tick(world, 15)
    assert state(world, "bank-2-a1") == "canary"
    for waiting in ("bank-3-a1", "bank-4-a1"):
        assert state(world, waiting) == "gate"
        assert "bank-2-a1" in (world.run(waiting).waits_for or "")
    for _ in range(130):  # each canary lasts longer than half of what a run may stand still for
        world.clock.now += 100
        tick(world, 1)
    assert (state(world, "bank-2-a1"), state(world, "bank-3-a1")) == ("retired", "live")
    assert state(world, "bank-4-a1") == "canary"
    assert world.run("bank-4-a1").waits_for is None


def test_a_run_in_trouble_at_the_gate_ends_alone_and_the_next_one_has_its_whole_time() -> None:
    world = World(canary_seconds=1, open_run_hours=24)
    drop(world, "A")
    tick(world)
    draw = world.data.draw

    def away(path: str, schema: Schema, limit: int, besides: str = "") -> Drawn:
        if "/B/" in path:
            raise Transient("this holdout can't be read: timeout")
        return draw(path, schema, limit, besides)

    world.data.draw = away  # type: ignore[method-assign]
    drop(world, "B")
    tick(world, 30)
    drop(world, "C")
    for _ in range(160):
        world.clock.now += 600
        tick(world, 3)
    assert (state(world, "bank-2-a1"), state(world, "bank-3-a1")) == ("failed", "live")
