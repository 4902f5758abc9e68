"""What grows and is no record goes once it is old, oldest first, a slice at a time; what somebody still needs stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.domain.errors import Upstream
from shared.domain.run.parts import MOST_CHARACTERS, RunProblem
from shared.domain.upkeep import Retrain, Upkeep
from shared.services.open_index import OpenIndex
from shared.services.run import housekeeping
from shared.services.run.housekeeping import PATH, ROUND_SECONDS, Housekeeping, Keep
from shared.services.run.listed_batches import ListedBatches
from shared.services.run.pipeline_runs import PipelineRuns
from tests.services.test_lifecycle import drop, state, tick
from tests.support.memory import World
from tests.support.memory_files import MemoryFile, MemoryFiles
from tests.support.memory_pipelines import MemoryPipelines

DAY = 86400.0
#: That a run with a deployment has ended; nothing of it was left over.
LOOKED = "ended/bank"
KEEP = Keep(30, "data", "batch")


class Account(MemoryFiles):
    """Files with an age."""

    def __init__(self, world: World) -> None:
        super().__init__(KEEP.data, KEEP.batches)
        self._world = world

    def add(self, container: str, name: str, days: float) -> None:
        """A file of so many days."""
        at = self._world.clock.now - days * DAY
        self.containers[container][name] = (MemoryFile(name, '"1"', 1, {}, at), b"x")

    def names(self, container: str) -> set[str]:
        return set(self.containers[container])


def kept(world: World, files: Account, keep: Keep = KEEP) -> Housekeeping:
    """A whole round."""
    house = Housekeeping(world.context, files, keep)
    house.tick()
    return house


@pytest.fixture
def world() -> World:
    """Three versions of a dataset, the third live, the second before it; a fourth that trains."""
    world = World()
    world.clock.now += 500 * DAY
    for content in "ABC":
        drop(world, content)
        tick(world)
    world.azureml.job_status["bank-4-a1"] = "Running"
    drop(world, "D")
    tick(world, 5)
    assert state(world, "bank-3-a1") == "live"
    return world


class TestStagedData:
    def test_of_versions_that_nobody_needs_goes(self, world: World) -> None:
        files = Account(world)
        for content in ("A", "B", "C", "D", "refused"):
            for name in ("train/data.csv", "train/MLTable", "holdout/data.csv", "profile.json"):
                files.add(KEEP.data, f"bank/{content}/{name}", 60)
        files.add(KEEP.data, "bank/new/train/data.csv", 1)
        files.add(KEEP.data, "bank-2/A/train/data.csv", 60)
        kept(world, files)
        left = {"/".join(name.split("/")[:2]) for name in files.names(KEEP.data)}
        assert left == {"bank/B", "bank/C", "bank/D", "bank/new", "bank-2/A"}
        assert "bank/B/profile.json" in files.names(KEEP.data)

    def test_of_a_dataset_that_cannot_be_read_stays_and_the_others_go_on(self, world: World) -> None:
        files = Account(world)
        files.add(KEEP.data, "bank/A/train/data.csv", 60)
        files.add(KEEP.batches, "bank/1/input.csv", 60)
        world.docs.create("batches/bank/1.json", {"status": "failed"})
        world.docs.modified["batches/bank/1.json"] = world.clock.now - 60 * DAY
        world.docs.blobs["datasets/bank.json"] = ("{", '"x"')
        kept(world, files)
        assert files.names(KEEP.data) == {"bank/A/train/data.csv"}
        assert files.names(KEEP.batches) == set()


def test_batches_that_have_ended_go_with_their_files(world: World) -> None:
    files = Account(world)
    for key, status, days in (
        ("bank/1", "completed", 60),
        ("bank/2", "running", 60),
        ("bank/3", "failed", 1),
        ("bank/4", "waiting", 60),
    ):
        world.docs.create(f"batches/{key}.json", {"status": status, "created_at": 7.0})
        ListedBatches(world.docs).put("bank", key.partition("/")[2], 7.0)
        world.docs.modified[f"batches/{key}.json"] = world.clock.now - days * DAY
        for name in ("input.csv", "output.csv"):
            files.add(KEEP.batches, f"{key}/{name}", days)
    files.add(KEEP.batches, "brought-by-people.csv", 400)
    kept(world, files)
    assert set(world.docs.list("batches/")) == {f"batches/bank/{n}.json" for n in (2, 3, 4)}
    assert {name.rpartition("/")[0] for name in files.names(KEEP.batches)} == {
        "bank/2",
        "bank/3",
        "bank/4",
        "",
    }
    for slug in (None, "bank"):
        listed = ListedBatches(world.docs).page(slug, 10, None).items
        assert sorted(each.id for each in listed) == ["2", "3", "4"], "the list has lost what is gone"


def test_uploads_whose_batch_never_came_to_be_go_too(world: World) -> None:
    """The host died between the upload and its document; nothing else names the blob."""
    files = Account(world)
    known, lost, young = f"bank/{'1' * 16}", f"bank/{'2' * 16}", f"bank/{'3' * 16}"
    world.docs.create(f"batches/{known}.json", {"status": "running"})
    for key, days in ((known, 60), (lost, 60), (young, 1)):
        files.add(KEEP.batches, f"{key}/input-0123abcd.csv", days)
    for name in (f"{lost}/mine.csv", "bank/input-0123abcd.csv", f"in/{lost}/input-0123abcd.csv"):
        files.add(KEEP.batches, name, 400)
    kept(world, files)
    assert files.names(KEEP.batches) == {
        f"{known}/input-0123abcd.csv",
        f"{young}/input-0123abcd.csv",
        f"{lost}/mine.csv",
        "bank/input-0123abcd.csv",
        f"in/{lost}/input-0123abcd.csv",
    }


def test_pipeline_runs_that_have_ended_go_and_leave_the_list(world: World) -> None:
    runs = PipelineRuns(world.context, MemoryPipelines(world.azureml))
    for name in ("old", "new"):
        runs.trigger("bank", name, "http")
    for _ in range(40):
        runs.tick()
        tick(world, 1)
    world.docs.modified["pipelines/bank/old.json"] = world.clock.now - 60 * DAY
    assert len(runs.page("bank", 10, None).items) == 2
    kept(world, Account(world))
    assert [found.id for found in runs.page("bank", 10, None).items] == ["new"]


def test_what_is_no_record_goes_and_records_stay(world: World) -> None:
    passing = ["canary/bank/host-1.json", "unreadable/bank-9-a1.json", "strikes/bank-9-a1.json"]
    for path in passing:
        world.docs.create(path, {})
    world.docs.modified = dict.fromkeys(world.docs.blobs, world.clock.now - 400 * DAY)
    before = set(world.docs.blobs)
    passing += [path for path in before if path.startswith("evidence/")]
    kept(world, Account(world))
    assert before - set(world.docs.blobs) == {*passing, LOOKED}


class TestARound:
    def test_takes_the_oldest_first_and_so_many_at_most(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(housekeeping, "MOST", 3)
        files = Account(world)
        for days in (40, 90, 50, 80, 60):
            files.add(KEEP.data, f"bank/{days}/train", days)
        kept(world, files)
        assert files.names(KEEP.data) == {"bank/40/train", "bank/50/train"}

    def test_is_cut_by_its_slice_and_goes_on_at_the_next_tick(self, world: World) -> None:
        files = Account(world)
        for n in range(6):
            files.add(KEEP.data, f"bank/{n}/train", 60)
        delete = files.delete

        def slow(container: str, name: str) -> None:
            world.clock.now += 2
            delete(container, name)

        files.delete = slow  # type: ignore[method-assign]
        house = kept(world, files)
        assert 0 < len(files.names(KEEP.data)) < 6
        house.tick()
        house.tick()
        assert files.names(KEEP.data) == set()

    def test_comes_a_few_times_a_day_whoever_keeps_house(self, world: World) -> None:
        kept(world, Account(world))
        assert world.docs.get(PATH) is not None
        files = Account(world)
        files.add(KEEP.data, "bank/old/train", 60)
        house = kept(world, files)
        assert files.names(KEEP.data) == {"bank/old/train"}
        world.clock.now += ROUND_SECONDS
        house.tick()
        assert files.names(KEEP.data) == set()

    def test_can_be_switched_off(self, world: World) -> None:
        files = Account(world)
        files.add(KEEP.data, "bank/old/train", 6000)
        kept(world, files, Keep(0, KEEP.data, KEEP.batches))
        assert files.names(KEEP.data) == {"bank/old/train"}


def test_what_was_captured_goes_by_its_own_days_though_all_else_is_kept(world: World) -> None:
    captured = [
        "captured/bank/000000006000-600/one.json",
        "captured-rows/bank/000000006000-600/one.jsonl",
        "hours/bank/2026-11-29/one.json",
    ]
    for path in captured:
        world.docs.create(path, {})
        world.docs.modified[path] = world.clock.now - 31 * DAY
    world.docs.create("captured/bank/000000012000-600/one.json", {})
    world.docs.modified["captured/bank/000000012000-600/one.json"] = world.clock.now - 29 * DAY
    before = set(world.docs.blobs)
    kept(world, Account(world), Keep(0, KEEP.data, KEEP.batches, captured_days=30))
    assert before - set(world.docs.blobs) == {*captured, LOOKED}


def test_versions_that_are_trained_on_together_stay(world: World) -> None:
    upkeep = Upkeep(Retrain(data=4))
    world.store.change_dataset("bank", lambda found: replace(found, upkeep=upkeep))
    files = Account(world)
    for content in "ABCD":
        files.add(KEEP.data, f"bank/{content}/train/data.csv", 60)
    kept(world, files)
    assert len(files.names(KEEP.data)) == 4


def test_a_page_of_an_answer_does_not_grow_the_documents() -> None:
    problem = RunProblem.of(Upstream("x" * 10**6, remedy="y" * 10**6, field="z" * 10**6))
    assert len(problem.message) == len(problem.remedy) == len(str(problem.where["field"])) == MOST_CHARACTERS


class TestTheIndexOfOpenWork:
    @pytest.mark.parametrize("text", [None, "{", "[]", "{}", '{"open": 7}', '{"open": {"bank/1": "now"}}'])
    def test_is_made_anew_from_the_works_own_documents(self, text: str | None) -> None:
        world = World()
        found: dict[str, Any] = {"bank/1": "completed", "bank/2": "running", "bank/3": "queued"}
        for key, status in found.items():
            world.docs.create(f"batches/{key}.json", {"status": status, "created_at": 7.0})
        world.docs.blobs["batches/bank/4.json"] = ("{", '"x"')
        if text is not None:
            world.docs.blobs["batches/open.json"] = (text, '"x"')
        index = OpenIndex(world.docs, "batches/open.json")
        assert index.entries() == {"bank/2": 7.0, "bank/3": 7.0}
        index.remove("bank/2")
        index.add("bank/5", 9.0)
        assert index.entries() == {"bank/3": 7.0, "bank/5": 9.0}

    def test_that_is_there_costs_one_read(self) -> None:
        world = World()
        index = OpenIndex(world.docs, "batches/open.json")
        index.add("bank/1", 1.0)
        world.docs.list = None  # type: ignore[method-assign, assignment]
        assert index.entries() == {"bank/1": 1.0}
