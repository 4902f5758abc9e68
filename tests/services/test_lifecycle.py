"""A run goes from a claimed number to live, whatever dies on the way; the gate bites; the ledger tells it all."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain import names
from shared.domain.config import DatasetConfig
from shared.domain.errors import Upstream
from shared.domain.gate import GateConfig
from shared.domain.run.documents import Run
from shared.domain.run.ledger import Verification, verify
from shared.domain.run.parts import RunProblem, Snapshot, Source
from shared.domain.run.serving import Version
from shared.domain.run.states import State
from shared.domain.schema import Column, Schema
from shared.services.run import loop, retraining, trouble
from tests.support import sweeps
from tests.support.memory import Crash, World

SCHEMA = Schema("y", (Column("x", "integer"),), ("no", "yes"), ({"x": 1}, {"x": 2}))
CONFIG = DatasetConfig(timeout_minutes=1.0)


def drop(
    world: World,
    content: str = "A",
    problem: RunProblem | None = None,
    *,
    dataset: str = "bank",
    schema: Schema = SCHEMA,
    config: DatasetConfig = CONFIG,
) -> str:
    """What intake does after staging."""
    store, at = world.store, world.clock()
    slug = store.ensure_dataset(dataset).slug
    key = names.digest(slug, content, "cfg", "drop")

    def build(n: int, attempt: int) -> Run:
        folder = f"{slug}/{content}"
        version = names.model_version(n, attempt)
        snapshot = Snapshot(version, f"{folder}/train", f"{folder}/holdout", schema, rows=100)
        run = Run(
            run_id=names.run_id(slug, n, attempt),
            dataset=dataset,
            slug=slug,
            n=n,
            attempt=attempt,
            key=key,
            cause="drop",
            state=State.DROPPED,
            created_at=at,
            entered_at=at,
            config_hash="cfg",
            config=config,
            source=Source(content_hash=content),
            snapshot=None if problem else snapshot,
            problem=problem,
        )
        return run.opened(at, "tester")

    return store.claim(
        slug, key, build, delivery=f"etag-{content}-{at if problem else ''}", brings_data=True
    )[0]


def tick(world: World, times: int = 40) -> None:
    for _ in range(times):
        loop.tick(world.context)
        world.clock.now += 1


def state(world: World, run_id: str) -> str:
    return str(world.run(run_id).state)


def test_first_model_goes_live_and_serves() -> None:
    world = World()
    run_id = drop(world)
    tick(world)
    run = world.run(run_id)
    assert run.state is State.LIVE
    assert [h.state for h in run.history] == [
        "dropped", "validating", "registered", "training", "trained", "model_registered", "deploying", "verifying",
        "gate", "live",
    ]  # fmt: skip
    serving = world.serving("bank")
    assert serving.traffic == {"m1-a1": 100}
    assert serving.deployments["m1-a1"] == Version(run_id, "bank:1", mode="script")
    assert run.gate is not None
    assert "no champion yet" in (run.gate.reason or "")


def test_a_better_challenger_passes_a_canary_and_the_old_champion_retires() -> None:
    world = World()
    world.scorer.error_rate = {"m1-a1": 0.2, "m2-a1": 0.05}
    first = drop(world, "A")
    tick(world)
    second = drop(world, "B")
    tick(world)
    assert (state(world, first), state(world, second)) == ("retired", "live")
    history = [h.state for h in world.run(second).history]
    assert history[-2:] == ["canary", "live"]
    (endpoint,) = world.azureml.endpoints.values()
    assert endpoint["traffic"] == {"m2-a1": 100}
    assert set(endpoint["deployments"]) == {"m1-a1", "m2-a1"}, "the old one stays for rollback"


def test_a_worse_challenger_is_rejected_with_its_numbers_and_its_deployment_goes() -> None:
    world = World()
    world.scorer.error_rate = {"m1-a1": 0.05, "m2-a1": 0.2}
    drop(world, "A")
    tick(world)
    second = drop(world, "B")
    tick(world)
    run = world.run(second)
    assert run.state is State.REJECTED
    assert run.gate is not None
    numbers = run.gate.numbers
    assert numbers is not None
    assert numbers.challenger < (numbers.champion or 0)
    assert (numbers.high or 0) < 0
    lines = map(json.loads, world.store.ledger(second))
    told = [line["detail"] for line in lines if line.get("state") == "rejected"]
    assert told == [{"decision": "reject", "reason": run.gate.reason}]
    (endpoint,) = world.azureml.endpoints.values()
    assert endpoint["traffic"] == {"m1-a1": 100}
    assert set(endpoint["deployments"]) == {"m1-a1"}


def test_a_schema_that_breaks_callers_is_held_unless_allowed() -> None:
    world = World()
    drop(world, "A")
    tick(world)
    wider = replace(SCHEMA, columns=(*SCHEMA.columns, Column("z", "number")))
    second = drop(world, "B", schema=wider)
    tick(world)
    run = world.run(second)
    assert run.state is State.REJECTED
    assert "schema: free" in str(run.gate)
    third = drop(world, "C", schema=wider, config=replace(CONFIG, gate=GateConfig(allow_schema_change=True)))
    tick(world)
    assert state(world, third) == "live"


def test_the_scoring_path_knows_the_types_of_each_version_that_shares_the_traffic() -> None:
    world = World(canary_seconds=1000)
    drop(world, "A")
    tick(world)
    (column, *rest) = SCHEMA.columns
    retyped = replace(SCHEMA, columns=(replace(column, type="number"), *rest))
    drop(world, "B", schema=retyped)
    tick(world)
    serving = world.serving("bank")
    assert serving.traffic == {"m1-a1": 90, "m2-a1": 10}
    assert (serving.schema, serving.newest) == (retyped, "m2-a1")
    assert serving.schema_of("m1-a1") == SCHEMA
    assert serving.schema_of("m2-a1") == retyped


def test_third_promotion_leaves_two_deployments() -> None:
    world = World()
    for content in "ABC":
        drop(world, content)
        tick(world)
    (endpoint,) = world.azureml.endpoints.values()
    assert set(endpoint["deployments"]) == {"m2-a1", "m3-a1"}


def test_a_deployment_that_fails_the_smoke_test_never_gets_traffic() -> None:
    world = World()
    world.scorer.broken = {"m1-a1"}
    run_id = drop(world)
    tick(world)
    run = world.run(run_id)
    assert run.state is State.FAILED
    assert run.problem is not None
    assert run.problem.code == "smoke-failed"
    assert "500" in run.problem.message
    (endpoint,) = world.azureml.endpoints.values()
    assert endpoint["deployments"] == {}


def test_a_canary_that_changes_its_answers_goes_back() -> None:
    world = World(canary_seconds=100)
    drop(world, "A")
    tick(world)
    second = drop(world, "B")
    tick(world)
    assert state(world, second) == "canary"
    assert world.serving("bank").traffic == {"m1-a1": 90, "m2-a1": 10}
    world.scorer.error_rate["m2-a1"] = 1.0
    tick(world, 120)
    assert state(world, second) == "rejected"
    (endpoint,) = world.azureml.endpoints.values()
    assert endpoint["traffic"] == {"m1-a1": 100}


def test_failed_training_is_explained_and_a_retry_is_a_new_attempt_of_the_same_number() -> None:
    world = World()
    run_id = drop(world)
    world.azureml.job_status[run_id] = "Failed"
    tick(world)
    run = world.run(run_id)
    assert run.problem is not None
    assert "out of memory" in run.problem.message
    again = retraining.retry(run_id, "tester", world.context)
    assert again == "bank-1-a2"
    assert retraining.retry(run_id, "tester", world.context) == again, "asking twice starts one attempt"
    tick(world)
    assert state(world, again) == "live"
    assert world.azureml.models == {"bank:1-a2": "bank-1-a2_1"}


def test_a_refusal_is_tried_again_and_then_explained() -> None:
    world = World()
    run_id = drop(world)
    refuse = Upstream("(UserError) no quota", remedy="Ask for quota.")
    with pytest.MonkeyPatch.context() as patch:
        calls = []

        def submit(job: Any) -> None:
            calls.append(job.name)
            raise refuse

        patch.setattr(world.azureml, "submit", submit)
        tick(world, 2)
        assert getattr(world.run(run_id).trouble, "message", "") == "(UserError) no quota"
        tick(world, 12)
    run = world.run(run_id)
    assert run.state is State.FAILED
    assert len(calls) > trouble.STRIKES
    assert run.problem is not None
    assert run.problem.remedy == "Ask for quota."


def test_two_hosts_at_the_same_step_end_in_one_job() -> None:
    world = World()
    run_id = drop(world)
    other = world.context
    real = world.azureml.submit

    def slow_submit(job: Any) -> None:
        """Between this host's look-up and its submission another host does the whole step."""
        world.azureml.submit = real  # type: ignore[method-assign]
        loop.step(run_id, other)
        real(job)

    while state(world, run_id) != "registered":
        loop.step(run_id, world.context)
    world.azureml.submit = slow_submit  # type: ignore[method-assign]
    loop.advance(run_id, world.context, world.clock.now + 5)
    tick(world)
    assert (state(world, run_id), world.azureml.submissions) == ("live", 1)


def test_quarantine_keeps_report_and_a_new_drop_is_a_new_attempt() -> None:
    world = World()
    problem = RunProblem("ragged-row", "Line 7 has 3 fields, the header has 4.", where={"line": 7})
    run_id = drop(world, "A", problem)
    tick(world)
    assert state(world, run_id) == "quarantined"
    (report,) = world.data.quarantined.values()
    assert report.problem.where["line"] == 7
    assert drop(world, "A", problem) == "bank-1-a2"


def test_same_content_again_is_no_new_run_but_a_b_a_is() -> None:
    world = World()
    first = drop(world, "A")
    assert drop(world, "A") == first
    tick(world)
    assert drop(world, "B") == "bank-2-a1"
    tick(world)
    world.clock.now += 1
    slug, key = "bank", names.digest("bank", "A", "cfg", "drop")
    build = world.run(first)
    new, fresh = world.store.claim(
        slug,
        key,
        lambda n, a: retraining.derive(build, n, a, key=key, cause="drop", actor="t", at=1.0),
        delivery="etag-A-later",
        brings_data=True,
    )
    assert (new, fresh) == ("bank-3-a1", True)
    assert world.azureml.submissions == 2


def test_a_retraining_in_between_makes_the_same_content_no_new_data() -> None:
    world = World()
    first = drop(world, "A")
    tick(world)
    retraining.begin(world.run(first), "2026-01-05T03:00", "retrain", world.context)
    tick(world)
    key = names.digest("bank", "A", "cfg", "drop")
    run = world.run(first)
    again = world.store.claim(
        "bank",
        key,
        lambda n, a: retraining.derive(run, n, a, key=key, cause="drop", actor="t", at=1.0),
        delivery="the same bytes under a new ETag",
        brings_data=True,
    )
    assert again == (first, False)


def test_a_retry_is_the_next_attempt_though_newer_data_came_since() -> None:
    world = World()
    first = drop(world, "A")
    world.azureml.job_status[first] = "Failed"
    tick(world)
    drop(world, "B")
    tick(world)
    assert retraining.retry(first, "tester", world.context) == "bank-1-a2"


def test_ledger_chain_holds_and_tells_every_state() -> None:
    world = World()
    run_id = drop(world)
    tick(world)
    lines, head = world.store.ledger(run_id), world.run(run_id).ledger_head
    assert verify(lines, head) == Verification()
    history = world.run(run_id).history
    assert sum('"event":"state"' in line for line in lines) == len(history) - 1
    assert verify([lines[0], lines[2]], head).broken_at == 1, "a missing line shows"


def test_a_run_that_trains_by_itself_is_one_for_each_occurrence() -> None:
    world = World()
    first = world.run(drop(world))
    tick(world)
    for _ in range(2):
        assert retraining.begin(first, "2026-01-05T03:00", "retrain", world.context) == "bank-2-a1"
    tick(world)
    assert state(world, "bank-2-a1") == "live", "equal is not worse within the margin"
    assert world.azureml.data == {"bank:1": "bank/A/train"}, "no second data version"


def _final(world: World) -> dict[str, Any]:
    (endpoint,) = world.azureml.endpoints.values()
    return {
        "states": {r.run_id: str(r.state) for r in world.runs()},
        "data": world.azureml.data,
        "models": world.azureml.models,
        "jobs": sorted(world.azureml.jobs),
        "submissions": world.azureml.submissions,
        "traffic": endpoint["traffic"],
        "deployments": sorted(endpoint["deployments"]),
        "champion": getattr(world.store.dataset("bank"), "champion", None),
        "ledger": {
            r.run_id: [verify(lines := world.store.ledger(r.run_id), r.ledger_head, r.pending), len(lines)]
            for r in world.runs()
        },
    }


def _two_promotions(world: World, *, then: int | None = None) -> None:
    """Two versions, driven by a host that is started again whenever it dies; `then` is its next death."""
    world.data.holdout = 100

    def guarded(action: Any) -> None:
        try:
            action()
        except Crash:
            nonlocal then
            world.points.die_at, then = then, None

    for content in "AB":
        for _ in range(3):
            guarded(lambda content=content: drop(world, content))
        for _ in range(24):
            guarded(lambda: loop.tick(world.context))
            world.clock.now += 1


def _points() -> int:
    world = World()
    _two_promotions(world)
    return 2 * len(world.points.seen)


COUNT = _points()
EXPECTED = World()
_two_promotions(EXPECTED)


@pytest.mark.parametrize("point", sweeps.part(range(COUNT)))
def test_dying_before_or_after_any_effect_changes_nothing(point: int) -> None:
    """R1: one data version, one job, one model, one serving deployment, an unbroken ledger, at every crash point."""
    world = World()
    world.points.die_at = point
    _two_promotions(world)
    assert _final(world) == _final(EXPECTED)


@settings(max_examples=sweeps.examples(60), deadline=None)
@given(st.integers(0, COUNT - 1), st.integers(1, 30))
def test_dying_twice_changes_nothing(first: int, later: int) -> None:
    world = World()
    world.points.die_at = first
    _two_promotions(world, then=first + later)
    assert _final(world) == _final(EXPECTED)
