"""The canary: live traffic decides, callers are shielded while it does, and all traffic goes back when it must."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.canary import BOUNDS, CanaryLimits, Tally, breach
from shared.domain.documents import from_json, to_json
from shared.domain.errors import Upstream
from shared.domain.rows.predictions import Prediction
from shared.domain.run.serving import ServingEntry
from shared.services.monitoring.tallies import LATE_SECONDS, CanaryWatch, Counts, observed
from shared.services.run import loop, rounds, serving_documents
from tests.services.test_lifecycle import SCHEMA, drop, state, tick
from tests.support.memory import MemoryDocuments, World
from tests.support.scoring_support import ROW, App, Endpoint, Scripted, call, request, serve
from tests.support.sure_models import CLASSES, SureScorer, rare, sure_world

LIMITS = CanaryLimits()
BOTH = {"m1-a1": 90, "m2-a1": 10}


def varied(shares: list[float], call: int) -> list[list[float]]:
    """What two rows get of which no other call has the like."""
    return [[shares[0], shares[1] + (2 * call + i) * 1e-9] for i in range(2)]


def tally(
    calls: int,
    *,
    errors: float = 0.0,
    seconds: float = 0.004,
    yes: float = 0.1,
    rows: int = 2,
    chance: random.Random | None = None,
) -> Tally:
    """What a deployment of these habits leaves after so many calls."""
    draw, made = chance or random.Random(calls), Tally()
    for _ in range(calls):
        if draw.random() < errors:
            made.failed()
        else:
            labels = ["yes" if draw.random() < yes else "no" for _ in range(rows)]
            made.answered(draw.expovariate(1 / seconds), labels, rows)
    return made


class TestVerdict:
    @pytest.mark.parametrize(
        ("habits", "word"),
        [
            ({"errors": 0.2}, "calls failed"),
            ({"errors": 1.0}, "calls failed"),
            ({"seconds": 0.4}, "19 of 20 answers"),
            ({"yes": 0.6}, "it gives 'no' to"),
            ({"yes": 1.0}, "it gives 'no' to"),
        ],
    )
    def test_each_vice_is_found_and_named(self, habits: dict[str, float], word: str) -> None:
        found = breach(tally(2000), tally(200, **habits), LIMITS)  # type: ignore[arg-type]
        assert found is not None
        assert word in found

    def test_equals_are_never_told_apart(self) -> None:
        """No false alarm in 300 canaries of every size and habit."""
        chance = random.Random(5)
        for _ in range(300):
            habits: Any = {"errors": chance.choice([0, 0.01, 0.1]), "yes": chance.choice([0.02, 0.1, 0.5])}
            habits |= {"seconds": chance.choice([0.002, 0.02, 0.2]), "chance": chance}
            champion, challenger = tally(chance.randint(300, 900), **habits), tally(100, **habits)
            assert breach(champion, challenger, LIMITS) is None

    def test_little_traffic_convicts_nobody(self) -> None:
        assert breach(tally(1000), tally(2, errors=1.0), LIMITS) is None
        assert breach(tally(1000), tally(20, seconds=5.0), LIMITS) is None
        assert breach(tally(1000), tally(20, yes=1.0), LIMITS) is None
        assert breach(Tally(), Tally(), LIMITS) is None

    def test_a_champion_in_the_same_trouble_excuses(self) -> None:
        assert breach(tally(1000, errors=0.5), tally(200, errors=0.5), LIMITS) is None

    def test_large_calls_tell_nothing_of_latency(self) -> None:
        large = Tally()
        for _ in range(200):
            large.answered(30.0, None, 5000)
        assert sum(large.latency) == 0
        assert breach(tally(1000), large, LIMITS) is None

    def test_latency_is_counted_by_its_bounds(self) -> None:
        made = Tally()
        for seconds in (0.001, 0.005, 0.0051, 4.9, 5.1):
            made.answered(seconds, None, 1)
        assert (made.latency[0], made.latency[1], made.latency[-2], made.latency[-1]) == (2, 1, 1, 1)
        assert len(made.latency) == len(BOUNDS) + 1

    def test_a_model_that_answers_nonsense_does_not_swell_the_counts(self) -> None:
        nonsense = Tally()
        nonsense.answered(0.001, [f"label {i}" for i in range(1000)], 1000)
        assert len(nonsense.labels) <= 51
        assert sum(nonsense.labels.values()) == 1000
        found = breach(tally(1000), nonsense, LIMITS)
        assert found is not None
        assert "it gives" in found

    def test_counts_add_up_and_travel_as_json(self) -> None:
        a, b = tally(30, errors=0.2), tally(50)
        document = to_json(a)
        both = from_json(document, Tally)
        both.add(b)
        assert (both.calls, both.errors) == (80, a.errors + b.errors)
        assert sum(both.labels.values()) == sum(a.labels.values()) + sum(b.labels.values())
        a.answered(0.001, ["never before"], 1)
        assert "never before" not in document["labels"], "what is being written changes no more"
        assert sum(document["latency"]) == sum(a.latency) - 1


@pytest.fixture
def world() -> World:
    """A champion and a challenger that has just got its share."""
    made = World(canary_seconds=100)
    drop(made, "A")
    tick(made)
    drop(made, "B")
    tick(made, 10)
    assert state(made, "bank-2-a1") == "canary"
    assert serving(made).traffic == BOTH
    return made


def serving(world: World) -> ServingEntry:
    return world.serving("bank")


def traffic(world: World) -> dict[str, int]:
    (endpoint,) = world.azureml.endpoints.values()
    return dict(endpoint["traffic"])


def callers(world: World, process: str, deployment: str, calls: int, *, failing: bool = False) -> None:
    """What a process that scores writes down."""
    watch = CanaryWatch(world.docs, process, wait=lambda _: None)
    entry = serving(world)
    for _ in range(calls):
        if failing:
            watch.failed(entry, deployment)
        else:
            watch.answered(entry, deployment, 0.01, Prediction(["yes", "no"]), 2)
    until = time.monotonic() + 10
    while written(world, process) < calls:
        assert time.monotonic() < until, "the counts were not written"
        time.sleep(0.01)


def written(world: World, process: str) -> int:
    counts = world.store.read(f"canary/bank/{process}.json", Counts)
    return sum(tally.calls for tally in counts.deployments.values()) if counts else 0


class TestLifecycle:
    def test_a_challenger_that_fails_its_callers_loses_its_traffic_within_ticks(self, world: World) -> None:
        for process in ("host-a", "host-b"):
            callers(world, process, "m2-a1", 20, failing=True)
        tick(world, 2)
        assert serving(world).traffic == {"m1-a1": 100}, "callers are moved before the endpoint is"
        tick(world, 5)
        assert state(world, "bank-2-a1") == "rejected"
        run = world.run("bank-2-a1")
        assert "40 of its 40 calls failed" in str(run.gate)
        assert run.canary is not None
        assert run.canary.calls == {"champion": 0, "challenger": 40}
        assert traffic(world) == {"m1-a1": 100}
        assert list(world.docs.list("canary/")) == []
        assert getattr(world.store.dataset("bank"), "champion", None) == "bank-1-a1"

    def test_a_good_one_stays_its_time_and_goes_live(self, world: World) -> None:
        callers(world, "host-a", "m1-a1", 200)
        callers(world, "host-b", "m2-a1", 60)
        tick(world, 20)
        assert state(world, "bank-2-a1") == "canary"
        tick(world, 100)
        assert state(world, "bank-2-a1") == "live"
        assert traffic(world) == {"m2-a1": 100}
        run = world.run("bank-2-a1")
        assert run.canary is not None
        assert run.canary.calls == {"champion": 200, "challenger": 60}
        assert list(world.docs.list("canary/")) == []

    def test_one_that_answers_its_smoke_rows_no_more_goes_back(self, world: World) -> None:
        world.scorer.broken = {"m2-a1"}
        tick(world, 120)
        assert state(world, "bank-2-a1") == "rejected"
        assert "the container answered 500" in str(world.run("bank-2-a1").gate)
        assert traffic(world) == {"m1-a1": 100}

    def test_trouble_with_the_traffic_itself_ends_at_the_champion(self) -> None:
        """The service refuses every split: the run ends rejected, never with traffic that nobody watches."""
        made = World(canary_seconds=100)
        drop(made, "A")
        tick(made)
        move = made.azureml.begin_traffic

        def refusing(endpoint: str, wanted: dict[str, int]) -> None:
            if len(wanted) > 1:
                raise Upstream("The service refuses this traffic.")
            move(endpoint, wanted)

        made.azureml.begin_traffic = refusing  # type: ignore[method-assign, assignment]
        drop(made, "B")
        tick(made, 60)
        assert state(made, "bank-2-a1") == "rejected"
        assert "refuses this traffic" in str(made.run("bank-2-a1").gate)
        assert traffic(made) == serving(made).traffic == {"m1-a1": 100}

    def test_an_endpoint_that_is_gone_ends_the_run_at_once(self, world: World) -> None:
        world.azureml.endpoints.clear()
        tick(world, 3)
        run = world.run("bank-2-a1")
        assert str(run.state) == "failed"
        assert run.problem is not None
        assert run.problem.code == "endpoint-gone"

    def test_the_champion_stands_for_the_dataset_however_large_the_share(self) -> None:
        made = World(canary_seconds=100, canary_percent=80)
        for content in "AB":
            drop(made, content)
            tick(made, 30)
        assert serving(made).traffic == {"m1-a1": 20, "m2-a1": 80}
        assert serving(made).live == "m1-a1"
        tick(made, 120)
        assert serving(made).live == "m2-a1"

    def test_scores_that_lie_elsewhere_bring_the_champion_back(self, world: World) -> None:
        """The labels are the same; what the callers would rank by is not."""
        watch, entry = CanaryWatch(world.docs, "host-a", wait=lambda _: None), serving(world)
        for deployment, shares in (("m1-a1", [0.9, 0.1]), ("m2-a1", [0.55, 0.45])):
            for number in range(60):
                found = Prediction(["no", "no"], varied(shares, number), ["no", "yes"])
                watch.answered(entry, deployment, 0.01, found, 2)
        until = time.monotonic() + 10
        while written(world, "host-a") < 120:
            assert time.monotonic() < until, "the counts were not written"
            time.sleep(0.01)
        tick(world, 5)
        run = world.run("bank-2-a1")
        assert state(world, "bank-2-a1") == "rejected"
        assert run.gate is not None
        assert run.gate.reason == (
            "canary breach, traffic went back: its probabilities of 'no' lie 0.35 from the champion's: 0.57 on average, "
            "and the champion's 0.93"
        )

    @pytest.mark.parametrize(("old", "new", "ends"), [(0.5, 0.97, "live"), (0.95, 0.05, "rejected")])
    def test_a_proven_better_model_is_as_sure_as_the_gate_has_seen_it(
        self, old: float, new: float, ends: str
    ) -> None:
        """The champion answers about one half to every row, the challenger what is right: callers may see that much, too."""
        made = sure_world(canary_seconds=100)
        assert isinstance(made.scorer, SureScorer)
        made.scorer.shares["m1-a1"] = lambda x: (
            0.45 + 0.04 * (rare(x) == "yes") + 0.1 * (x * 7919 % 1000) / 1000
        )
        made.scorer.shares["m2-a1"] = lambda x: 0.97 if rare(x) == "yes" else 0.03
        for content in "AB":
            drop(made, content)
            tick(made, 30)
        assert state(made, "bank-2-a1") == "canary"
        numbers = made.run("bank-2-a1").gate
        assert numbers is not None
        assert numbers.numbers is not None
        assert numbers.numbers.score_distance == pytest.approx(0.45, abs=0.05)
        entry, watch = serving(made), CanaryWatch(made.docs, "host-a", wait=lambda _: None)
        for deployment, shares in (("m1-a1", [old, 1 - old]), ("m2-a1", [new, 1 - new])):
            for number in range(60):
                found = Prediction(["no", "no"], varied(shares, number), CLASSES)
                watch.answered(entry, deployment, 0.01, found, 2)
        until = time.monotonic() + 10
        while written(made, "host-a") < 120:
            assert time.monotonic() < until, "the counts were not written"
            time.sleep(0.01)
        tick(made, 120)
        assert state(made, "bank-2-a1") == ends

    def test_a_challenger_that_ranks_alike_and_comes_closer_to_the_truth_may_answer_so(self) -> None:
        """The champion learned from labels that were partly wrong: its probabilities lie near one half, in the same order."""
        made = sure_world(canary_seconds=100)
        assert isinstance(made.scorer, SureScorer)
        made.scorer.shares["m1-a1"] = lambda x: 0.55 if rare(x) == "yes" else 0.45
        made.scorer.shares["m2-a1"] = lambda x: 0.95 if rare(x) == "yes" else 0.05
        for content in "AB":
            drop(made, content)
            tick(made, 30)
        assert state(made, "bank-2-a1") == "canary"
        gate = made.run("bank-2-a1").gate
        assert gate is not None
        assert gate.numbers is not None
        assert gate.numbers.low == 0, "by the ranks they are equal"
        assert gate.numbers.score_distance == pytest.approx(0.4)

    def test_a_champion_that_is_asked_again_must_answer_as_before(self, world: World) -> None:
        """At the end of its time, not before: the smoke rows."""
        world.scorer.labels = lambda *_: ["no", "no"]  # type: ignore[method-assign]
        tick(world, 50)
        assert state(world, "bank-2-a1") == "canary"
        tick(world, 80)
        run = world.run("bank-2-a1")
        assert state(world, "bank-2-a1") == "rejected"
        assert run.gate is not None
        assert run.gate.reason == (
            "canary breach, traffic went back: it now answers ['no', 'no'], not ['no', 'yes']"
        )

    def test_counts_of_an_earlier_split_count_no_more(self, world: World) -> None:
        old = replace(serving(world), updated_at=1.0)
        world.docs.create("canary/bank/old.json", {"since": 1.0, "deployments": {}})
        watch = CanaryWatch(world.docs, "old", wait=lambda _: None)
        for _ in range(50):
            watch.failed(old, "m2-a1")
        tick(world, 20)
        assert state(world, "bank-2-a1") == "canary"


class TestSplits:
    def test_a_late_call_of_the_split_before_leaves_the_counts_alone(self, world: World) -> None:
        watch = CanaryWatch(world.docs, "host-a", wait=lambda _: None)
        now = serving(world)
        before = replace(now, updated_at=now.updated_at - 60)
        for entry in (*[now] * 99, before, now):
            watch.failed(entry, "m2-a1")
        until = time.monotonic() + 10
        while written(world, "host-a") < 100:
            assert time.monotonic() < until, "the counts were not written"
            time.sleep(0.01)
        assert written(world, "host-a") == 100

    def test_a_clock_that_went_back_blinds_no_process(self) -> None:
        """A promotion while the clock was an hour ahead, the next one after it was set right; the process has seen both."""
        world = World(canary_seconds=100, watch_seconds=60)
        watch = CanaryWatch(world.docs, "host-a", wait=lambda _: None)
        drop(world, "A")
        tick(world)
        world.jump(3600)
        drop(world, "B")
        tick(world, 10)
        watch.failed(serving(world), "m1-a1")
        tick(world, 200)
        ahead = serving(world).updated_at
        assert state(world, "bank-2-a1") == "live"
        world.jump(-3600)
        drop(world, "C")
        tick(world, 15)
        entry = serving(world)
        assert entry.shared
        assert world.clock.now < ahead < entry.updated_at < ahead + 1, "each document is dated after the last"
        for _ in range(50):
            watch.failed(entry, "m3-a1")
        until = time.monotonic() + 10
        while not (seen := observed(world.docs, "bank", entry.updated_at)) or seen["m3-a1"].errors < 50:
            assert time.monotonic() < until, "the calls were not counted"
            time.sleep(0.01)
        tick(world, 10)
        assert state(world, "bank-3-a1") == "rejected"
        assert serving(world).traffic == {"m2-a1": 100}

    def test_two_who_write_at_once_name_two_splits(self, world: World) -> None:
        """The other is a host whose clock is ahead, and first: the conditional write is decided anew."""
        now = serving(world)
        world.points.meanwhile = (
            2 * len(world.points.seen),
            lambda: serving_documents.write(replace(now, updated_at=now.updated_at + 600), world.store),
        )
        serving_documents.write(replace(now, traffic={"m1-a1": 100}), world.store)
        assert serving(world).traffic == {"m1-a1": 100}
        assert now.updated_at + 600 < serving(world).updated_at < now.updated_at + 601

    def test_a_document_made_anew_by_a_clock_that_went_back_is_counted_once_no_late_call_can_come(
        self,
    ) -> None:
        docs, clock = MemoryDocuments(), [0.0]
        watch = CanaryWatch(docs, "here", wait=lambda _: None, monotonic=lambda: clock[0])
        ahead = ServingEntry("bank", "bank", "e", "uri", "m1-a1", SCHEMA, updated_at=5000.0)
        anew = replace(ahead, updated_at=1000.0)
        watch.failed(ahead, "m1-a1")
        clock[0] = LATE_SECONDS - 1
        watch.failed(anew, "m1-a1")
        clock[0] = LATE_SECONDS
        watch.failed(anew, "m1-a1")
        until = time.monotonic() + 10
        while not (seen := observed(docs, "bank", 1000.0)):
            assert time.monotonic() < until, "the call was not counted"
            time.sleep(0.01)
        assert seen["m1-a1"].errors == 1


class Flaky(Endpoint):
    """Deployments in `failing` answer as a container whose model raises."""

    failing: frozenset[str] = frozenset()

    def answer(self, headers: Any, body: bytes) -> Scripted:
        if headers.get("azureml-model-deployment") in self.failing:
            said = {"ms-azureml-model-error-statuscode": "500"}
            return Scripted(424, b'{"message": "the model raised"}', said)
        return super().answer(headers, body)


@pytest.fixture
def app() -> Iterator[App]:
    endpoint = Flaky(deployments={"m1-a1", "m2-a1"})
    with serve(endpoint):
        made = App(endpoint)
        made.scoring.watch = CanaryWatch(made.documents, "here", wait=lambda _: None)
        made.publish(traffic={"m1-a1": 50, "m2-a1": 50})
        yield made


def predict(app: App) -> Any:
    entry = app.scoring.entry("bank")
    body = b'{"input_data": {"columns": ["age"], "index": [0], "data": [[60]]}}'
    return app.scoring.predict(entry, body, 1, app.calls.deadline(5))


def counted(documents: MemoryDocuments, calls: int, *deployments: str) -> dict[str, Any]:
    """What is written, once it holds so many calls of these deployments."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        found = (documents.get("canary/bank/here.json") or ({"deployments": {}}, ""))[0]["deployments"]
        if sum(found[name]["calls"] for name in deployments if name in found) >= calls:
            return dict(found)
        time.sleep(0.01)
    raise AssertionError("the counts were not written")


class TestCallers:
    def test_a_failing_canary_costs_its_callers_nothing(self, app: App) -> None:
        app.endpoint.failing = frozenset({"m2-a1"})  # type: ignore[attr-defined]
        answers = [predict(app) for _ in range(60)]
        assert {scored.model for scored in answers} == {"bank:1"}, (
            "the champion answers in its place, and says so"
        )
        found = counted(app.documents, 60, "m1-a1")
        assert found["m1-a1"]["errors"] == 0
        assert found["m1-a1"]["calls"] == 60
        assert found["m2-a1"]["calls"] == found["m2-a1"]["errors"] > 0

    def test_a_failing_champion_is_not_hidden(self, app: App) -> None:
        app.endpoint.failing = frozenset({"m1-a1"})  # type: ignore[attr-defined]
        outcomes = set()
        for _ in range(40):
            try:
                outcomes.add(predict(app).model)
            except Upstream as error:
                outcomes.add(error.error_code)
        assert outcomes == {"bank:2", "model-error"}

    def test_both_good_versions_are_counted_with_their_labels(self, app: App) -> None:
        for _ in range(40):
            predict(app)
        found = counted(app.documents, 40, "m1-a1", "m2-a1")
        assert set(found) == {"m1-a1", "m2-a1"}
        assert sum(t["labels"]["yes"] for t in found.values()) == 40

    def test_without_a_canary_nothing_is_counted(self, app: App) -> None:
        app.publish(traffic={"m1-a1": 100})
        for _ in range(5):
            predict(app)
        time.sleep(0.1)
        assert list(app.documents.list("canary/")) == []

    def test_storage_in_trouble_costs_no_score(self, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: Any) -> Any:
            raise Upstream("storage is down")

        predict(app)
        monkeypatch.setattr(app.documents, "create", broken)
        monkeypatch.setattr(app.documents, "replace", broken)
        assert predict(app).prediction.result == ["yes"]


def test_the_app_itself_watches(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the door: a caller sees 200 and the champion's name."""
    from functions import scoring as doors
    from shared import bootstrap

    app.endpoint.failing = frozenset({"m2-a1"})  # type: ignore[attr-defined]
    monkeypatch.setattr(bootstrap, "scoring", lambda: app.scoring)
    for _ in range(10):
        response = call(doors.score, request({"data": [ROW]}, route={"dataset": "bank"}))
        assert response.status_code == 200
        assert response.headers["x-dropml-model"] == "bank:1"


def test_a_breach_is_acted_on_while_another_dataset_keeps_the_tick(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its challenger answers slowly at the gate, or its workspace does; the canary's callers don't wait for that."""
    monkeypatch.setattr(rounds, "AGAIN_SECONDS", 0.2)
    world.pace = replace(world.pace, workers=4)
    world.azureml.job_status[drop(world, "C", dataset="slow")] = "Running"
    tick(world, 1)
    job, met = world.azureml.job, threading.Event()

    def slow(name: str) -> Any:
        if name.startswith("slow") and not met.is_set():
            met.set()
            watch, until = CanaryWatch(world.docs, "host-a", wait=lambda _: None), time.monotonic() + 30
            for _ in range(60):
                watch.failed(serving(world), "m2-a1")
            while state(world, "bank-2-a1") != "rejected" and time.monotonic() < until:
                time.sleep(0.05)
        return job(name)

    world.azureml.job = slow  # type: ignore[method-assign]
    loop.tick(world.context)
    assert met.is_set()
    assert state(world, "bank-2-a1") == "rejected", "within the one tick"
    assert serving(world).traffic == {"m1-a1": 100}
