"""An endpoint that nobody calls is taken away and its model kept; the next call, or a new file, brings it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.documents import to_json
from shared.domain.errors import InvalidInput, Refused
from shared.domain.problems import Wait
from shared.domain.run.dataset import UNDEPLOYED
from shared.domain.run.parts import Canary
from shared.domain.run.serving import ServingEntry
from shared.services.documents import Page
from shared.services.monitoring.last_calls import WRITE_SECONDS, LastCalls, last_call
from shared.services.run import endpoint_costs, loop
from shared.services.run.acting import asking, putting_back
from shared.services.run.guardrails import Guardrails
from shared.services.run.housekeeping import Housekeeping, Keep
from shared.services.run.idle import Idle
from shared.services.run.looks import LOOK_SECONDS
from shared.services.scoring.proxy import Scoring
from tests.services.test_acts import ANN, live
from tests.services.test_lifecycle import drop, state
from tests.support import sweeps
from tests.support.memory import Crash, World
from tests.support.memory_files import MemoryFiles

HOUR = 3600.0


class Scene:
    """A live model, callers, and hosts that may die."""

    def __init__(self, hours: float = 24) -> None:
        self.world = live()
        self.world.guardrails = Guardrails(idle_hours=hours)
        self.idle = Idle(self.world.context)
        self.ticks(20)

    def ticks(self, count: int, seconds: float = 1.0) -> None:
        for _ in range(count):
            try:
                self.idle.tick(self.world.context.active() + 5)
                loop.tick(self.world.context)
            except Crash:
                self.world.points.die_at = None
                self.world.restart()
                self.idle = Idle(self.world.context)
            self.world.clock.now += seconds

    def sleeps(self) -> None:
        """A day without a call, which two looks have seen."""
        self.world.clock.now += 25 * HOUR
        self.ticks(1)
        self.world.clock.now += LOOK_SECONDS
        self.ticks(20)

    @property
    def calls(self) -> LastCalls:
        wall = self.world.clock
        return LastCalls(self.world.docs, self.world.log, wall, lambda: wall.now, lambda work: work())

    def call(self) -> str:
        """What a caller meets: `waking`, or the deployment that answers."""
        entry = self.world.serving("bank")
        scoring = Scoring(None, None, told=self.calls)  # type: ignore[arg-type]
        try:
            scoring._called(entry)
        except Wait as error:
            return f"{error.error_code}" if error.retry_after == 30 else "come again, but when?"
        (endpoint,) = self.world.azureml.endpoints.values()
        drawn = entry.draw()
        assert drawn in endpoint["deployments"], "a call is never sent to what isn't there"
        return drawn

    def deployments(self) -> list[str]:
        (endpoint,) = self.world.azureml.endpoints.values()
        return sorted(endpoint["deployments"])


def test_it_falls_asleep_and_the_next_call_brings_it_back() -> None:
    scene = Scene()
    assert scene.call() == "m2-a1"
    scene.ticks(5)
    assert scene.deployments() == ["m1-a1", "m2-a1"]
    scene.sleeps()
    assert scene.deployments() == []
    assert scene.world.store.open_datasets() == {}, "one that sleeps costs no tick anything"
    assert scene.call() == "waking"
    scene.ticks(20)
    assert scene.deployments() == ["m2-a1"]
    assert scene.call() == "m2-a1"
    dataset = scene.world.store.dataset("bank")
    assert dataset is not None
    assert (dataset.sleep, dataset.champion) == (None, "bank-2-a1")
    assert [line["what"] for line in scene.world.logged if "endpoint-a" in line["what"]] == [
        "endpoint-asleep",
        "endpoint-awake",
    ]


def test_calls_keep_it_awake_and_zero_does_always() -> None:
    scene = Scene()
    for _ in range(4):
        scene.world.docs.mark("calls/bank", {"at": str(scene.world.clock.now)})
        scene.world.clock.now += 20 * HOUR
        scene.ticks(3)
    assert scene.deployments() == ["m1-a1", "m2-a1"]
    never = Scene(0)
    never.sleeps()
    assert never.deployments() == ["m1-a1", "m2-a1"]


def test_nothing_goes_back_to_what_was_taken_away() -> None:
    scene = Scene()
    scene.sleeps()
    with pytest.raises(Refused) as refused:
        putting_back.rollback("bank", None, ANN, None, scene.world.context)
    assert refused.value.error_code == "asleep"
    scene.call()
    scene.ticks(20)
    with pytest.raises(Refused) as refused:
        putting_back.rollback("bank", None, ANN, None, scene.world.context)
    assert refused.value.error_code == "deployment-gone"


def test_a_new_file_wakes_it_before_its_model_is_compared() -> None:
    scene = Scene()
    scene.sleeps()
    run_id = drop(scene.world, "C")
    scene.ticks(60)
    assert state(scene.world, run_id) == "live"
    gate = scene.world.run(run_id).gate
    assert gate is not None
    assert gate.champion_run == "bank-2-a1"
    assert gate.numbers is not None
    assert scene.call() == "m3-a1"


def test_what_the_service_lets_fail_while_it_wakes_is_tried_again() -> None:
    scene = Scene()
    scene.sleeps()
    scene.world.azureml.failed_deployments = {"m2-a1"}
    assert scene.call() == "waking"
    scene.ticks(20)
    assert scene.call() == "waking"
    scene.world.azureml.failed_deployments = set()
    scene.ticks(20, 60)
    assert scene.call() == "m2-a1"


def test_a_former_run_that_can_not_be_read_keeps_nothing_awake() -> None:
    scene = Scene()
    path = "runs/bank-1-a1.json"
    scene.world.docs.put(path, {"schema": 99})
    scene.sleeps()
    assert (scene.deployments(), scene.call()) == ([], "waking")


def test_falling_asleep_costs_the_same_after_any_number_of_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    gone = {f"bank-{n}-a1": float(n) for n in range(100, 160)}
    scene.world.store.change_dataset("bank", lambda found: replace(found, undeployed=gone))
    get, read = scene.world.docs.get, list[str]()

    def noted(path: str) -> object:
        read.append(path)
        return get(path)

    monkeypatch.setattr(scene.world.docs, "get", noted)
    scene.sleeps()
    assert scene.deployments() == []
    assert {path for path in read if path.startswith("runs/")} == {"runs/bank-2-a1.json"}
    dataset = scene.world.store.dataset("bank")
    assert dataset is not None
    assert (len(dataset.undeployed), list(dataset.undeployed)[-2:]) == (
        UNDEPLOYED,
        ["bank-159-a1", "bank-1-a1"],
    )


def unwakeable() -> tuple[Scene, str]:
    """The live model can't be woken, the next one is a canary, and a person wants no other moves."""
    scene = Scene()
    scene.sleeps()
    world = scene.world
    world.azureml.failed_deployments, world.scorer.error_rate = {"m2-a1"}, {"m2-a1": 0.1}
    run_id = drop(world, "C")
    for _ in range(600):
        if state(world, run_id) == "canary":
            break
        (loop.step(run_id, world.context) if state(world, run_id) == "gate" else loop.tick(world.context))
        world.clock.now += 30
    asking.pause("bank", ANN, world.context)
    scene.ticks(5)
    (endpoint,) = world.azureml.endpoints.values()
    assert (state(world, run_id), endpoint["traffic"], scene.call()) == ("canary", {"m3-a1": 100}, "waking")
    return scene, run_id


def breached(world: World, run_id: str) -> None:
    run, etag = world.store.load(run_id)
    world.store.save(
        replace(run, canary=replace(run.canary or Canary(0), breach="40 of its 40 calls failed")), etag
    )


def cancelled(world: World, run_id: str) -> None:
    asking.cancel(run_id, ANN, world.context)


@pytest.mark.parametrize(("end", "ends"), [(cancelled, "cancelled"), (breached, "rejected")])
def test_a_canary_that_ends_while_it_sleeps_sends_no_caller_to_what_is_not_there(
    end: Callable[[World, str], None], ends: str
) -> None:
    scene, run_id = unwakeable()
    end(scene.world, run_id)
    scene.ticks(20)
    (endpoint,) = scene.world.azureml.endpoints.values()
    assert (state(scene.world, run_id), endpoint["traffic"], scene.call()) == (ends, {}, "waking")
    assert "m3-a1" not in scene.deployments()
    scene.world.azureml.failed_deployments = set()
    scene.ticks(20, 60)
    assert scene.call() == "m2-a1"


def test_a_failed_deployment_that_has_been_given_all_traffic_is_deployed_anew() -> None:
    scene, run_id = unwakeable()
    cancelled(scene.world, run_id)
    scene.ticks(20)
    while scene.deployments() != ["m2-a1"]:
        scene.ticks(1, 20)
    (endpoint,) = scene.world.azureml.endpoints.values()
    endpoint |= {"traffic": {"m2-a1": 100}, "wanted": {"m2-a1": 100}}
    scene.ticks(10, 60)
    assert endpoint["traffic"] == {}, "with traffic it couldn't be deleted"
    scene.world.azureml.failed_deployments = set()
    scene.ticks(20, 60)
    assert scene.call() == "m2-a1"


def test_hosts_that_die_anywhere_wake_and_put_to_sleep_all_the_same() -> None:
    for point in sweeps.places():
        scene = Scene()
        world = scene.world
        world.points.die_at = 2 * len(world.points.seen) + point
        scene.sleeps()
        fell = world.points.die_at is None
        scene.ticks(20, LOOK_SECONDS)
        assert scene.deployments() == [], point
        scene.ticks(5)
        try:
            assert scene.call() == "waking"
        except Crash:
            world.points.die_at = None
            scene.call()
        scene.ticks(40)
        assert scene.call() == "m2-a1", point
        assert world.store.open_datasets() == {}
        if not fell:
            break
    assert point > 12


@settings(max_examples=sweeps.examples(20), deadline=None)
@given(
    st.lists(st.sampled_from(["call", "drop", "sleep", "rollback", "tick"]), min_size=2, max_size=8),
    st.lists(st.integers(0, 60), max_size=2),
)
def test_whatever_happens_a_call_is_answered_or_told_to_come_again(
    deeds: list[str], deaths: list[int]
) -> None:
    scene, number = Scene(), 0

    def rollback() -> None:
        putting_back.rollback("bank", None, ANN, None, scene.world.context)

    for deed in deeds:
        if deaths and scene.world.points.die_at is None:
            scene.world.points.die_at = 2 * len(scene.world.points.seen) + deaths.pop()
        number += 1
        acts: dict[str, Callable[[], object]] = {
            "call": scene.call,
            "drop": lambda number=number: drop(scene.world, f"more {number}"),  # type: ignore[misc]
            "sleep": scene.sleeps,
            "rollback": rollback,
            "tick": lambda: scene.ticks(3),
        }
        try:
            acts[deed]()
        except Refused:
            continue
        except Crash:
            scene.world.points.die_at = None
            scene.world.restart()
    scene.world.points.die_at = None
    scene.ticks(60)
    scene.call()
    scene.ticks(60)
    assert scene.call().startswith("m")
    assert len([run for run in scene.world.runs() if run.state == "live"]) == 1


def test_the_last_call_is_written_down_behind_it_and_rarely() -> None:
    scene = Scene()
    entry, calls = scene.world.serving("bank"), scene.calls
    before = len(scene.world.points.seen)
    for _ in range(50):
        calls.called(entry)
    assert last_call(scene.world.docs, "bank") is not None
    assert len(scene.world.points.seen) - before == 1
    assert WRITE_SECONDS < HOUR
    assert last_call(scene.world.docs, "ban") is None


def test_the_list_tells_what_is_idle_and_what_it_costs() -> None:
    scene = Scene()
    scene.world.docs.mark("calls/bank", {"at": str(scene.world.clock.now - 2 * HOUR)})
    machines = endpoint_costs.Machines("Standard_DS3_v2", 1)
    (shown,) = endpoint_costs.page(10, None, machines, scene.world.context).items
    assert (round(shown.idle_hours or 0), shown.asleep) == (2, False)
    assert shown.cost == "at least 2 x Standard_DS3_v2 around the clock, called or not"
    scene.sleeps()
    (shown,) = endpoint_costs.page(10, None, machines, scene.world.context).items
    assert (shown.asleep, shown.deployments) == (True, ())


def test_a_page_of_endpoints_lists_twice_and_its_cursor_leads_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene()
    world, machines = scene.world, endpoint_costs.Machines("Standard_DS3_v2", 1)
    made = [f"s{k:03d}" for k in range(30)]
    for at, slug in enumerate(made):
        world.docs.put(f"serving/{slug}.json", to_json(replace(world.serving("bank"), slug=slug)))
        world.docs.mark(f"calls/{slug}", {"at": str(at)})
    world.docs.mark("calls/s002", {"at": "by hand"})
    listed: list[str] = []
    page = world.docs.page

    def counted(prefix: str, limit: int, after: str = "") -> Page:
        listed.append(prefix)
        return page(prefix, limit, after)

    monkeypatch.setattr(world.docs, "page", counted)
    first = endpoint_costs.page(25, None, machines, world.context)
    assert listed == ["serving/", "calls/"]
    rest = endpoint_costs.page(25, first.cursor, machines, world.context)
    assert [each.slug for each in (*first.items, *rest.items)] == ["bank", *made]
    assert [each.last_call for each in (*first.items, *rest.items)][1:6] == [0.0, 1.0, None, 3.0, 4.0]
    assert rest.cursor is None
    for cursor in ("x", "%%%", "s001"):
        with pytest.raises(InvalidInput, match="cursor"):
            endpoint_costs.page(25, cursor, machines, world.context)


def test_one_whose_serving_document_is_lost_sleeps_on() -> None:
    scene = Scene()
    scene.sleeps()
    scene.world.docs.delete("serving/bank.json")
    house = Housekeeping(scene.world.context, MemoryFiles(), Keep(0, "data", "batches"))
    scene.world.clock.now += 100
    house.tick()
    assert scene.world.store.read("serving/bank.json", ServingEntry) is not None
    assert scene.call() == "waking"


def test_a_process_that_has_looked_once_looks_again_when_it_may_be_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene()
    idle, get = Idle(scene.world.context), scene.world.docs.get
    asked: list[str] = []

    def noted(path: str) -> object:
        asked.append(path)
        return get(path)

    monkeypatch.setattr(scene.world.docs, "get", noted)

    def looks(hours: float) -> None:
        for _ in range(int(hours * HOUR / LOOK_SECONDS) + 1):
            idle.tick(scene.world.context.active() + 5)
            scene.world.clock.now += LOOK_SECONDS

    looks(20)
    assert len(asked) == 2, "the dataset and its champion, once"
    scene.call()
    looks(20)
    assert scene.deployments() == ["m1-a1", "m2-a1"], "it was called since"
    looks(10)
    scene.ticks(20)
    assert scene.deployments() == []


def test_a_call_of_a_dataset_whose_name_begins_alike_wakes_nobody_else() -> None:
    scene = Scene()
    scene.sleeps()
    assert scene.deployments() == []
    scene.world.docs.mark("wake/bank-2", {})
    scene.world.store.mark_open("bank")
    scene.ticks(20)
    assert scene.deployments() == []
    assert scene.call() == "waking"
    scene.ticks(20)
    assert len(scene.deployments()) == 1
