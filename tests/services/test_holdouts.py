"""Both models answer the new file's holdout and that of the champion's own file, in pairs; wrong labels never go live."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.domain.answers import Answers
from shared.domain.config import DatasetConfig
from shared.domain.errors import NotFound
from shared.domain.gate import Verdict
from shared.domain.schema import Column, Schema
from shared.services.run import holdouts, loop
from shared.services.run.fresh import PART
from shared.services.run.traffic import endpoint_of
from tests.services.test_lifecycle import CONFIG, SCHEMA, drop, state, tick
from tests.support.memory import World

FLIP = {"yes": "no", "no": "yes"}


def verdict(world: World, run_id: str) -> Verdict:
    gate = world.run(run_id).gate
    assert gate is not None
    assert gate.numbers is not None
    return gate.numbers


class Town:
    """Files' holdouts by their content, and models that have learnt what their file says. Odd rows are `no`."""

    def __init__(self, world: World, *, script: bool = True) -> None:
        self.world, self.script = world, script
        #: What a file makes of a row's true label.
        self.says: dict[str, Any] = {}
        #: Content of the file that a deployment's model was trained on.
        self.files = {"m1-a1": "A", "m2-a1": "B", "m3-a1": "C"}
        self.asked: list[tuple[str, int]] = []
        self.seconds: dict[str, float] = {}
        world.data.draw_holdout = self.draw  # type: ignore[method-assign]
        world.scorer.answers = self.answers  # type: ignore[method-assign, assignment]

    def label(self, content: str, x: int) -> str:
        true = "yes" if x % 2 == 0 else "no"
        return str(self.says[content](x, true)) if content in self.says else true

    def draw(self, path: str, schema: Schema, limit: int) -> tuple[list[list[Any]], list[str]]:
        content = path.split("/")[1]
        xs = range(min(limit, self.world.data.holdout))
        return [[x] for x in xs], [self.label(content, x) for x in xs]

    def answers(self, e: Any, deployment: str, columns: list[str], rows: list[list[Any]]) -> Answers:
        """A model is sure of what its file says of most rows, and errs in one of ten."""
        self.asked.append((deployment, len(rows)))
        yes = []
        for (x,) in rows:
            wrong = (x * 7919 + len(deployment)) % 1000 < 100
            learnt = self.label(self.files[deployment], x)
            sure = 0.6 + (x * 104729 % 397) / 1000
            yes.append(sure if (learnt == "yes") != wrong else 1 - sure)
        labels = ["yes" if share >= 0.5 else "no" for share in yes]
        seconds = self.seconds.get(deployment, 0.0)
        if not self.script:
            return Answers(labels, seconds=seconds)
        return Answers(labels, [[share, 1 - share] for share in yes], ["yes", "no"], seconds)


def shuffled(x: int, true: str) -> str:
    return "yes" if x * 2654435761 % 4096 < 2048 else "no"


def half_shuffled(x: int, true: str) -> str:
    return true if x * 40503 % 1024 < 512 else shuffled(x, true)


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("poison", [shuffled, half_shuffled, lambda x, true: FLIP[true]])
def test_wrong_labels_never_go_live_and_the_file_is_named(poison: Any, script: bool) -> None:
    world = World(suspicious="train")
    town = Town(world, script=script)
    town.says["B"] = poison
    first = drop(world, "A")
    tick(world)
    second = drop(world, "B")
    tick(world, 12)
    assert (state(world, first), state(world, second)) == ("live", "rejected")
    found = verdict(world, second)
    assert found.suspicious is not None
    assert found.reason.startswith("suspicious data: the champion reaches ")
    assert found.metric == ("AUC_weighted" if script else "balanced_accuracy")
    assert found.reason in "".join(world.store.ledger(second))
    third = drop(world, "C")
    tick(world, 40)
    assert state(world, third) == "live", "an honest file after it is as welcome as ever"


def test_both_holdouts_are_told_with_their_numbers() -> None:
    world = World()
    Town(world)
    drop(world, "A")
    tick(world)
    second = drop(world, "B")
    tick(world)
    found = verdict(world, second)
    assert state(world, second) == "live"
    assert (found.metric, found.note, found.suspicious, found.objection) == ("AUC_weighted", None, None, None)
    assert found.earlier is not None
    assert (found.earlier.rows, found.earlier.metric, found.earlier.left_out) == (1000, "AUC_weighted", 0)
    assert found.calibration_error is not None
    assert found.champion_calibration_error is not None


def test_the_same_rows_go_to_both_in_pairs_whose_order_changes() -> None:
    world = World()
    town = Town(world)
    drop(world, "A")
    tick(world)
    town.asked.clear()
    drop(world, "B")
    tick(world, 10)
    gate = [(name, rows) for name, rows in town.asked if 2 < rows < PART]
    calls = [name for name, _ in gate]
    assert len(calls) == 2 * 2 * 40
    assert {rows for _, rows in gate} == {25}
    assert calls[:6] == ["m2-a1", "m1-a1", "m1-a1", "m2-a1", "m2-a1", "m1-a1"]


def test_a_challenger_that_is_much_slower_is_refused() -> None:
    world = World()
    town = Town(world)
    town.seconds = {"m1-a1": 0.1, "m2-a1": 0.4, "m3-a1": 0.25}
    drop(world, "A")
    tick(world)
    second = drop(world, "B")
    tick(world, 12)
    assert state(world, second) == "rejected"
    assert verdict(world, second).reason == (
        "too slow: 25 rows take it 400 ms and the champion 100 ms (medians of 38 calls; 3 times as long is allowed)"
    )
    third = drop(world, "C")
    tick(world, 40)
    assert state(world, third) == "live"
    latency = verdict(world, third).latency
    assert latency is not None
    assert (latency.challenger_ms, latency.champion_ms) == (250, 100)


def test_the_floor_of_the_latency_is_the_context_s() -> None:
    world = World()
    town = Town(world)
    town.seconds = {"m1-a1": 0.1, "m2-a1": 0.4}
    drop(world, "A")
    tick(world)
    second = drop(world, "B")
    context = replace(world.context, gate_latency_floor_ms=400.0)
    for _ in range(40):
        loop.tick(context)
        world.clock.now += 1
    assert state(world, second) == "live"


def test_the_champion_s_holdout_is_left_alone_where_it_says_nothing_new() -> None:
    """The same bytes again: its rows are those of the new file."""
    world = World()
    Town(world)
    for content in "AB":
        drop(world, content)
        tick(world)
    champion, run = world.run("bank-1-a1"), world.run("bank-2-a1")
    endpoint = endpoint_of(run, world.context)
    seen, why = holdouts.earlier(run, champion, endpoint, world.context)
    assert (seen is not None, why) == (True, None)
    same = replace(run, source=champion.source)
    assert holdouts.earlier(same, champion, endpoint, world.context) == (None, None)
    assert holdouts.earlier(replace(run, snapshot=champion.snapshot), champion, endpoint, world.context) == (
        None,
        None,
    )
    unknown = replace(run.source, content_hash="")
    seen, _ = holdouts.earlier(
        replace(run, source=unknown), replace(champion, source=unknown), endpoint, world.context
    )
    assert seen is not None


def gone(town: Town, folder: str) -> Any:
    def draw(path: str, schema: Schema, limit: int) -> Any:
        if path.startswith(folder):
            raise NotFound(f"There is no {path}.")
        return town.draw(path, schema, limit)

    return draw


def test_a_champion_s_holdout_that_is_gone_is_told_and_its_verdict_stands_in() -> None:
    world = World(suspicious="train")
    town = Town(world)
    first = drop(world, "A")
    tick(world)
    world.data.draw_holdout = gone(town, "bank/A/")  # type: ignore[method-assign]
    town.says["C"] = lambda x, true: FLIP[true]
    second = drop(world, "B")
    tick(world)
    assert state(world, second) == "live"
    found = verdict(world, second)
    assert (found.earlier, found.note) == (
        None,
        "the holdout of the champion's own file is gone, so it was not compared",
    )
    assert state(world, first) == "retired"
    world.data.draw_holdout = gone(town, "bank/B/")  # type: ignore[method-assign]
    third = drop(world, "C")
    tick(world, 12)
    assert state(world, third) == "awaiting_approval"
    assert verdict(world, third).suspicious is not None
    approval = world.run(third).approval
    assert approval is not None
    assert approval.why == f"The file is suspicious: {verdict(world, third).suspicious}."


def test_another_label_is_not_compared() -> None:
    world = World()
    Town(world)
    drop(world, "A")
    tick(world)
    free = replace(CONFIG, schema="free")
    second = drop(world, "B", schema=replace(SCHEMA, label="z"), config=free)
    tick(world)
    found = verdict(world, second)
    assert found.earlier is None
    assert found.note == "the champion's own file has another label, so its holdout was not compared"


def test_rows_that_the_challenger_can_t_take_are_left_out_and_told() -> None:
    """Its file had whole numbers of a column that was text before."""
    world = World()
    town = Town(world)
    words = replace(SCHEMA, columns=(Column("x", "string"),), example=({"x": "1"}, {"x": "2"}))
    real = town.answers

    def answers(e: Any, deployment: str, columns: list[str], rows: list[list[Any]]) -> Answers:
        return real(e, deployment, columns, [[int(x) if str(x).isdigit() else 0] for (x,) in rows])

    def draw(path: str, schema: Schema, limit: int) -> Any:
        rows, truth = town.draw(path, schema, limit)
        if path.startswith("bank/A"):
            rows = [["many" if x % 10 == 1 else str(x)] for (x,) in rows]
        return rows, truth

    world.scorer.answers = answers  # type: ignore[method-assign, assignment]
    world.data.draw_holdout = draw  # type: ignore[method-assign]
    drop(world, "A", schema=words)
    tick(world)
    second = drop(world, "B", config=DatasetConfig(timeout_minutes=1.0, schema="free"))
    tick(world)
    earlier = verdict(world, second).earlier
    assert earlier is not None
    assert (earlier.rows, earlier.left_out) == (900, 100)
    assert any(line.get("rows") == 100 for line in world.logged)
