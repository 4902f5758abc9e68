"""People act: roll back, promote, cancel, approve, reject, pause, resume. Asked twice is asked once, whatever dies."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.errors import Conflict, InvalidInput, Transient
from shared.domain.gate import Verdict
from shared.domain.run.acts import Act
from shared.domain.run.documents import Run
from shared.domain.run.ledger import Verification, verify
from shared.domain.run.parts import Gate
from shared.domain.run.states import State
from shared.services.run import loop
from shared.services.run.acting import asking, putting_back
from shared.services.run.acting.putting_back import InForce
from shared.services.run.pipeline_runs import PipelineRuns
from tests.services.test_bad_cloud import until
from tests.services.test_holdouts import FLIP, Town, gone
from tests.services.test_lifecycle import CONFIG, drop, state, tick
from tests.support.memory import World
from tests.support.memory_pipelines import MemoryPipelines
from tests.support.upkeep import app_schedule, untrained

ANN = Act("ann", 5.0, "callers complain")
BEN = Act("ben", 6.0)


def live(contents: str = "AB", **options: Any) -> World:
    """One version after the other has gone live."""
    world = World(**options)
    world.data.holdout = 100
    for content in contents:
        drop(world, content)
        tick(world, 30)
    return world


def in_canary() -> World:
    world = live("A", canary_seconds=1000)
    until(world, drop(world, "B"), "canary")
    tick(world, 5)
    assert world.serving("bank").traffic == {"m1-a1": 90, "m2-a1": 10}
    return world


def rollback(world: World, to: str | None = None, act: Act = ANN, key: str | None = None) -> InForce:
    return putting_back.rollback("bank", to, act, key, world.context)


def traffic(world: World) -> dict[str, int]:
    (endpoint,) = world.azureml.endpoints.values()
    return dict(endpoint["traffic"])


def states(world: World) -> list[str]:
    return [str(run.state) for run in world.runs()]


def entries(world: World, run_id: str) -> list[dict[str, Any]]:
    run, lines = world.run(run_id), world.store.ledger(run_id)
    assert verify(lines, run.ledger_head, run.pending) == Verification()
    return [json.loads(line) for line in lines]


def refused(action: Callable[[], object]) -> str:
    with pytest.raises(Conflict) as caught:
        action()
    assert caught.value.remedy
    return caught.value.error_code


def stepped(world: World, run_id: str, wanted: State) -> Run:
    for _ in range(400):
        if world.run(run_id).state is wanted:
            return world.run(run_id)
        loop.step(run_id, world.context)
        world.clock.now += 0.3
    raise AssertionError(f"{run_id} never was {wanted}")


def lost(world: World, *deployments: str) -> None:
    """Rolled back while the endpoint is busy; these deployments are deleted in Azure before its traffic moved."""
    (endpoint,) = world.azureml.endpoints.values()
    endpoint |= {
        "state": "Updating",
        "wanted": dict(endpoint["traffic"]),
        "changes": endpoint["changes"] + 1,
    }
    rollback(world)
    for name in deployments:
        del endpoint["deployments"][name]


class TestRollback:
    def test_callers_of_the_proxy_meet_the_version_before_at_once(self) -> None:
        world = live()
        now = rollback(world)
        assert world.serving("bank").traffic == {"m1-a1": 100}, "before the endpoint's own traffic has moved"
        assert (now.run_id, now.state, now.model, now.deployment) == ("bank-1-a1", "live", "bank:1", "m1-a1")
        assert now.moved
        assert traffic(world) == {"m2-a1": 100}
        tick(world, 5)
        assert traffic(world) == {"m1-a1": 100}
        assert states(world) == ["live", "rolled_back"]
        dataset = world.store.dataset("bank")
        assert dataset is not None
        assert dataset.champion == "bank-1-a1"
        assert dataset.shift is not None
        assert dataset.shift.done_at
        assert world.store.open_datasets() == {}

    def test_the_ledgers_of_both_runs_say_who_and_why(self) -> None:
        world = live()
        rollback(world)
        tick(world, 5)
        for run_id, now in (("bank-1-a1", "live"), ("bank-2-a1", "rolled_back")):
            last = entries(world, run_id)[-1]
            assert (last["state"], last["actor"]) == (now, "ann")
            told = {"cause": "rollback", "to": "bank-1-a1", "away": "bank-2-a1", "note": "callers complain"}
            assert last["detail"] == told

    def test_asking_twice_goes_back_once_and_never_forth(self) -> None:
        world = live()
        first, again = rollback(world), rollback(world, act=BEN)
        tick(world, 5)
        later = rollback(world, act=BEN)
        assert [found.run_id for found in (first, again, later)] == ["bank-1-a1"] * 3
        assert [found.moved for found in (first, again, later)] == [True, False, False]
        assert rollback(world, to="bank-1-a1").moved is False
        assert states(world) == ["live", "rolled_back"]

    def test_a_key_is_one_rollback_for_good(self) -> None:
        world = live()
        rollback(world, key="k1")
        tick(world, 5)
        drop(world, "C")
        tick(world, 40)
        assert world.serving("bank").traffic == {"m3-a1": 100}
        assert rollback(world, key="k1").run_id == "bank-3-a1", "a late repetition touches nothing"
        assert refused(lambda: rollback(world, to="bank-2-a1", key="k1")) == "idempotency-key-reused"
        assert rollback(world, key="k2").run_id == "bank-1-a1"

    def test_and_forth_again_by_name(self) -> None:
        world = live()
        rollback(world)
        tick(world, 5)
        assert rollback(world, to="bank-2-a1", act=BEN).run_id == "bank-2-a1"
        tick(world, 5)
        assert states(world) == ["rolled_back", "live"]
        assert traffic(world) == world.serving("bank").traffic == {"m2-a1": 100}

    def test_a_second_wish_before_the_first_is_through_wins(self) -> None:
        world = live()
        rollback(world)
        rollback(world, to="bank-2-a1", act=BEN)
        tick(world, 10)
        assert traffic(world) == world.serving("bank").traffic == {"m2-a1": 100}
        assert states(world) == ["rolled_back", "live"]

    def test_a_canary_is_ended_by_it(self) -> None:
        world = in_canary()
        now = rollback(world)
        assert (now.run_id, now.moved) == ("bank-1-a1", True)
        assert world.serving("bank").traffic == {"m1-a1": 100}
        assert rollback(world, act=BEN).moved is False
        tick(world, 10)
        assert states(world) == ["live", "rolled_back"]
        assert traffic(world) == {"m1-a1": 100}
        dataset = world.store.dataset("bank")
        assert dataset is not None
        assert (dataset.open, dataset.promoting) == ({}, None)

    def test_of_a_canary_at_the_very_end_of_its_promotion(self) -> None:
        """The host died between the dataset's write and the run's: callers are moved back all the same."""
        world = in_canary()
        world.store.change_dataset("bank", lambda found: replace(found, champion="bank-2-a1"))
        assert rollback(world).run_id == "bank-1-a1"
        tick(world, 10)
        assert states(world) == ["live", "rolled_back"]
        assert traffic(world) == world.serving("bank").traffic == {"m1-a1": 100}

    def test_a_promotion_that_is_under_way_does_not_undo_it(self) -> None:
        """The rollback comes between the canary's last look and the write that crowns its run."""
        world = in_canary()
        asking.promote_canary("bank-2-a1", BEN, world.context)
        while traffic(world) != {"m2-a1": 100}:
            world.azureml.endpoint(next(iter(world.azureml.endpoints)))
        assert rollback(world).run_id == "bank-1-a1"
        tick(world, 10)
        assert states(world) == ["live", "rolled_back"]
        assert traffic(world) == world.serving("bank").traffic == {"m1-a1": 100}

    def test_a_run_at_the_gate_is_compared_with_what_is_in_force_then(self) -> None:
        world = live()
        third = drop(world, "C")
        stepped(world, third, State.GATE)
        rollback(world)
        tick(world, 60)
        assert world.run(third).gate == replace(world.run(third).gate or Gate(), champion_run="bank-1-a1")
        assert states(world) == ["retired", "rolled_back", "live"]

    def test_a_run_whose_champion_changed_under_it_goes_back(self) -> None:
        world = live("AB", canary_seconds=1000)
        tick(world, 1000)
        third = drop(world, "C")
        until(world, third, "canary")
        world.store.change_dataset("bank", lambda found: replace(found, champion="bank-1-a1"))
        tick(world, 20)
        run = world.run(third)
        assert run.state is State.REJECTED
        assert "bank-1-a1 was put in force meanwhile" in str(run.gate)
        assert traffic(world) == world.serving("bank").traffic == {"m1-a1": 100}

    def test_without_a_deployment_it_says_so_and_changes_nothing(self) -> None:
        world = live()
        (endpoint,) = world.azureml.endpoints.values()
        del endpoint["deployments"]["m1-a1"]
        assert refused(lambda: rollback(world)) == "deployment-gone"
        tick(world, 3)
        assert states(world) == ["retired", "live"]
        assert world.serving("bank").traffic == {"m2-a1": 100}

    def test_whose_target_is_deleted_meanwhile_ends_where_traffic_still_is(self) -> None:
        world = live()
        lost(world, "m1-a1")
        tick(world, 20)
        assert states(world) == ["rolled_back", "live"]
        assert traffic(world) == world.serving("bank").traffic == {"m2-a1": 100}
        assert "no deployment of bank-1-a1 stands" in entries(world, "bank-2-a1")[-1]["detail"]["note"]
        assert world.store.open_datasets() == {}
        drop(world, "C")
        tick(world, 40)
        assert states(world) == ["rolled_back", "retired", "live"]

    def test_with_nothing_left_to_answer_the_next_model_does(self) -> None:
        world = live()
        lost(world, "m1-a1", "m2-a1")
        (endpoint,) = world.azureml.endpoints.values()
        endpoint |= {"traffic": {}, "wanted": {}}
        tick(world, 20)
        dataset = world.store.dataset("bank")
        assert dataset is not None
        assert dataset.shift is not None
        assert dataset.shift.done_at
        assert "no such deployment" in str(dataset.shift.trouble)
        drop(world, "C")
        tick(world, 40)
        assert states(world)[2] == "live"
        assert traffic(world) == world.serving("bank").traffic == {"m3-a1": 100}

    def test_a_canary_that_was_rolled_back_is_not_put_in_force_for_it(self) -> None:
        world = in_canary()
        lost(world)
        (endpoint,) = world.azureml.endpoints.values()
        endpoint |= {"traffic": {"m2-a1": 100}, "wanted": {"m2-a1": 100}}
        del endpoint["deployments"]["m1-a1"]
        tick(world, 20)
        assert states(world) == ["live", "rolled_back"]
        assert world.store.open_datasets() == {}

    def test_a_target_that_one_look_misses_is_gone_to_all_the_same(self) -> None:
        world = live()
        lost(world)
        (endpoint,) = world.azureml.endpoints.values()
        taken = endpoint["deployments"].pop("m1-a1")
        for _ in range(20):
            tick(world, 1)
            dataset = world.store.dataset("bank")
            if dataset and dataset.shift and dataset.shift.trouble:
                break
        endpoint["deployments"]["m1-a1"] = taken
        tick(world, 10)
        assert states(world) == ["live", "rolled_back"]
        assert traffic(world) == {"m1-a1": 100}

    def test_while_azure_can_not_be_asked_callers_are_moved_all_the_same(self) -> None:
        world = live()
        asked = (world.azureml.deployment, world.azureml.endpoint)

        def away(*_: str) -> Any:
            raise Transient("Azure is not available now.")

        world.azureml.deployment, world.azureml.endpoint = away, away  # type: ignore[method-assign, assignment]
        assert rollback(world).run_id == "bank-1-a1"
        assert world.serving("bank").traffic == {"m1-a1": 100}
        tick(world, 3)
        dataset = world.store.dataset("bank")
        assert dataset is not None
        assert dataset.shift is not None
        assert dataset.shift.trouble == "Azure is not available now."
        world.azureml.deployment, world.azureml.endpoint = asked  # type: ignore[method-assign]
        tick(world, 5)
        assert traffic(world) == {"m1-a1": 100}

    def test_what_can_not_be_gone_back_to(self) -> None:
        world = World()
        world.store.ensure_dataset("bank")
        assert refused(lambda: rollback(world)) == "nothing-in-force"
        drop(world, "A")
        tick(world)
        assert refused(lambda: rollback(world)) == "nothing-before"
        world.scorer.error_rate["m2-a1"] = 0.5
        worse = drop(world, "B")
        tick(world)
        assert state(world, worse) == "rejected"
        assert refused(lambda: rollback(world, to=worse)) == "never-live"
        other = drop(world, "A", dataset="other")
        tick(world)
        for wrong in (other, ""):
            with pytest.raises(InvalidInput):
                rollback(world, to=wrong)


class TestPromote:
    def test_a_canary_takes_all_traffic_now(self) -> None:
        world = in_canary()
        assert putting_back.promote("bank-2-a1", ANN, world.context).moved
        tick(world, 6)
        assert states(world) == ["retired", "live"]
        assert traffic(world) == {"m2-a1": 100}
        (asked,) = [entry for entry in entries(world, "bank-2-a1") if entry["event"] == "promote"]
        assert (asked["actor"], asked["detail"]) == ("ann", {"note": "callers complain"})
        again = putting_back.promote("bank-2-a1", BEN, world.context)
        assert (again.run_id, again.moved) == ("bank-2-a1", False)

    def test_a_version_that_was_live_takes_it_again(self) -> None:
        world = live()
        assert putting_back.promote("bank-1-a1", ANN, world.context).run_id == "bank-1-a1"
        tick(world, 5)
        assert states(world) == ["live", "retired"]
        assert rollback(world, act=BEN).run_id == "bank-2-a1", "back is to what was there before"
        tick(world, 5)
        assert states(world) == ["rolled_back", "live"]

    def test_what_was_proven_worse_never_does(self) -> None:
        world = live("AB")
        worse = Verdict("reject", "proven worse: it is", difference=-0.1, low=-0.2, high=-0.05)
        for kept in ("rejected", "retired", "rolled_back", "canary"):
            run, etag = world.store.load("bank-1-a1")
            gate = replace(run.gate or Gate(), numbers=worse)
            world.store.save(replace(run, state=State(kept), gate=gate), etag)
            assert refused(lambda: putting_back.promote("bank-1-a1", ANN, world.context)) == "proven-worse"
        assert world.serving("bank").traffic == {"m2-a1": 100}

    def test_what_else_can_not_be(self) -> None:
        world = live("A")
        second = drop(world, "B")
        assert refused(lambda: putting_back.promote(second, ANN, world.context)) == "not-promotable"
        world = in_canary()
        rollback(world)
        world = in_canary()
        world.store.change_dataset("bank", lambda found: found)
        run, etag = world.store.load("bank-2-a1")
        breached = replace(run.canary, breach="too slow") if run.canary else None
        world.store.save(replace(run, canary=breached), etag)
        assert refused(lambda: putting_back.promote("bank-2-a1", ANN, world.context)) == "going-back"

    def test_not_beside_a_canary(self) -> None:
        world = live("AB", canary_seconds=20)
        until(world, drop(world, "C"), "canary")
        assert refused(lambda: putting_back.promote("bank-1-a1", ANN, world.context)) == "canary-under-way"
        assert refused(lambda: rollback(world, to="bank-1-a1")) == "canary-under-way"


STATES = [
    State.DROPPED,
    State.REGISTERED,
    State.TRAINING,
    State.TRAINED,
    State.MODEL_REGISTERED,
    State.DEPLOYING,
    State.VERIFYING,
    State.GATE,
    State.CANARY,
]


class TestCancel:
    @pytest.mark.parametrize("wanted", STATES)
    @pytest.mark.parametrize("first", [True, False])
    def test_ends_what_was_begun_from_any_open_state(self, wanted: State, first: bool) -> None:
        world = live("" if first else "A", canary_seconds=1000)
        run_id = drop(world, "B")
        if first and wanted is State.CANARY:
            pytest.skip("a first model has no canary")
        stepped(world, run_id, wanted)
        asked = asking.cancel(run_id, ANN, world.context)
        assert asked.actor == "ann"
        assert asking.cancel(run_id, BEN, world.context).actor == "ann", "the first wish stands"
        tick(world, 20)
        run = world.run(run_id)
        assert run.state is State.CANCELLED
        assert run.problem is not None
        assert (run.problem.code, run.problem.failed_in) == ("cancelled", wanted)
        assert "ann" in run.problem.message
        assert entries(world, run_id)[-1]["actor"] == "ann"
        left = {name for found in world.azureml.endpoints.values() for name in found["deployments"]}
        assert left == (set() if first else {"m1-a1"})
        if wanted in (State.REGISTERED, State.TRAINING):
            assert all(world.azureml.job_status.get(name) == "Canceled" for name in world.azureml.cancelled)
        if not first:
            assert traffic(world) == world.serving("bank").traffic == {"m1-a1": 100}
        assert world.store.open_datasets() == {}
        assert asking.cancel(run_id, BEN, world.context).state is State.CANCELLED

    def test_callers_of_a_canary_are_moved_first(self) -> None:
        world = in_canary()
        asking.cancel("bank-2-a1", ANN, world.context)
        assert world.serving("bank").traffic == {"m1-a1": 100}
        assert traffic(world) == {"m1-a1": 90, "m2-a1": 10}

    def test_a_first_model_on_its_way_to_all_traffic(self) -> None:
        world = World()
        run_id = drop(world, "A")
        stepped(world, run_id, State.GATE)
        while not any(found["wanted"] for found in world.azureml.endpoints.values()):
            loop.step(run_id, world.context)
        asking.cancel(run_id, ANN, world.context)
        tick(world, 20)
        assert state(world, run_id) == "cancelled"
        (endpoint,) = world.azureml.endpoints.values()
        assert (endpoint["traffic"], endpoint["deployments"]) == ({}, {})

    def test_one_that_is_over_or_live_can_not_be(self) -> None:
        world = live("A")
        assert refused(lambda: asking.cancel("bank-1-a1", ANN, world.context)) == "not-open"

    def test_one_that_was_in_force_by_then_goes_on_to_live(self) -> None:
        world = in_canary()
        putting_back.promote("bank-2-a1", ANN, world.context)
        while traffic(world) != {"m2-a1": 100}:
            world.azureml.endpoint(next(iter(world.azureml.endpoints)))
        world.store.change_dataset("bank", lambda found: replace(found, champion="bank-2-a1"))
        asking.cancel("bank-2-a1", BEN, world.context)
        tick(world, 10)
        assert states(world) == ["retired", "live"]


class TestApproval:
    @pytest.fixture
    def world(self) -> World:
        """A challenger of a dataset that asks for approval."""
        world = live("A")
        run_id = drop(world, "B", config=replace(CONFIG, approval="required"))
        until(world, run_id, "awaiting_approval")
        tick(world, 3)
        return world

    def test_it_waits_and_says_for_what(self, world: World) -> None:
        run = world.run("bank-2-a1")
        assert "/api/runs/bank-2-a1/approve" in str(run.waits_for)
        assert run.approval is not None
        assert "asks for approval of every model" in run.approval.why
        tick(world, 200)
        world.clock.now += 40 * 86400
        tick(world, 2)
        assert state(world, "bank-2-a1") == "awaiting_approval", "nobody's delay is its fault"

    def test_approved_it_is_held_against_what_is_live_by_then(self, world: World) -> None:
        third = drop(world, "C")
        tick(world, 60)
        assert state(world, third) == "live", "newer ones pass what waits"
        asking.decide("bank-2-a1", "approved", ANN, world.context)
        tick(world, 20)
        assert state(world, "bank-2-a1") == "rejected"
        assert "superseded" in str(world.run("bank-2-a1").gate)

    def test_approved_it_goes_live_with_the_name_in_its_ledger(self, world: World) -> None:
        done = asking.decide("bank-2-a1", "approved", ANN, world.context)
        assert (done.actor, done.note) == ("ann", "callers complain")
        asking.decide("bank-2-a1", "approved", BEN, world.context)
        assert (
            refused(lambda: asking.decide("bank-2-a1", "rejected", BEN, world.context)) == "already-decided"
        )
        tick(world, 40)
        assert states(world) == ["retired", "live"]
        (said,) = [entry for entry in entries(world, "bank-2-a1") if entry["event"] == "approved"]
        assert said["actor"] == "ann"

    def test_rejected_its_deployment_goes(self, world: World) -> None:
        assert asking.decide("bank-2-a1", "rejected", ANN, world.context).state is State.REJECTED
        asking.decide("bank-2-a1", "rejected", BEN, world.context)
        run = world.run("bank-2-a1")
        assert run.gate is not None
        assert run.gate.reason == "rejected by ann: callers complain"
        (endpoint,) = world.azureml.endpoints.values()
        assert set(endpoint["deployments"]) == {"m1-a1"}
        assert entries(world, "bank-2-a1")[-1]["actor"] == "ann"

    def test_a_first_model_waits_too(self) -> None:
        world = World()
        run_id = drop(world, "A", config=replace(CONFIG, approval="required"))
        until(world, run_id, "awaiting_approval")
        assert world.store.read("serving/bank.json", dict) is None
        asking.decide(run_id, "approved", ANN, world.context)
        tick(world, 20)
        assert state(world, run_id) == "live"

    def test_a_worse_one_is_not_asked_about(self) -> None:
        world = live("A")
        world.scorer.error_rate["m2-a1"] = 0.5
        run_id = drop(world, "B", config=replace(CONFIG, approval="required"))
        tick(world, 30)
        assert state(world, run_id) == "rejected"
        assert (
            refused(lambda: asking.decide(run_id, "approved", ANN, world.context)) == "not-awaiting-approval"
        )


class TestPause:
    def test_files_are_recorded_and_wait_and_say_for_what(self) -> None:
        world = live("A")
        assert asking.pause("bank", ANN, world.context).paused
        assert asking.pause("bank", BEN, world.context).actor == "ann"
        second = drop(world, "B")
        tick(world, 30)
        run = world.run(second)
        assert run.state is State.REGISTERED
        assert "ann paused the dataset (callers complain)" in str(run.waits_for)
        assert second not in world.azureml.jobs
        world.clock.now += 40 * 86400
        tick(world, 2)
        assert asking.resume("bank", BEN, world.context).paused is False
        tick(world, 40)
        assert states(world) == ["retired", "live"]
        assert world.run(second).waits_for is None

    def test_nothing_is_promoted(self) -> None:
        world = live("A")
        second = drop(world, "B")
        stepped(world, second, State.VERIFYING)
        asking.pause("bank", ANN, world.context)
        tick(world, 10)
        assert state(world, second) == "gate"
        asking.resume("bank", ANN, world.context)
        until(world, second, "canary")
        asking.pause("bank", ANN, world.context)
        tick(world, 60)
        assert state(world, second) == "canary"
        assert traffic(world)["m1-a1"] >= 90
        asking.resume("bank", ANN, world.context)
        tick(world, 20)
        assert state(world, second) == "live"

    def test_a_canary_that_fails_its_callers_still_goes_back(self) -> None:
        world = in_canary()
        asking.pause("bank", ANN, world.context)
        world.scorer.broken = {"m2-a1"}
        tick(world, 1100)
        assert states(world) == ["live", "rejected"]

    def test_and_a_rollback_still_works(self) -> None:
        world = live()
        asking.pause("bank", ANN, world.context)
        assert rollback(world).run_id == "bank-1-a1"
        tick(world, 5)
        assert traffic(world) == {"m1-a1": 100}

    def test_retraining_skips_it(self) -> None:
        world = live("A")
        untrained(world)
        asking.pause("bank", ANN, world.context)
        assert app_schedule(world, "2026-01-05T03:00") == []
        pipelines = PipelineRuns(world.context, MemoryPipelines(world.azureml))
        assert refused(lambda: pipelines.trigger("bank", "r1", "http")) == "dataset-paused"
        asking.resume("bank", ANN, world.context)
        assert app_schedule(world, "2026-01-05T03:01") == ["bank-3-a1"]


class TestASuspiciousFile:
    """Its labels contradict the champion, and nothing else speaks against its model."""

    def waiting(self, approval: Any = "suspicious") -> tuple[World, str]:
        world = World()
        town = Town(world)
        drop(world, "A")
        tick(world)
        town.says["B"] = lambda _, true: FLIP[true]
        world.data.draw_holdout = gone(town, "bank/A/")  # type: ignore[method-assign]
        run_id = drop(world, "B", config=replace(CONFIG, approval=approval))
        tick(world, 12)
        return world, run_id

    def test_waits_for_a_person_by_default(self) -> None:
        world, run_id = self.waiting()
        assert state(world, run_id) == "awaiting_approval"
        approval = world.run(run_id).approval
        assert approval is not None
        assert approval.why.startswith("The file is suspicious: the champion reaches")

    def test_goes_on_once_a_person_says_that_it_is_right(self) -> None:
        world, run_id = self.waiting()
        asking.decide(run_id, "approved", ANN, world.context)
        tick(world, 30)
        run = world.run(run_id)
        assert run.state is State.LIVE
        assert run.gate is not None
        assert str(run.gate.reason).startswith("approved by ann although: suspicious data")

    def test_is_rejected_where_nobody_wants_to_be_asked(self) -> None:
        world, run_id = self.waiting("none")
        assert state(world, run_id) == "rejected"
