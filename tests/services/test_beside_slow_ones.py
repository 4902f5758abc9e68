"""One dataset keeps a tick for minutes, as its challenger answers slowly: what the others wait for comes all the same."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.run.states import State
from shared.services.run import loop, rounds
from tests.services.test_acts import live, stepped
from tests.services.test_bad_cloud import until
from tests.services.test_canary import callers
from tests.services.test_lifecycle import drop, state, tick
from tests.support.memory import World


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "AGAIN_SECONDS", 0.2)


def kept(world: World, until: Callable[[], bool], meanwhile: Callable[[], object] = lambda: None) -> bool:
    """One tick in which the dataset `slow` takes its time until then, 30 seconds at most; whether it came to that."""
    world.pace = replace(world.pace, workers=4)
    world.azureml.job_status[drop(world, "A", dataset="slow")] = "Running"
    tick(world, 1)
    real, met = world.azureml.job, list[bool]()

    def slow(name: str) -> Any:
        if name.startswith("slow") and not met:
            met.append(False)
            meanwhile()
            ends = time.monotonic() + 30
            while not until() and time.monotonic() < ends:
                time.sleep(0.05)
            met[0] = until()
        return real(name)

    world.azureml.job = slow  # type: ignore[method-assign]
    loop.tick(world.context)
    return met[0]


def test_a_file_that_is_dropped_meanwhile_trains() -> None:
    world = World()
    new = "bank-1-a1"
    assert kept(
        world,
        lambda: "bank-1-a1" in world.azureml.jobs,
        lambda: world.azureml.job_status.update({drop(world, "A"): "Running"}),
    )
    assert state(world, new) == "training"


def test_a_training_that_has_ended_meanwhile_goes_on_to_live() -> None:
    world = World()
    run_id = drop(world, "A")
    world.azureml.job_status[run_id] = "Running"
    tick(world, 2)
    assert state(world, run_id) == "training"

    def ends() -> None:
        world.azureml.job_status[run_id] = "Completed"
        world.clock.now += world.pace.tick_seconds

    def goes_on() -> bool:
        world.clock.now += 5
        return state(world, run_id) == "live"

    assert kept(world, goes_on, ends)


def test_no_dataset_is_worked_on_twice_at_a_time(monkeypatch: Any) -> None:
    world, lock = World(), threading.Lock()
    inside, most, looks = Counter[str](), Counter[str](), Counter[str]()
    real = loop._dataset

    def counted(slug: str, *of: Any) -> Any:
        with lock:
            inside[slug] += 1
            looks[slug] += 1
            most[slug] = max(most[slug], inside[slug])
        try:
            time.sleep(0.1)
            return real(slug, *of)
        finally:
            with lock:
                inside[slug] -= 1

    monkeypatch.setattr(loop, "_dataset", counted)
    names = [f"d{number}" for number in range(6)]

    def dropped() -> None:
        for name in names:
            world.azureml.job_status[drop(world, "A", dataset=name)] = "Running"

    def marked_again() -> bool:
        for name in names:
            world.store.mark_open(name)
        return all(looks[name] >= 2 for name in names)

    assert kept(world, marked_again, dropped), "more than there are places for, each in its turn"
    assert set(most.values()) == {1}


def test_callers_are_brought_back_while_the_next_challenger_is_slow_to_answer() -> None:
    """Of the same dataset: the version that went live a moment ago is still watched."""
    world = live("A", canary_seconds=30, watch_seconds=6000)
    world.pace = replace(world.pace, workers=4)
    drop(world, "B")
    until(world, "bank-2-a1", "live")
    stepped(world, drop(world, "C"), State.GATE)
    real, met = world.scorer.answers, list[bool]()

    def slow(endpoint: Any, deployment: str, *of: Any) -> Any:
        if deployment == "m3-a1" and not met:
            met.append(False)
            callers(world, "host-a", "m2-a1", 60, failing=True)
            ends = time.monotonic() + 30
            while not met[0] and time.monotonic() < ends:
                met[0] = world.serving("bank").traffic == {"m1-a1": 100}
                time.sleep(0.05)
        return real(endpoint, deployment, *of)

    world.scorer.answers = slow  # type: ignore[method-assign, assignment]
    loop.tick(world.context)
    assert met == [True], "within the tick that the challenger keeps"


def test_a_dataset_whose_every_look_is_slow_does_not_keep_the_tick_for_good(monkeypatch: Any) -> None:
    """Its runs and its callers are looked after in turn: neither look goes on only because of the other."""
    world = live("A", canary_seconds=30, watch_seconds=6000)
    world.pace = replace(world.pace, workers=4)
    drop(world, "B")
    until(world, "bank-2-a1", "canary")
    looks = Counter[str]()
    monkeypatch.setattr(rounds, "AGAIN_SECONDS", 0.05)

    def slow(name: str) -> None:
        real = getattr(loop, name)

        def looked(*of: Any, **more: Any) -> Any:
            looks[name] += 1
            time.sleep(0.2 if looks[name] < 50 else 0)
            return real(*of, **more)

        monkeypatch.setattr(loop, name, looked)

    slow("_dataset")
    slow("_live")
    loop.tick(world.context)
    assert 1 <= looks["_dataset"] + looks["_live"] < 10
