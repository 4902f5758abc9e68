"""What an open run's turn costs in storage: many files dropped at once are worked on by one tick."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.services.run import dataset_store
from tests.services.test_lifecycle import drop, state, tick
from tests.support.memory import World


def counted(world: World, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Calls from now on: `get datasets`, `replace runs`, `append ledger` ..."""
    calls: Counter[str] = Counter()

    def counting(what: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counts(path: str, *rest: Any, **named: Any) -> Any:
            calls[f"{what} {path.partition('/')[0]}"] += 1
            return call(path, *rest, **named)

        return counts

    for method in ("get", "create", "replace", "mark"):
        monkeypatch.setattr(world.docs, method, counting(method, getattr(world.docs, method)))
    monkeypatch.setattr(world.ledger_store, "append", counting("append", world.ledger_store.append))
    return calls


def test_a_dropped_file_is_listed_and_told_of_once_for_each_thing_that_happened_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    monkeypatch.setattr(dataset_store, "GLANCE_SECONDS", 60.0)  # a slow machine's reading is no other one
    run_id = drop(world)
    world.azureml.patience = 10**6  # it trains on
    calls = counted(world, monkeypatch)
    tick(world, 1)
    assert state(world, run_id) == "training"
    moves = 3  # validating, registered, training; that it was opened is told with the first of them
    assert calls["append ledger"] == moves
    assert calls["mark index"] == 2 * moves  # of all runs, and of this dataset's
    assert calls["create runs"] == 1  # not before something has happened to it
    assert calls["replace runs"] == 2 * moves  # and what is known of the job
    assert [json.loads(line)["event"] for line in world.store.ledger(run_id)] == [
        "opened",
        "state",
        "state",
        "state",
    ]


def test_a_step_reads_its_dataset_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr(dataset_store, "GLANCE_SECONDS", 60.0)
    run_id = drop(world)
    world.azureml.patience = 10**6  # it trains on
    tick(world, 1)
    calls = counted(world, monkeypatch)
    tick(world, 1)
    assert state(world, run_id) == "training"
    assert calls["get datasets"] <= 1, "the dataset's own turn and its run's are one"


def test_a_glance_sees_what_its_own_thread_changed_and_ends_with_it() -> None:
    world = World()
    drop(world)
    store = world.store
    with store.glance():
        before = store.dataset("bank")
        assert before is not None
        store.change_dataset("bank", lambda dataset: replace(dataset, rests=7))
        after = store.dataset("bank")
        assert after is not None
        assert (before.rests, after.rests) == (0, 7)
    other = world.store
    other.change_dataset("bank", lambda dataset: replace(dataset, rests=8))
    seen = store.dataset("bank")
    assert seen is not None
    assert seen.rests == 8


def test_a_reading_serves_for_a_moment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    drop(world)
    monkeypatch.setattr(dataset_store, "GLANCE_SECONDS", 0.0)
    store, other = world.store, world.store
    with store.glance():
        store.dataset("bank")
        other.change_dataset("bank", lambda dataset: replace(dataset, rests=8))
        seen = store.dataset("bank")
    assert seen is not None
    assert seen.rests == 8
