"""Windows that closed are judged once, whoever judges them and wherever a host dies; little evidence waits for more."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.documents import to_json
from shared.domain.drift import Seen, plan_of
from shared.domain.drift_series import MOST_KEPT, DriftSeries, JudgedWindow
from shared.domain.notify.receivers import Receiver
from shared.domain.schema import Column, Schema
from shared.domain.table.profile.parts import ColumnProfile, Frequent, Profile
from shared.domain.upkeep import DriftRule, Upkeep
from shared.domain.windows import window_at
from shared.services.documents import Told
from shared.services.monitoring.capture import Captured
from shared.services.notify.outbox import Outbox
from shared.services.run.store import RunStore
from shared.services.upkeep.drift import GRACE, MOST_ADDED
from tests.services.test_lifecycle import drop, tick
from tests.support.memory import Crash, World
from tests.support.upkeep import WINDOW, Account, drift_watch

SCHEMA = Schema(
    "y", (Column("x", "integer"), Column("job", "string")), ("no", "yes"), ({"x": 1, "job": "a"},)
)
PROFILE = Profile(
    "y",
    2000,
    2000,
    (
        ColumnProfile(
            "job",
            "string",
            2000,
            0,
            2,
            True,
            sampled=2000,
            frequent=(Frequent("clerk", 1500, 0.75), Frequent("nurse", 500, 0.25)),
        ),
    ),
)
PLAN = plan_of("bank-1-a1", PROFILE, SCHEMA)


class Scene:
    """A dataset in production whose callers' rows are counted."""

    def __init__(self, content: str = "A") -> None:
        self.world, self.files = World(), Account()
        self.world.clock.now = 10 * WINDOW
        self.version(content)

    def version(self, content: str) -> str:
        run_id = drop(self.world, content, schema=SCHEMA)
        run, etag = self.world.store.load(run_id)
        assert run.snapshot
        path = f"bank/{content}/profile.json"
        self.world.store.save(replace(run, snapshot=replace(run.snapshot, profile_path=path)), etag)
        self.files.profile(path, PROFILE)
        tick(self.world)
        assert self.world.run(run_id).state == "live"
        return run_id

    def captured(
        self,
        number: int,
        rows: int,
        *,
        nurses: float = 0.25,
        yes: float = 0.5,
        process: str = "one",
        run_id: str = "bank-1-a1",
    ) -> None:
        """What a process has seen in the window of this number."""
        chance, seen, window = random.Random(number), Seen(), window_at(number * WINDOW, WINDOW)
        drawn = [["nurse" if chance.random() < nurses else "clerk"] for _ in range(rows)]
        answers = ["yes" if i < yes * rows else "no" for i in range(rows)]
        seen.take(PLAN, ["job"], drawn, answers)
        document = Captured(window.start, window.end, rows, 0, {run_id: seen})
        self.world.docs.put(f"captured/bank/{window.name}/{process}.json", to_json(document))

    def at(self, number: float) -> None:
        """The beginning of the window of this number, when all have written the one before."""
        self.world.clock.now = number * WINDOW + GRACE

    def judge(self) -> None:
        """By a process that has just started."""
        drift_watch(self.world, self.files).tick()

    @property
    def series(self) -> DriftSeries:
        return self.world.store.read("drift/bank.json", DriftSeries) or DriftSeries()

    @property
    def left(self) -> list[str]:
        return list(self.world.docs.list("captured/"))


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_window_is_judged_once_it_has_closed(scene: Scene) -> None:
    scene.captured(20, 300)
    scene.at(20.5)
    scene.judge()
    assert len(scene.left) == 1
    scene.at(21)
    scene.judge()
    (found,) = scene.series.windows
    assert (found.rows, found.run_id, found.drifted, found.evidence) == (300, "bank-1-a1", False, "enough")
    assert found.predictions
    assert found.predictions.psi < 0.1, "it answers as to its own holdout"
    assert scene.left == []


def test_drift_is_found_told_and_named(scene: Scene) -> None:
    scene.captured(20, 300, nurses=0.9)
    scene.at(21)
    scene.judge()
    (found,) = scene.series.windows
    assert found.drifted
    assert [(each.name, each.drifted) for each in found.columns] == [("job", True)]
    (line,) = [line for line in scene.world.logged if line["what"] == "drift"]
    assert line["code"] == "drift"
    assert "'job'" in line["sentence"]
    assert "nurse" not in line["sentence"]


def test_answers_that_are_not_as_to_its_holdout_are_drift(scene: Scene) -> None:
    scene.captured(20, 300, yes=1.0)
    scene.at(21)
    scene.judge()
    (found,) = scene.series.windows
    assert found.drifted
    assert found.predictions
    assert found.predictions.drifted


def test_a_model_that_cannot_be_asked_now_is_asked_for_the_next_window(scene: Scene) -> None:
    scene.world.scorer.broken = {"m1-a1"}
    scene.captured(20, 300)
    scene.at(21)
    scene.judge()
    scene.world.scorer.broken = set()
    scene.captured(21, 300)
    scene.at(22)
    scene.judge()
    assert [each.predictions is None for each in scene.series.windows] == [True, False]


def test_processes_are_added_up(scene: Scene) -> None:
    for process in ("one", "two", "three"):
        scene.captured(20, 100, process=process)
    scene.world.docs.blobs["captured/bank/000000012000-600/torn.json"] = ("{", '"x"')
    scene.at(21)
    scene.judge()
    assert [each.rows for each in scene.series.windows] == [300]


class TestLittle:
    def test_waits_for_the_windows_after_it(self, scene: Scene) -> None:
        watch = drift_watch(scene.world, scene.files)
        for number in (20, 21, 22):
            scene.captured(number, 80)
            scene.at(number + 1)
            watch.tick()
        (found,) = scene.series.windows
        assert (found.start, found.end, found.rows) == (20 * WINDOW, 23 * WINDOW, 240)
        assert scene.left == []

    def test_is_read_again_only_when_another_window_closes(self, scene: Scene) -> None:
        watch = drift_watch(scene.world, scene.files)
        scene.captured(20, 80)
        scene.at(21)
        watch.tick()
        reads: list[str] = []
        get = scene.world.docs.get

        def counted(path: str) -> Any:
            reads.append(path)
            return get(path)

        scene.world.docs.get = counted  # type: ignore[method-assign]
        for _ in range(5):
            scene.world.clock.now += 70
            watch.tick()
        assert not [path for path in reads if path.startswith(("captured/", "drift/", "datasets/"))]

    def test_is_given_up_in_the_end_and_says_so(self, scene: Scene) -> None:
        for number in range(20, 20 + MOST_ADDED):
            scene.captured(number, 1, nurses=1.0)
        scene.at(21 + MOST_ADDED)
        scene.judge()
        (found,) = scene.series.windows
        assert (found.evidence, found.drifted, found.rows) == ("little", False, MOST_ADDED)
        assert scene.left == []


def test_rows_of_another_version_are_not_the_live_models(scene: Scene) -> None:
    scene.captured(20, 300, run_id="bank-0-a1", nurses=1.0)
    scene.captured(21, 300)
    scene.at(22)
    scene.judge()
    (found,) = scene.series.windows
    assert (found.rows, found.drifted) == (300, False)


def test_after_a_promotion_windows_are_the_new_models(scene: Scene) -> None:
    scene.captured(20, 300)
    scene.at(21)
    scene.judge()
    second = scene.version("B")
    scene.captured(30, 300, run_id=second)
    scene.at(31)
    scene.judge()
    assert [each.run_id for each in scene.series.windows] == ["bank-1-a1", second]
    assert scene.series.answers
    assert scene.series.answers.run_id == second


def test_a_dataset_may_have_thresholds_of_its_own(scene: Scene) -> None:
    upkeep = Upkeep(drift=DriftRule(threshold=50.0, min_rows=100))
    scene.world.store.change_dataset("bank", lambda found: replace(found, upkeep=upkeep))
    scene.captured(20, 120, nurses=0.9)
    scene.at(21)
    scene.judge()
    assert [each.drifted for each in scene.series.windows] == [False]


def test_counts_that_come_late_change_no_verdict(scene: Scene) -> None:
    scene.captured(20, 300)
    scene.at(21)
    scene.judge()
    before = scene.series
    scene.captured(20, 300, nurses=1.0, process="late")
    scene.judge()
    assert scene.series == before
    assert scene.left == []


def test_the_series_is_bounded(scene: Scene) -> None:
    old = tuple(JudgedWindow(i, i + 1, "bank-1-a1", 200) for i in range(MOST_KEPT))
    scene.world.store.write("drift/bank.json", DriftSeries(until=MOST_KEPT, windows=old))
    scene.captured(20, 300)
    scene.at(21)
    scene.judge()
    assert len(scene.series.windows) == MOST_KEPT
    assert scene.series.windows[-1].rows == 300


class TestClocks:
    def test_a_clock_that_was_years_ahead_ends_nothing(self, scene: Scene) -> None:
        year = 365 * 86400.0
        ahead = JudgedWindow(year, year + WINDOW, "bank-1-a1", 300)
        scene.world.store.write("drift/bank.json", DriftSeries(until=year + WINDOW, windows=(ahead,)))
        scene.captured(20, 300)
        scene.at(21)
        scene.judge()
        assert [each.end for each in scene.series.windows] == [21 * WINDOW]

    def test_a_window_of_the_future_waits_for_it(self, scene: Scene) -> None:
        scene.captured(9000, 300)
        scene.at(21)
        scene.judge()
        assert scene.series.windows == ()
        assert len(scene.left) == 1


class TestHosts:
    def test_two_that_judge_together_write_one_series(self, scene: Scene) -> None:
        scene.captured(20, 300)
        scene.at(21)
        other = drift_watch(scene.world, scene.files)
        raced: list[str] = []
        create = scene.world.docs.create

        def first(path: str, doc: Any, told: Told = None) -> str:
            if path == "drift/bank.json" and not raced:
                raced.append(path)
                other.tick()
            return create(path, doc, told)

        scene.world.docs.create = first  # type: ignore[method-assign]
        scene.judge()
        assert raced
        assert [each.rows for each in scene.series.windows] == [300]

    def test_death_at_any_effect_loses_and_doubles_no_window(self) -> None:
        die_at, died = 0, True
        while died:
            scene = Scene()
            for number in (20, 21):
                scene.captured(number, 300, nurses=0.9)
            scene.at(22)
            points = scene.world.points
            points.seen.clear()
            points.die_at, died = die_at, False
            try:
                scene.judge()
            except Crash:
                died = True
            points.die_at = None
            scene.judge()
            scene.judge()
            assert [each.end for each in scene.series.windows] == [21 * WINDOW, 22 * WINDOW], die_at
            assert scene.left == []
            die_at += 1
        assert die_at > 4


def test_a_receiver_of_drift_is_told_once_however_often_it_is_judged(scene: Scene) -> None:
    receiver = Receiver("json", "https://example.org/hook")
    outbox = Outbox(scene.world.docs, (receiver,), frozenset({"drift"}), scene.world.clock)

    class Telling(World):
        @property
        def store(self) -> RunStore:
            return RunStore(self.docs, self.ledger_store, self.clock, outbox)

    scene.world.__class__ = Telling
    scene.captured(20, 300, nurses=0.9)
    scene.at(21)
    kept = dict(scene.world.docs.blobs)
    scene.judge()
    scene.world.docs.blobs = {
        **scene.world.docs.blobs,
        **{p: b for p, b in kept.items() if p.startswith("captured/")},
    }
    scene.world.docs.delete("drift/bank.json")
    scene.judge()
    waiting = list(scene.world.docs.list("outbox/"))
    assert len(waiting) == 1


def test_a_dataset_that_cannot_be_judged_keeps_no_other_from_it(scene: Scene) -> None:
    scene.captured(20, 300)
    window = window_at(20 * WINDOW, WINDOW)
    scene.world.docs.put(f"captured/aaa/{window.name}/one.json", {})
    scene.world.docs.blobs["datasets/aaa.json"] = ("{", '"x"')
    scene.at(21)
    scene.judge()
    assert len(scene.series.windows) == 1


def test_how_far_a_window_has_moved_is_measured(scene: Scene) -> None:
    scene.captured(20, 300, nurses=0.9)
    scene.at(21)
    scene.judge()
    (measured,) = [each for each in scene.world.signals if each.name == "drift_psi"]
    (window,) = scene.series.windows
    assert measured.value == max(each.psi for each in window.columns)
    assert (measured.run_id, measured.properties["drifted"]) == (window.run_id, "True")
