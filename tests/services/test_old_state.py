"""State as earlier releases wrote it, a run in every state: it opens, goes on to its end, and loses nothing.

`tests/support/states/{commit}.json` was written by that commit's own code over its own stand-ins.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared.domain.batches import Batch
from shared.domain.documents import from_json
from shared.domain.run.ledger import Verification, verify
from shared.domain.run.serving import ServingEntry
from shared.domain.run.states import State
from shared.services.open_index import OpenIndex
from shared.services.run import views
from shared.services.run.pipeline_runs import PipelineRuns
from shared.services.run.ports import TrainingJob
from shared.services.run.upgrade import upgrade
from shared.services.scoring.rotation import Rotation
from tests.services.test_lifecycle import CONFIG, tick
from tests.support.memory import World, opened
from tests.support.memory_pipelines import MemoryPipelines

STATES = Path(__file__).resolve().parents[1] / "support" / "states"
COMMITS = ["8464a1e", "f5c44bf"]


@dataclass
class Old:
    """A world as a commit left it; `expected` are the states of its runs."""

    world: World
    expected: dict[str, str]
    pipelines: PipelineRuns

    def finished(self) -> None:
        """Upgraded, and worked on until nothing is open."""
        upgrade(self.world.context, self.pipelines)
        for _ in range(80):
            self.pipelines.tick()
            tick(self.world, 1)


@pytest.fixture(params=COMMITS)
def old(request: pytest.FixtureRequest) -> Old:
    found: dict[str, Any] = json.loads((STATES / f"{request.param}.json").read_text())
    world = World(canary_seconds=20)
    world.clock.now = found["now"]
    for path, doc in found["documents"].items():
        world.docs.create(path, doc)
    for path, metadata in found["marks"].items():
        world.docs.mark(path, metadata)
    world.ledger_store.text = dict(found["ledgers"])
    azure = found["azureml"]
    world.azureml.models, world.azureml.data = azure["models"], azure["data"]
    world.azureml.endpoints = opened(azure["endpoints"])
    world.azureml.jobs = {
        name: TrainingJob(name, "bank", "bank", "1", "y", CONFIG, None, {}) for name in azure["jobs"]
    }
    return Old(world, found["expected"], PipelineRuns(world.context, MemoryPipelines(world.azureml)))


def test_every_run_opens_in_its_state(old: Old) -> None:
    assert {run_id: str(old.world.run(run_id).state) for run_id in old.expected} == old.expected
    later = {State.CANCELLED, State.AWAITING_APPROVAL, State.ROLLED_BACK}
    assert set(old.expected.values()) == set(State) - later, "a run in every state that those releases knew"


def test_what_was_open_goes_on_to_its_end(old: Old) -> None:
    old.finished()
    ends = {run_id: str(old.world.run(run_id).state) for run_id in old.expected}
    before = old.expected
    assert (ends.pop("in-canary-1-a1"), ends["in-canary-2-a1"]) == ("retired", "live")
    went_on = {run_id: end for run_id, end in ends.items() if run_id.startswith("in-")}
    assert went_on.pop("in-live-1-a1") in ("live", "retired"), "its pipeline brings a second one"
    assert set(went_on.values()) == {"live"}
    for run_id in ("bank-1-a1", "bank-3-a1", "bank-4-a1", "bank-5-a1"):
        assert ends[run_id] == before[run_id], "what had ended stays as it was"
    assert old.world.store.open_datasets() == {}
    assert list(old.world.docs.list("unreadable/")) == []


def test_nothing_is_begun_twice(old: Old) -> None:
    old.finished()
    assert old.world.azureml.submissions == 3, "of what was dropped, validating and registered"
    for run_id in old.expected:
        run = old.world.run(run_id)
        assert run.repeated == ()
        assert verify(old.world.store.ledger(run_id), run.ledger_head, run.pending) == Verification()


def test_pipeline_runs_end(old: Old) -> None:
    old.finished()
    found = {view.id: view for view in old.pipelines.page("bank", 10, None).items}
    assert {name: view.status for name, view in found.items()} == {
        "req-run": "completed",
        "req-adopted": "completed",
        "req-failed": "failed",
    }
    assert old.pipelines.show("in-live", "req-publishing").status == "completed"


def test_everything_is_listed_and_served(old: Old) -> None:
    old.finished()
    listed = {summary.run_id for summary in old.world.store.index.page(100).items}
    assert set(old.expected) <= listed
    refused = {found.id for found in old.world.store.refused.page(100).items}
    assert refused == {run_id for run_id, state in old.expected.items() if state == State.QUARANTINED}
    page = views.datasets(views.PageQuery(), old.world.store)
    assert len(page.datasets) == 12
    assert not [view for view in page.datasets if view.problem]
    for path in old.world.docs.list("serving/"):
        entry = old.world.store.read(path, ServingEntry)
        assert entry is not None
        assert list(entry.traffic.values()) == [100]


def test_batches_and_rotations_open(old: Old) -> None:
    docs = old.world.docs
    batches = [path for path in docs.list("batches/") if path != "batches/open.json"]
    found = [from_json((docs.get(path) or ({}, ""))[0], Batch) for path in batches]
    assert sorted(batch.status for batch in found) == ["completed", "queued", "running"]
    keys = {f"bank/{batch.id}" for batch in found}
    assert set(OpenIndex(docs, "batches/open.json").entries()) == keys
    for path in docs.list("rotations/bank"):
        assert from_json((docs.get(path) or ({}, ""))[0], Rotation).status == "running"
