"""Whatever one run, file of state or piece of work throws, the others go on, and what threw ends with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.errors import Transient
from shared.domain.run.acts import Act
from shared.domain.run.serving import ServingEntry
from shared.domain.run.states import State
from shared.services import turns
from shared.services.run import loop, retraining
from shared.services.run.acting import asking
from shared.services.run.pipeline_runs import PipelineRuns
from shared.services.run.serving_repair import LOOK_SECONDS, NEVER_SEEN, ServingRepair
from shared.services.run.upgrade import STEPS, upgrade
from tests.services.test_bad_cloud import until
from tests.services.test_lifecycle import drop, state, tick
from tests.support.memory import World
from tests.support.memory_pipelines import MemoryPipelines
from tests.support.upkeep import app_schedule, untrained

FAULTS: list[Callable[[], Exception]] = [
    lambda: KeyError("status"),
    lambda: ValueError("None"),
    lambda: RecursionError("too deep"),
]
IDS = ["KeyError", "ValueError", "RecursionError"]
#: Every effect and every read of a run on its way to live.
PLACES = [
    *(f"azureml.{verb}" for verb in ("register_data", "job", "submit", "trials", "register_model")),
    "azureml.register_environment",
    *(f"azureml.{verb}" for verb in ("endpoint", "begin_endpoint", "deployment", "begin_deployment")),
    *("azureml.begin_traffic", "azureml.deployments", "scorer.answers", "data.draw_holdout"),
    *(
        "docs.get runs/",
        "docs.replace runs/",
        "ledger_store.append",
        "docs.mark index/",
        "docs.create serving/",
    ),
]


def breaking(world: World, place: str, fault: Callable[[], Exception], slug: str = "burnt") -> None:
    """From now on the call at `place` raises whenever it is about the run of this slug."""
    where, _, prefix = place.partition(" ")
    part, _, verb = where.partition(".")
    target = getattr(world, part)
    real = getattr(target, verb)

    def call(*args: Any, **kwargs: Any) -> Any:
        about = [str(getattr(arg, "endpoint", getattr(arg, "name", arg))) for arg in args]
        if any(text.startswith(prefix) and slug in text for text in about):
            raise fault()
        return real(*args, **kwargs)

    setattr(target, verb, call)


class TestOneRun:
    @pytest.mark.parametrize("fault", FAULTS, ids=IDS)
    @pytest.mark.parametrize("place", PLACES)
    def test_ends_with_a_reason_and_the_others_go_on(
        self, place: str, fault: Callable[[], Exception]
    ) -> None:
        world = World(open_run_hours=0.02)
        world.data.holdout = 100
        bad, good = drop(world, dataset="burnt"), drop(world, dataset="good")
        if " runs/" in place:
            tick(world, 1)
        real_get = world.docs.get
        breaking(world, place, fault)
        tick(world, 100)
        world.docs.get = real_get  # type: ignore[method-assign]
        assert (state(world, bad), state(world, good)) == ("failed", "live")
        problem = world.run(bad).problem
        assert problem is not None
        assert problem.code in ("unexpected", "stuck")
        assert type(fault()).__name__ in problem.message
        assert world.store.open_datasets() == {}

    def test_is_not_ended_by_storage_that_is_away(self) -> None:
        from shared.domain.errors import Transient

        world = World()
        run_id = drop(world)
        tick(world, 1)
        real = world.docs.get
        breaking(world, "docs.get runs/", lambda: Transient("Storage is away."), "bank")
        tick(world, 30)
        world.docs.get = real  # type: ignore[method-assign]
        tick(world, 40)
        assert state(world, run_id) == "live"

    def test_a_log_that_fails_stops_nobody(self) -> None:
        world = World()
        run_id = drop(world)

        def log(*_: object, **__: object) -> None:
            raise OSError("the log is full")

        for _ in range(40):
            loop.tick(replace(world.context, log=log))
            world.clock.now += 1
        assert state(world, run_id) == "live"

    def test_a_document_nested_without_end_is_put_aside(self) -> None:
        world = World()
        bad, good = drop(world, dataset="bad"), drop(world, dataset="good")
        tick(world, 1)
        world.docs.blobs[f"runs/{bad}.json"] = ("[" * 200_000, '"x"')
        tick(world, 40)
        assert (state(world, bad), state(world, good)) == ("failed", "live")

    @pytest.mark.parametrize("part", ["data", "gate", "error", "source", "endpoint"])
    def test_of_an_earlier_release_that_was_changed_by_hand_is_put_aside(self, part: str) -> None:
        world = World()
        bad, good = drop(world, dataset="bad"), drop(world, dataset="good")
        tick(world, 1)
        found = world.docs.get(f"runs/{bad}.json")
        assert found is not None
        world.docs.replace(f"runs/{bad}.json", found[0] | {"schema": 1, part: 7}, found[1])
        tick(world, 40)
        assert (state(world, bad), state(world, good)) == ("failed", "live")


class TestACanary:
    @pytest.mark.parametrize("text", [None, "{", '{"slug": 7}'])
    def test_goes_on_without_its_serving_document(self, text: str | None) -> None:
        world = World(canary_seconds=20)
        drop(world, "A")
        tick(world)
        run_id = drop(world, "B")
        until(world, run_id, "canary")
        tick(world, 5)
        if text is None:
            world.docs.blobs.pop("serving/bank.json")
        else:
            by_hand(world, "serving/bank.json", text)
        tick(world, 1)
        assert world.serving("bank").traffic == {"m1-a1": 90, "m2-a1": 10}
        tick(world, 40)
        assert state(world, run_id) == "live"

    def test_goes_on_past_counts_that_cannot_be_read(self) -> None:
        world = World(canary_seconds=20)
        drop(world, "A")
        tick(world)
        run_id = drop(world, "B")
        until(world, run_id, "canary")
        world.docs.blobs["canary/bank/host-1.json"] = ('{"since": "now"}', '"x"')
        tick(world, 40)
        assert state(world, run_id) == "live"


class TestRetraining:
    def test_goes_on_past_a_dataset_that_cannot_be_read(self) -> None:
        world = World()
        for name in ("bad", "good"):
            drop(world, dataset=name)
        tick(world)
        untrained(world, dataset="good")
        world.docs.blobs["datasets/bad.json"] = ("{", '"x"')
        assert app_schedule(world, "2026-01-05T03:00") == ["good-3-a1"]

    def test_takes_older_data_where_the_newest_run_cannot_be_read(self) -> None:
        world = World()
        drop(world, "A")
        tick(world)
        drop(world, "B")
        tick(world)
        world.docs.blobs["runs/bank-2-a1.json"] = ("{", '"x"')
        assert retraining.latest_data("bank", world.context).source.content_hash == "A"


class TestPipelines:
    def asked(self, world: World) -> PipelineRuns:
        for name in ("burnt", "good"):
            drop(world, dataset=name)
        tick(world)
        runs = PipelineRuns(world.context, MemoryPipelines(world.azureml))
        for name in ("burnt", "good"):
            runs.trigger(name, "req-1", "http")
        return runs

    def finished(self, world: World, runs: PipelineRuns) -> None:
        for _ in range(40):
            runs.tick()
            tick(world, 1)

    @pytest.mark.parametrize("text", ["{", '{"id": 7}', "[" * 200_000])
    def test_one_that_cannot_be_read_has_failed_and_the_others_go_on(self, text: str) -> None:
        world = World()
        runs = self.asked(world)
        world.docs.blobs["pipelines/burnt/req-1.json"] = (text, '"x"')
        self.finished(world, runs)
        assert runs.show("good", "req-1").status == "completed"
        bad = runs.show("burnt", "req-1")
        assert bad.status == "failed"
        assert bad.error is not None
        assert bad.error.code == "invalid-document"
        assert [found.status for found in runs.page("burnt", 10, None).items] == ["failed"]
        assert list(world.docs.list("open/pipelines/")) == []

    @pytest.mark.parametrize("fault", FAULTS, ids=IDS)
    def test_one_that_cannot_be_worked_on_has_failed_in_the_end(self, fault: Callable[[], Exception]) -> None:
        world = World()
        runs = self.asked(world)
        real = world.docs.replace
        breaking(world, "docs.replace pipelines/", fault)
        self.finished(world, runs)
        world.docs.replace = real  # type: ignore[method-assign]
        assert (runs.show("good", "req-1").status, runs.show("burnt", "req-1").status) == (
            "completed",
            "failed",
        )

    def test_a_mark_that_somebody_else_wrote_stops_none(self) -> None:
        world = World()
        runs = self.asked(world)
        world.docs.mark("open/pipelines/burnt~req-2", {"at": "yesterday"})
        self.finished(world, runs)
        assert runs.show("good", "req-1").status == "completed"


def by_hand(world: World, path: str, text: str) -> None:
    """As somebody writes it who tells the listing nothing."""
    world.docs.blobs[path] = (text, '"x"')
    world.docs.marks.pop(path, None)


class TestServing:
    @pytest.mark.parametrize("text", [None, "{", "[]", '{"dataset": 7}'])
    def test_a_document_that_is_gone_or_garbled_is_made_anew(self, text: str | None) -> None:
        world = World()
        drop(world)
        tick(world)
        before = world.serving("bank")
        repair = ServingRepair(world.context)
        repair.tick(world.clock.now + 100)
        if text is None:
            world.docs.blobs.pop("serving/bank.json")
        else:
            by_hand(world, "serving/bank.json", text)
        world.clock.now += LOOK_SECONDS
        repair.tick(world.clock.now + 100)
        assert replace(world.serving("bank"), updated_at=0.0) == replace(before, updated_at=0.0)

    @pytest.mark.parametrize(
        ("waits", "traffic"), [("paused", {"m1-a1": 90, "m2-a1": 10}), ("gate", {"m1-a1": 100})]
    )
    def test_is_made_anew_while_a_run_that_is_promoted_waits(
        self, waits: str, traffic: dict[str, int]
    ) -> None:
        """Nobody else writes it: the canary has passed and is paused, or the gate meets trouble for hours."""
        world = World(canary_seconds=20)
        drop(world, "A")
        tick(world)
        if waits == "gate":
            breaking(world, "data.draw", lambda: Transient("storage is away"), "bank")
        drop(world, "B")
        tick(world, 10)
        if waits == "paused":
            asking.pause("bank", Act("ann", world.clock()), world.context)
        tick(world, 30)
        run = world.run("bank-2-a1")
        assert run.state is (State.CANARY if waits == "paused" else State.GATE)
        assert waits == "gate" or (run.canary and run.canary.passed)
        repair = ServingRepair(world.context)
        repair.tick(world.clock.now + 100)
        world.docs.delete("serving/bank.json")
        for _ in range(2):
            assert world.store.read("serving/bank.json", ServingEntry) is None
            world.clock.now += LOOK_SECONDS
            repair.tick(world.clock.now + 100)
        entry = world.serving("bank")
        assert (entry.traffic, entry.live, set(entry.deployments)) == (traffic, "m1-a1", set(traffic))

    def test_what_another_process_has_written_meanwhile_stays(self) -> None:
        world = World()
        drop(world)
        tick(world)
        text, etag = world.docs.blobs.pop("serving/bank.json")
        real = world.azureml.endpoint

        def meanwhile(name: str) -> Any:
            world.docs.blobs["serving/bank.json"] = (text, etag)
            return real(name)

        world.azureml.endpoint = meanwhile  # type: ignore[method-assign]
        ServingRepair(world.context).tick(world.clock.now + 100)
        assert world.docs.blobs["serving/bank.json"] == (text, etag)
        assert not [line for line in world.logged if "made anew" in line["what"]]

    def test_a_process_that_begins_reads_what_is_missing_first_and_the_others_little_by_little(self) -> None:
        world = World()
        names = [f"d{n}" for n in range(NEVER_SEEN + 5)]
        for name in names:
            drop(world, dataset=name)
        for _ in range(10):
            tick(world)
        for name in names:
            by_hand(world, f"serving/{name}.json", world.docs.blobs[f"serving/{name}.json"][0])
        by_hand(world, f"serving/{names[0]}.json", "{")
        world.docs.blobs.pop(f"serving/{names[-1]}.json")
        read: list[str] = []
        real = world.docs.get

        def counted(path: str) -> tuple[dict[str, Any], str] | None:
            if path.startswith("datasets/"):
                read.append(path)
            return real(path)

        world.docs.get = counted  # type: ignore[method-assign]
        repair = ServingRepair(world.context)
        looks = []
        for _ in range(3):
            repair.tick(world.clock.now + 100)
            looks.append(len(set(read)))
            read.clear()
            world.clock.now += LOOK_SECONDS
        assert looks == [NEVER_SEEN + 1, 4 + 2, 0]  # in the second one what was made anew, too
        assert {world.serving(name).dataset for name in names} == set(names)

    def test_a_process_that_begins_reads_nothing_that_the_listing_tells_of(self) -> None:
        world = World()
        for n in range(5):
            drop(world, dataset=f"d{n}")
        tick(world, 10)
        assert world.serving("d4").traffic
        world.docs.get = None  # type: ignore[method-assign, assignment]
        ServingRepair(world.context).tick(world.clock.now + 100)
        assert not [line for line in world.logged if "not looked at" in line["what"]]

    def test_looks_at_nothing_that_has_not_changed(self) -> None:
        world = World()
        for n in range(5):
            drop(world, dataset=f"d{n}")
        tick(world)
        repair = ServingRepair(world.context)
        repair.tick(world.clock.now + 100)
        world.docs.get = None  # type: ignore[method-assign, assignment]
        world.clock.now += LOOK_SECONDS
        repair.tick(world.clock.now + 100)
        assert not [line for line in world.logged if "not looked at" in line["what"]]


def test_an_upgrade_goes_on_past_what_it_cannot_read() -> None:
    world = World()
    for name in ("bad", "good"):
        drop(world, dataset=name)
    tick(world, 2)
    for path in ("datasets/bad.json", "runs/bad-1-a1.json", "upgrade.json"):
        world.docs.blobs[path] = ("{", '"x"')
    world.docs.blobs["pipelines/bad/r.json"] = ("{", '"x"')
    world.docs.delete("open/runs/good")
    upgrade(world.context, PipelineRuns(world.context, MemoryPipelines(world.azureml)))
    tick(world)
    assert state(world, "good-1-a1") == "live"
    assert len(json.loads(world.docs.blobs["upgrade.json"][0])["done"]) == len(STEPS)


def test_each_work_of_a_timer_has_its_turn_and_the_failure_is_seen() -> None:
    done: list[str] = []

    def fail() -> None:
        raise KeyError("first")

    with pytest.raises(KeyError, match="first"):
        turns.each(lambda *_, **__: None, one=fail, two=lambda: done.append("two"), three=fail)
    assert done == ["two"]
