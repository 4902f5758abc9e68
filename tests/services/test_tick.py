"""A tick: every open run in its turn, whatever happens to the others, at a cost that follows what is open."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from shared.domain import names
from shared.domain.errors import Transient
from shared.domain.run.states import State
from shared.domain.schema import Column, Schema
from shared.services.run import loop, views
from tests.services.test_lifecycle import CONFIG, drop, state, tick
from tests.support.memory import World
from tests.support.upkeep import app_schedule, untrained


def test_a_run_that_waits_at_the_gate_keeps_its_deployment_while_another_is_promoted() -> None:
    world = World(canary_seconds=20)
    drop(world, "A")
    tick(world)
    drop(world, "B")
    tick(world, 8)
    drop(world, "C")
    tick(world, 8)
    assert [state(world, f"bank-{n}-a1") for n in (1, 2, 3)] == ["live", "canary", "gate"]
    tick(world, 120)
    assert [state(world, f"bank-{n}-a1") for n in (1, 2, 3)] == ["retired", "retired", "live"]
    (endpoint,) = world.azureml.endpoints.values()
    assert set(endpoint["deployments"]) == {"m2-a1", "m3-a1"}


class TestOneRunsFault:
    @pytest.mark.parametrize(
        "fault", [KeyError("status"), ValueError("None"), TypeError("x"), RecursionError()]
    )
    def test_is_that_runs_alone_and_in_the_end_ends_it(self, fault: Exception) -> None:
        world = World()
        bad, good = drop(world, dataset="bad"), drop(world, dataset="good")
        job = world.azureml.job

        def breaking(name: str) -> Any:
            if name == bad and bad in world.azureml.jobs:
                raise fault
            return job(name)

        world.azureml.job = breaking  # type: ignore[method-assign]
        tick(world, 3)
        run = world.run(bad)
        assert run.trouble is not None
        assert type(fault).__name__ in run.trouble.message
        tick(world, 40)
        assert (state(world, bad), state(world, good)) == ("failed", "live")
        problem = world.run(bad).problem
        assert problem is not None
        assert (problem.code, problem.failed_in) == ("unexpected", State.TRAINING)
        assert problem.remedy

    def test_an_answer_that_is_no_number_ends_a_regression_and_no_other(self) -> None:
        world = World()
        schema = Schema("y", (Column("x", "integer"),), (), ({"x": 1},))
        labels = world.scorer.labels
        world.scorer.labels = lambda e, d, c, rows: (  # type: ignore[method-assign, assignment]
            ["None" for _ in rows] if "bad" in e.name else labels(e, d, c, rows)
        )
        bad = drop(world, dataset="bad", schema=schema, config=replace(CONFIG, task="regression"))
        good = drop(world, dataset="good")
        tick(world, 60)
        assert (state(world, bad), state(world, good)) == ("failed", "live")

    def test_a_document_that_cannot_be_read_is_put_aside_and_told(self) -> None:
        world = World()
        bad, good = drop(world, dataset="bad"), drop(world, dataset="good")
        tick(world, 1)
        path = f"runs/{bad}.json"
        found = world.docs.get(path)
        assert found is not None
        world.docs.replace(path, found[0] | {"created_at": "yesterday"}, found[1])
        tick(world)
        assert (state(world, bad), state(world, good)) == ("failed", "live")
        problem = world.run(bad).problem
        assert problem is not None
        assert problem.code == "invalid-document"
        assert "created_at" in problem.message
        assert world.docs.get(f"unreadable/{bad}.json") is not None
        assert world.store.open_datasets() == {}

    @pytest.mark.parametrize("text", ["{", "[]", "", "null"])
    def test_a_document_that_is_no_json_is_put_aside_too(self, text: str) -> None:
        world = World()
        bad, good = drop(world, dataset="bad"), drop(world, dataset="good")
        tick(world, 1)
        path = f"runs/{bad}.json"
        world.docs.blobs[path] = (text, world.docs.blobs[path][1])
        tick(world)
        assert (state(world, bad), state(world, good)) == ("failed", "live")
        kept = world.docs.get(f"unreadable/{bad}.json")
        assert kept is not None
        assert kept[0] == {"text": text}
        assert world.store.open_datasets() == {}

    @pytest.mark.parametrize("forged", ['{"actor":"mallory"}\n', "garbage\n", None])
    def test_a_ledger_that_somebody_wrote_to_or_cut_holds_no_run_up_and_is_told(
        self, forged: str | None
    ) -> None:
        world = World()
        run_id = drop(world)
        tick(world, 1)
        path = f"ledger/{run_id}.jsonl"
        text = world.ledger_store.text[path]
        kept = text.splitlines(keepends=True)[:1]
        world.ledger_store.text[path] = text + forged if forged else "".join(kept)
        tick(world)
        assert state(world, run_id) == "live"
        seen = views.ledger(run_id, world.store)
        assert seen.broken_at == (len(text.splitlines()) if forged else 1)
        assert seen.entries[-1]["state"] == "live", "nothing that came later is lost"

    @pytest.mark.parametrize("text", ["[1", "null", '{"first": 7}'])
    def test_a_hint_that_cannot_be_read_stops_nothing(self, text: str) -> None:
        world = World()
        run_id = drop(world)
        world.docs.blobs["turn.json"] = (text, '"x"')
        tick(world)
        assert state(world, run_id) == "live"

    def test_a_dataset_that_cannot_be_read_stops_no_other(self) -> None:
        world = World()
        drop(world, dataset="bad")
        good = drop(world, dataset="good")
        found = world.docs.get("datasets/bad.json")
        assert found is not None
        world.docs.replace("datasets/bad.json", {"dataset": 7}, found[1])
        tick(world)
        assert state(world, good) == "live"
        assert any(line["what"] == "dataset not worked on" for line in world.logged)

    def test_a_run_that_only_meets_trouble_is_overdue_in_the_end(self) -> None:
        world = World(open_run_hours=1.0)
        run_id = drop(world)

        def throttled(name: str) -> Any:
            raise Transient("The service is busy.")

        world.azureml.job = throttled  # type: ignore[method-assign]
        tick(world, 5)
        assert state(world, run_id) == "registered"
        world.clock.now += 3600
        tick(world, 1)
        problem = world.run(run_id).problem
        assert problem is not None
        assert problem.code == "stuck"
        assert "The service is busy." in problem.message

    def test_retraining_goes_on_past_a_dataset_that_cannot_be_retrained(self) -> None:
        world = World()
        for dataset in ("bad", "good"):
            drop(world, dataset=dataset)
        tick(world)
        for dataset in ("bad", "good"):
            untrained(world, dataset=dataset)
        load = world.store.load

        class Store(type(world.store)):  # type: ignore[misc]
            def load(self, run_id: str) -> Any:
                if run_id.startswith("bad"):
                    raise KeyError(run_id)
                return load(run_id)

        context = replace(world.context, store=Store(world.docs, world.ledger_store, world.clock))
        assert app_schedule(world, "2026-01-05T03:00", context) == ["good-3-a1"]
        assert any(line["what"] == "could not retrain" for line in world.logged)


class Counting:
    """Counts the calls of a store of documents."""

    def __init__(self, docs: Any) -> None:
        self._docs, self.calls = docs, Counter[str]()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._docs, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            return method(*args, **kwargs)

        return counted


@pytest.fixture
def counted() -> tuple[World, Counting]:
    world = World()
    for n in range(30):
        drop(world, dataset=f"d{n}")
    tick(world)
    counting = Counting(world.docs)
    world.docs = counting  # type: ignore[assignment]
    return world, counting


class TestCost:
    def test_with_nothing_open_a_tick_is_a_call_or_two_whatever_was_before(
        self, counted: tuple[World, Counting]
    ) -> None:
        world, counting = counted
        loop.tick(world.context)
        assert counting.calls.total() <= 2

    def test_with_one_run_open_a_tick_looks_at_its_dataset_alone(
        self, counted: tuple[World, Counting]
    ) -> None:
        world, counting = counted
        drop(world, "B", dataset="d7")
        world.azureml.job_status["d7-2-a1"] = "Running"
        tick(world, 2)
        counting.calls.clear()
        loop.tick(world.context)
        assert counting.calls.total() <= 5

    def test_a_list_of_runs_is_a_listing(self, counted: tuple[World, Counting]) -> None:
        world, counting = counted
        first = world.store.index.page(20)
        assert counting.calls.total() <= 3
        counting.calls.clear()
        assert world.store.index.page(20) == first
        assert counting.calls == {"get": 1}
        assert len(first.items) == 20


def test_a_tick_that_its_deadline_cuts_goes_on_where_it_left_off() -> None:
    world = World(tick_seconds=1.0)
    ids = [drop(world, dataset=f"d{n}") for n in range(6)]
    job = world.azureml.job

    def slow(name: str) -> Any:
        world.clock.now += 0.4
        return job(name)

    world.azureml.job = slow  # type: ignore[method-assign]
    looked_at: list[set[str]] = []
    for _ in range(9):
        before = {run_id: world.run(run_id) for run_id in ids}
        loop.tick(world.context)
        looked_at.append({run_id for run_id in ids if world.run(run_id) != before[run_id]})
    assert looked_at[0] != set(ids), "the deadline cuts"
    assert set().union(*looked_at) == set(ids), "and none starves"
    tick(world, 80)
    assert {state(world, run_id) for run_id in ids} == {"live"}


def test_runs_of_one_dataset_that_the_deadline_cuts_take_turns() -> None:
    world = World(tick_seconds=1.0)
    ids = [drop(world, content) for content in "ABCDEF"]
    job = world.azureml.job

    def slow(name: str) -> Any:
        world.clock.now += 0.6
        return job(name)

    world.azureml.job = slow  # type: ignore[method-assign]
    for _ in range(6):
        loop.tick(world.context)
    assert all(state(world, run_id) not in ("dropped", "validating") for run_id in ids)


def test_many_datasets_are_worked_on_at_a_time() -> None:
    world = World(workers=8)
    ids = [drop(world, dataset=f"d{n}") for n in range(40)]
    tick(world, 30)
    assert {state(world, run_id) for run_id in ids} == {"live"}
    assert world.azureml.submissions == 40


class TestNames:
    def test_two_names_that_meet_in_one_short_form_are_two_datasets(self) -> None:
        seen: dict[str, str] = {}
        for number in range(5000):
            separators = "".join(" _!."[number >> 2 * k & 3] for k in range(7))
            name = f"Bank{separators}A"
            if names.slug(name) in seen:
                break
            seen[names.slug(name)] = name
        else:
            pytest.fail("no two names met")
        other = seen[names.slug(name)]
        world = World()
        first, second = drop(world, dataset=other), drop(world, dataset=name)
        tick(world)
        assert (state(world, first), state(world, second)) == ("live", "live")
        assert first.rpartition("-1-a1")[0] != second.rpartition("-1-a1")[0]
        assert world.store.find_dataset(other).dataset == other
        assert world.store.find_dataset(name).dataset == name
        assert len(world.azureml.endpoints) == 2
