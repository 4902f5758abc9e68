"""State that an earlier release wrote opens and goes on: nothing is lost, nothing starts twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.domain.documents import InvalidDocument
from shared.domain.run.ledger import Verification, verify
from shared.domain.run.migrations import run_of
from shared.domain.run.states import State
from shared.services.documents import entries
from shared.services.run.listed_batches import ListedBatches
from shared.services.run.pipeline_runs import PipelineRuns
from shared.services.run.ports import TrainingJob
from shared.services.run.serving_documents import FOLDER, Placed, placed
from shared.services.run.upgrade import upgrade
from tests.services.test_lifecycle import CONFIG, tick
from tests.support.memory import World, opened
from tests.support.memory_pipelines import MemoryPipelines

STATES = Path(__file__).resolve().parents[1] / "support" / "states"


@pytest.fixture
def world() -> World:
    """Seven runs of one dataset, in seven states, as the release before typed documents left them."""
    found = json.loads((STATES / "before_types.json").read_text())
    made = World(canary_seconds=5)
    made.clock.now = found["now"]
    for path, doc in found["documents"].items():
        made.docs.create(path, doc)
    made.ledger_store.text = dict(found["ledgers"])
    azure = found["azureml"]
    made.azureml.models, made.azureml.data = azure["models"], azure["data"]
    made.azureml.endpoints = opened(azure["endpoints"])
    made.azureml.jobs = {
        name: TrainingJob(name, "bank", "bank", "1", "y", CONFIG, None, {}) for name in azure["jobs"]
    }
    return made


def pipelines(world: World) -> PipelineRuns:
    return PipelineRuns(world.context, MemoryPipelines(world.azureml))


def test_a_listing_tells_the_traffic_of_each_document(world: World) -> None:
    before = world.docs.get("serving/bank.json")
    assert [placed(listed) for listed in entries(world.docs, FOLDER)] == [None]
    for _ in range(2):
        upgrade(world.context, pipelines(world))
    after = world.docs.get("serving/bank.json")
    assert before is not None
    assert after is not None
    assert after[0] == before[0]
    (told,) = [placed(listed) for listed in entries(world.docs, FOLDER)]
    assert told == Placed("bank", before[0]["endpoint"], before[0]["traffic"])


def test_every_run_opens_with_its_parts(world: World) -> None:
    runs = {run.run_id: run for run in world.runs()}
    assert {run_id: str(run.state) for run_id, run in runs.items()} == {
        "bank-1-a1": "retired",
        "bank-2-a1": "live",
        "bank-3-a1": "rejected",
        "bank-4-a1": "quarantined",
        "bank-5-a1": "failed",
        "bank-6-a1": "canary",
        "bank-7-a1": "training",
    }
    live = runs["bank-2-a1"]
    assert live.snapshot is not None
    assert live.snapshot.columns == ["x"]
    assert live.placement is not None
    assert live.placement.deployment == "m2-a1"
    assert live.model is not None
    assert live.model.label == "bank:2"
    assert live.best is not None
    assert live.best.metrics["AUC_weighted"] == 0.95
    assert live.gate is not None
    assert live.gate.numbers is not None
    assert live.gate.numbers.champion is not None
    refused = runs["bank-4-a1"].problem
    assert refused is not None
    assert refused.where == {"line": 7, "file": "bank.csv"}
    failed = runs["bank-5-a1"].problem
    assert failed is not None
    assert (failed.code, failed.failed_in) == ("training-failed", State.TRAINING)
    canary = runs["bank-6-a1"].canary
    assert canary is not None
    assert canary.percent == 10
    assert canary.since is not None


def test_their_ledgers_verify(world: World) -> None:
    for run in world.runs():
        assert verify(world.store.ledger(run.run_id), run.ledger_head, run.pending) == Verification()


def test_what_was_open_goes_on_and_everything_is_listed(world: World) -> None:
    assert world.store.open_datasets() == {}, "the earlier release knew no marks"
    upgrade(world.context, pipelines(world))
    listed = world.store.index.page(50).items
    assert [summary.run_id for summary in listed] == [f"bank-{n}-a1" for n in range(7, 0, -1)]
    tick(world, 60)
    assert str(world.run("bank-6-a1").state) == "retired"
    assert str(world.run("bank-7-a1").state) == "live"
    assert world.serving("bank").live == "m7-a1"
    assert [p.id for p in pipelines(world).page("bank", 10, None).items] == ["req-1"]


def test_batches_of_earlier_releases_are_listed_newest_first(world: World) -> None:
    for n in (3, 1, 2):
        world.docs.create(f"batches/bank/b{n}.json", {"status": "completed", "created_at": float(n)})
    world.docs.put("batches/open.json", {"open": {}})
    upgrade(world.context, pipelines(world))
    listed = [each.id for each in ListedBatches(world.docs).page("bank", 10, None).items]
    assert [name for name in listed if name.startswith("b")] == ["b3", "b2", "b1"]


def test_an_upgrade_is_taken_once_and_may_die_at_any_point(world: World) -> None:
    upgrade(world.context, pipelines(world))
    before = dict(world.docs.blobs)
    upgrade(world.context, pipelines(world))
    assert dict(world.docs.blobs) == before
    found = world.docs.get("upgrade.json")
    assert found is not None
    world.docs.delete("upgrade.json")
    upgrade(world.context, pipelines(world))
    assert world.store.index.page(50).items == world.store.index.page(50).items
    assert len(world.store.index.page(50).items) == 7


def test_a_newer_releases_document_is_refused_by_name(world: World) -> None:
    found = world.docs.get("runs/bank-2-a1.json")
    assert found is not None
    newer: dict[str, Any] = found[0] | {"schema": 99}
    with pytest.raises(InvalidDocument, match="schema version 99"):
        run_of(newer)
