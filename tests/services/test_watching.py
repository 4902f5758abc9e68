"""After 100 % the look goes on, and a breach rolls back by itself; traffic that somebody changed in Azure is followed."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.errors import Transient, Upstream
from shared.domain.rows.predictions import Prediction
from shared.services.monitoring.tallies import CanaryWatch
from shared.services.run import serving_documents
from shared.services.run.acting import asking, putting_back
from shared.services.run.levers.outside import LIST_SECONDS, OUT_SECONDS, OutsideTraffic
from tests.services.test_acts import ANN, entries, in_canary, live, states, traffic
from tests.services.test_bad_cloud import until
from tests.services.test_canary import callers, written
from tests.services.test_lifecycle import drop, state, tick
from tests.support.memory import World


@pytest.fixture
def watched() -> World:
    """A second version, live a moment ago, whose predecessor had callers while both shared the traffic."""
    world = live("A", canary_seconds=30, watch_seconds=600)
    until(world, drop(world, "B"), "canary")
    tick(world, 5)
    callers(world, "host-a", "m1-a1", 200)
    until(world, "bank-2-a1", "live")
    tick(world, 1)
    return world


def until_written(world: World, process: str, calls: int) -> None:
    ends = time.monotonic() + 10
    while written(world, process) < calls:
        assert time.monotonic() < ends, "the counts were not written"
        time.sleep(0.01)


def watched_run(world: World) -> str | None:
    dataset = world.store.dataset("bank")
    assert dataset is not None
    return dataset.watch.run_id if dataset.watch else None


class TestAfterHundredPercent:
    def test_calls_are_counted_on_and_the_predecessors_are_remembered(self, watched: World) -> None:
        dataset = watched.store.dataset("bank")
        assert dataset is not None
        assert dataset.watch is not None
        assert (dataset.watch.run_id, dataset.watch.before) == ("bank-2-a1", "bank-1-a1")
        assert dataset.watch.baseline.calls == 200
        entry = watched.serving("bank")
        assert (entry.shared, entry.counted) == (False, True)

    @pytest.mark.parametrize("calls", [40, 3000])
    def test_one_that_fails_its_callers_is_taken_back_by_itself(self, watched: World, calls: int) -> None:
        callers(watched, "host-a", "m2-a1", calls, failing=True)
        tick(watched, 1)
        assert watched.serving("bank").traffic == {"m1-a1": 100}
        tick(watched, 5)
        assert states(watched) == ["live", "rolled_back"]
        assert traffic(watched) == {"m1-a1": 100}
        told = [entry for entry in entries(watched, "bank-2-a1") if entry["event"] == "watched"]
        assert f"{calls} of its {calls} calls failed" in told[0]["detail"]["breach"]
        assert entries(watched, "bank-2-a1")[-1]["detail"]["cause"] == "breach"
        assert list(watched.docs.list("canary/")) == []
        assert watched.store.open_datasets() == {}

    def test_one_that_answers_otherwise_is_taken_back(self) -> None:
        world = live("A", canary_seconds=30, watch_seconds=600)
        until(world, drop(world, "B"), "canary")
        tick(world, 5)
        callers(world, "host-a", "m1-a1", 200)
        until(world, "bank-2-a1", "live")
        tick(world, 1)
        watch, entry = CanaryWatch(world.docs, "host-b", wait=lambda _: None), world.serving("bank")
        for _ in range(200):
            watch.answered(entry, "m2-a1", 0.01, Prediction(["yes", "yes"]), 2)
        until_written(world, "host-b", 200)
        tick(world, 5)
        assert states(world) == ["live", "rolled_back"]

    def test_a_good_one_is_let_go_after_its_time(self, watched: World) -> None:
        callers(watched, "host-a", "m2-a1", 200)
        tick(watched, 500)
        assert watched_run(watched) == "bank-2-a1"
        tick(watched, 120)
        assert watched_run(watched) is None
        assert states(watched) == ["retired", "live"]
        assert not watched.serving("bank").counted
        last = entries(watched, "bank-2-a1")[-1]
        assert (last["event"], last["detail"]) == ("watched", {"calls": 200, "failed": 0})
        tick(watched, 2)
        assert watched.store.open_datasets() == {}

    def test_where_the_version_before_does_not_answer_either_nothing_is_gained(self, watched: World) -> None:
        watched.scorer.broken = {"m1-a1", "m2-a1"}
        callers(watched, "host-a", "m2-a1", 40, failing=True)
        tick(watched, 5)
        assert states(watched) == ["retired", "live"]
        watched.scorer.broken = set()
        tick(watched, 5)
        assert states(watched) == ["live", "rolled_back"]

    def test_the_next_canary_ends_it(self, watched: World) -> None:
        until(watched, drop(watched, "C"), "canary")
        tick(watched, 5)
        assert watched_run(watched) is None
        tick(watched, 60)
        assert states(watched) == ["retired", "retired", "live"]
        assert watched_run(watched) == "bank-3-a1"

    def test_goes_on_without_its_serving_document(self, watched: World) -> None:
        callers(watched, "host-a", "m2-a1", 40)
        watched.docs.blobs.pop("serving/bank.json")
        tick(watched, 2)
        assert watched.serving("bank").counted
        assert watched_run(watched) == "bank-2-a1"

    def test_costs_nothing_where_nobody_wants_it(self) -> None:
        world = live("AB", watch_seconds=0)
        assert watched_run(world) is None
        assert world.store.open_datasets() == {}

    def test_a_rollback_ends_it(self, watched: World) -> None:
        putting_back.rollback("bank", None, ANN, None, watched.context)
        tick(watched, 5)
        assert watched_run(watched) is None
        assert states(watched) == ["live", "rolled_back"]


def look(world: World, watcher: OutsideTraffic | None = None) -> OutsideTraffic:
    """The lifecycle's next look, once what DropML did itself is settled."""
    world.clock.now += 10
    made = watcher or OutsideTraffic(world.context)
    made.tick(world.context.active() + 5)
    return made


def counted(target: Any, verb: str) -> list[str]:
    """From now on, a line for each call."""
    calls: list[str] = []
    real = getattr(target, verb)

    def call(*args: Any) -> Any:
        calls.append(verb)
        return real(*args)

    setattr(target, verb, call)
    return calls


def studio(world: World, **shares: int) -> None:
    """Somebody moves the endpoint's traffic in Azure; the names are given with underscores."""
    (endpoint,) = world.azureml.endpoints.values()
    named = {name.replace("_", "-"): share for name, share in shares.items()}
    endpoint |= {"traffic": named, "wanted": named}


class TestChangedInAzure:
    def test_all_traffic_on_the_version_before_is_a_rollback_by_a_person(self) -> None:
        world = live()
        watcher = look(world)
        studio(world, m1_a1=100)
        look(world, watcher)
        assert world.serving("bank").traffic == {"m1-a1": 100}
        assert states(world) == ["live", "rolled_back"]
        dataset = world.store.dataset("bank")
        assert dataset is not None
        assert dataset.champion == "bank-1-a1"
        tick(world, 3)
        for run_id in ("bank-1-a1", "bank-2-a1"):
            last = entries(world, run_id)[-1]
            assert (last["actor"], last["detail"]["cause"]) == ("azure", "outside")
            assert "traffic-changed-outside" in last["detail"]["note"]
        assert putting_back.rollback("bank", None, ANN, None, world.context).moved is False

    def test_a_split_is_followed_and_told_once(self) -> None:
        world = live()
        studio(world, m1_a1=30, m2_a1=70)
        for _ in range(3):
            look(world)
        entry = world.serving("bank")
        assert entry.traffic == {"m1-a1": 30, "m2-a1": 70}
        assert set(entry.deployments) == {"m1-a1", "m2-a1"}
        assert entry.live == "m2-a1", "the champion stands for the dataset"
        assert states(world) == ["retired", "live"]
        told = [e for e in entries(world, "bank-2-a1") if e["event"] == "traffic-changed-outside"]
        assert [entry["detail"] for entry in told] == [
            {"before": {"m2-a1": 100}, "now": {"m1-a1": 30, "m2-a1": 70}}
        ]

    def test_a_deployment_that_somebody_else_made_is_followed_too(self) -> None:
        world = live("A")
        studio(world, blue=100)
        look(world)
        assert world.serving("bank").traffic == {"blue": 100}
        assert world.serving("bank").draw() == "blue"
        assert state(world, "bank-1-a1") == "live"

    def test_an_endpoint_without_any_traffic_leaves_callers_where_they_are(self) -> None:
        world = live("A")
        studio(world)
        for _ in range(3):
            look(world)
        assert world.serving("bank").traffic == {"m1-a1": 100}
        told = [e for e in entries(world, "bank-1-a1") if e["event"] == "traffic-changed-outside"]
        assert [entry["detail"] for entry in told] == [{"before": {"m1-a1": 100}, "now": {}}]

    def test_what_the_lifecycle_does_itself_is_its_own(self) -> None:
        world = in_canary()
        watcher = look(world)
        asking.promote_canary("bank-2-a1", ANN, world.context)
        for _ in range(20):
            look(world, watcher)
            tick(world, 1)
        assert states(world) == ["retired", "live"]
        putting_back.rollback("bank", None, ANN, None, world.context)
        for _ in range(5):
            look(world, watcher)
            tick(world, 1)
        assert states(world) == ["live", "rolled_back"]
        for run_id in ("bank-1-a1", "bank-2-a1"):
            assert "outside" not in str(entries(world, run_id))

    @pytest.mark.parametrize("late", [{"m2-a1": 100}, {"m1-a1": 90, "m2-a1": 10}])
    def test_a_host_that_stood_still_gives_nothing_to_what_was_rolled_back_meanwhile(
        self, late: dict[str, int]
    ) -> None:
        """What it asks Azure for comes after the rollback is through: no person has made that change."""
        world = live()
        putting_back.rollback("bank", None, ANN, None, world.context)
        tick(world, 5)
        world.azureml.begin_traffic(next(iter(world.azureml.endpoints)), late)
        watcher = OutsideTraffic(world.context)
        for _ in range(6):
            look(world, watcher)
            assert world.serving("bank").traffic == {"m1-a1": 100}
        assert traffic(world) == {"m1-a1": 100}
        assert states(world) == ["live", "rolled_back"]
        told = [e for e in entries(world, "bank-1-a1") if e["event"] == "traffic-put-back"]
        assert [(entry["actor"], entry["detail"]) for entry in told] == [
            ("dropml", {"before": {"m1-a1": 100}, "now": late, "out": ["bank-2-a1"]})
        ]
        (line,) = [line for line in world.logged if line["what"] == "traffic-put-back"]
        assert line["now"] == late
        assert "outside" not in str(entries(world, "bank-2-a1"))

    def test_nor_to_a_canary_that_was_cancelled(self) -> None:
        world = in_canary()
        asking.cancel("bank-2-a1", ANN, world.context)
        tick(world, 20)
        assert states(world) == ["live", "cancelled"]
        studio(world, m1_a1=90, m2_a1=10)
        look(world)
        assert world.serving("bank").traffic == {"m1-a1": 100}
        for _ in range(3):
            look(world)
        assert traffic(world) == {"m1-a1": 100}

    def test_a_person_may_give_it_traffic_once_no_host_can_be_behind_it(self) -> None:
        world = live()
        putting_back.rollback("bank", None, ANN, None, world.context)
        tick(world, 5)
        world.clock.now += OUT_SECONDS
        studio(world, m2_a1=100)
        look(world)
        assert world.serving("bank").traffic == {"m2-a1": 100}
        assert states(world) == ["rolled_back", "live"]

    def test_a_list_that_lags_moves_nobody(self) -> None:
        world = live()
        current = world.azureml.all_endpoints()

        def lagging() -> list[Any]:
            return [type(e)(e.name, e.state, e.scoring_uri, {"m1-a1": 100}, e.auth_mode) for e in current]

        world.azureml.all_endpoints = lagging  # type: ignore[method-assign]
        look(world)
        assert world.serving("bank").traffic == {"m2-a1": 100}
        assert states(world) == ["retired", "live"]

    def test_a_document_dated_ahead_of_the_clock_is_settled_by_the_lifecycles_own_time(self) -> None:
        world = live()
        serving_documents.write(
            replace(world.serving("bank"), updated_at=world.clock.now + 3600), world.store
        )
        studio(world, m1_a1=30, m2_a1=70)
        watcher = look(world)
        assert world.serving("bank").traffic == {"m2-a1": 100}, "its own move may read back old for a while"
        look(world, watcher)
        assert world.serving("bank").traffic == {"m1-a1": 30, "m2-a1": 70}

    def test_a_look_costs_one_listing_of_the_endpoints_however_many_there_are(self) -> None:
        world = World()
        for number in range(30):
            drop(world, "A", dataset=f"bank{number}")
        tick(world, 60)
        asked = [counted(world.azureml, verb) for verb in ("all_endpoints", "endpoint", "deployment")]
        read, listed = counted(world.docs, "get"), counted(world.docs, "page")
        watcher = look(world)
        assert [len(calls) for calls in asked] == [1, 0, 0]
        assert (len(read), len(listed)) == (0, 1), "the listing tells it all, from the first look on"
        for _ in range(3):
            look(world, watcher)
        assert (len(read), len(listed)) == (0, 1), "and none is listed while Azure says what it said"
        world.docs.marks.clear()  # an earlier release's documents
        watcher = look(world)
        world.clock.now += LIST_SECONDS
        look(world, watcher)
        assert (len(read), len(listed)) == (30, 3), "each is read once"

    def test_documents_that_the_listing_tells_nothing_of_are_followed_all_the_same(self) -> None:
        world = live()
        world.docs.marks.clear()
        studio(world, m1_a1=100)
        look(world)
        assert world.serving("bank").traffic == {"m1-a1": 100}

    @pytest.mark.parametrize("error", [Transient("away"), Upstream("no")])
    def test_trouble_costs_that_look_alone(self, error: Exception) -> None:
        world = live()
        studio(world, m1_a1=100)
        real = world.azureml.all_endpoints

        def failing() -> Any:
            raise error

        world.azureml.all_endpoints = failing  # type: ignore[method-assign]
        with pytest.raises(type(error)):
            look(world)
        world.azureml.all_endpoints = real  # type: ignore[method-assign]
        look(world)
        assert states(world) == ["live", "rolled_back"]
