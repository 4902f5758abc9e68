"""A dataset is trained anew when it is due and there is anything new to learn: once, and what was decided is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.domain.drift_series import DriftSeries, JudgedWindow
from shared.domain.retraining import Decision, Retraining
from shared.domain.run.acts import Act
from shared.domain.upkeep import OnDrift, Retrain, Upkeep
from shared.services.run.acting import asking
from shared.services.upkeep import showing
from tests.services.test_lifecycle import drop, tick
from tests.support.memory import Crash, World
from tests.support.upkeep import Account, app_schedule, retrainer, untrained

HOUR, DAY = 3600.0, 86400.0
#: A Monday at noon.
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp()


class Scene:
    """A dataset in production, and what its configuration says of retraining."""

    def __init__(self, **said: Any) -> None:
        self.world, self.files = World(), Account()
        self.world.clock.now = NOON
        drop(self.world)
        tick(self.world)
        self.say(**said)
        self.look()

    def say(self, **said: Any) -> None:
        upkeep = Upkeep(Retrain(**said))
        self.world.store.change_dataset("bank", lambda found: replace(found, upkeep=upkeep))

    def look(self, times: int = 1) -> None:
        """By a process that has just started."""
        for _ in range(times):
            retrainer(self.world, self.files).tick()

    @property
    def state(self) -> Retraining:
        found = self.world.store.read("retraining/bank.json", Retraining)
        assert found
        return found

    @property
    def last(self) -> Decision:
        assert self.state.last
        return self.state.last

    def causes(self) -> list[str]:
        """Of every run, in the order of their numbers."""
        return [run.cause for run in self.world.runs()]

    def drifted(self, *flags: bool, run_id: str = "bank-1-a1") -> None:
        """Windows of an hour each, the last one just closed."""
        end = self.world.clock.now
        windows = tuple(
            JudgedWindow(
                end - (len(flags) - i) * HOUR, end - (len(flags) - i - 1) * HOUR, run_id, 300, drifted=flag
            )
            for i, flag in enumerate(flags)
        )
        self.world.store.write("drift/bank.json", DriftSeries(end, windows))


class TestSchedule:
    def test_comes_round_and_trains_on_what_is_new(self) -> None:
        scene = Scene(schedule="daily")
        untrained(scene.world)
        scene.look()
        assert scene.causes() == ["drop", "drop"]
        scene.world.clock.now = NOON + 15 * HOUR + 1
        scene.look()
        assert scene.causes() == ["drop", "drop", "retrain"]
        assert (scene.last.outcome, scene.last.run_id) == ("started", "bank-3-a1")
        assert scene.last.occurrence == "2026-01-06T03:00:00Z"
        assert scene.world.run("bank-3-a1").source.content_hash == "B"

    def test_trains_nothing_where_nothing_is_new_and_says_so(self) -> None:
        scene = Scene(schedule="daily")
        for day in range(1, 8):
            scene.world.clock.now = NOON + day * DAY
            scene.look(3)
        assert scene.causes() == ["drop"]
        assert (scene.last.outcome, scene.last.code) == ("skipped", "nothing-new")
        assert "the data of bank-1-a1 has been trained on" in scene.last.reason
        shown = showing.detail("bank", scene.world.store, Upkeep())
        assert shown.retraining == scene.state
        assert any(line["what"] == "retraining skipped" for line in scene.world.logged)

    @pytest.mark.parametrize("days", [1, 2, 50, 4000])
    def test_however_long_nobody_was_there_one_makes_up_for_it(self, days: int) -> None:
        scene = Scene(schedule="hourly", cool_down_hours=0)
        untrained(scene.world)
        scene.world.jump(days * DAY)
        scene.world.restart()
        scene.look(3)
        tick(scene.world, 60)
        scene.look(3)
        assert scene.causes() == ["drop", "drop", "retrain"]

    def test_waits_for_a_run_under_way_and_then_comes(self) -> None:
        scene = Scene(schedule="daily")
        untrained(scene.world)
        scene.world.azureml.job_status["bank-3-a1"] = "Running"
        drop(scene.world, "C")
        tick(scene.world, 5)
        scene.world.clock.now = NOON + DAY
        scene.look(3)
        assert (scene.last.outcome, scene.last.code) == ("waiting", "run-under-way")
        assert "bank-3-a1" in scene.last.reason
        scene.world.azureml.job_status["bank-3-a1"] = "Failed"
        tick(scene.world)
        scene.look(3)
        assert scene.causes() == ["drop", "drop", "drop", "retrain"]

    def test_off_is_off_for_the_apps_own_too(self) -> None:
        scene = Scene(schedule="off")
        untrained(scene.world)
        assert app_schedule(scene.world, "2026-01-05T03:00") == []
        scene.say(schedule=None)
        assert app_schedule(scene.world, "2026-01-05T03:00") == ["bank-3-a1"]

    def test_the_apps_own_skips_what_waits(self) -> None:
        scene = Scene()
        untrained(scene.world)
        asking.pause("bank", Act("Ann", NOON), scene.world.context)
        assert app_schedule(scene.world, "2026-01-05T03:00") == []
        assert (scene.last.outcome, scene.last.code) == ("skipped", "paused")

    def test_the_apps_own_trains_nothing_where_nothing_is_new(self) -> None:
        scene = Scene()
        assert app_schedule(scene.world, "2026-01-05T03:00") == []
        assert scene.last.code == "nothing-new"


class TestClocks:
    def test_one_that_goes_back_repeats_nothing(self) -> None:
        scene = Scene(schedule="daily", cool_down_hours=0)
        untrained(scene.world)
        scene.world.clock.now = NOON + DAY
        scene.look()
        tick(scene.world)
        untrained(scene.world, "C")
        scene.world.jump(-1800)
        scene.look(3)
        assert scene.causes().count("retrain") == 1

    def test_one_that_was_years_ahead_stops_no_schedule(self) -> None:
        scene = Scene(schedule="daily")
        scene.world.jump(3000 * DAY)
        scene.look()
        scene.world.jump(-3000 * DAY)
        untrained(scene.world)
        scene.look()
        scene.world.clock.now += DAY
        scene.look()
        assert scene.causes() == ["drop", "drop", "retrain"]


class TestNewData:
    def test_is_trained_on_as_soon_as_it_is_there(self) -> None:
        scene = Scene(on_new_data=True)
        untrained(scene.world)
        scene.look(3)
        assert scene.causes() == ["drop", "drop", "retrain"]
        assert scene.last.trigger == "new-data"

    def test_once_even_where_that_fails_too(self) -> None:
        scene = Scene(on_new_data=True, cool_down_hours=0)
        untrained(scene.world)
        scene.world.azureml.job_status["bank-3-a1"] = "Failed"
        scene.look()
        tick(scene.world)
        scene.look(5)
        assert scene.causes() == ["drop", "drop", "retrain"]

    def test_too_few_rows_of_it_wait_for_more(self) -> None:
        scene = Scene(on_new_data=True, min_new_rows=150)
        untrained(scene.world)
        scene.look(3)
        assert scene.causes() == ["drop", "drop"]
        assert scene.last.code == "too-few-new-rows"
        assert "100 rows are new; min_new_rows asks for 150" in scene.last.reason

    def test_which_a_drop_trains_on_by_itself_is_not_new(self) -> None:
        scene = Scene(on_new_data=True)
        drop(scene.world, "B")
        for _ in range(40):
            tick(scene.world, 1)
            scene.look()
        assert scene.causes() == ["drop", "drop"]


class TestDrift:
    def test_of_k_of_n_windows_trains_on_what_is_new(self) -> None:
        scene = Scene(on_drift=OnDrift(2, 3))
        untrained(scene.world)
        scene.drifted(True, False, False)
        scene.look()
        assert scene.causes() == ["drop", "drop"]
        scene.drifted(True, False, True)
        scene.look(3)
        assert scene.causes() == ["drop", "drop", "drift"]
        assert "2 of the last 3 windows drifted" in scene.last.reason

    def test_with_nothing_new_trains_nothing_and_is_told_once(self) -> None:
        scene = Scene(on_drift=OnDrift(1, 1))
        scene.drifted(True)
        scene.look(5)
        assert scene.causes() == ["drop"]
        assert (scene.last.trigger, scene.last.code) == ("drift", "nothing-new")
        assert len([line for line in scene.world.logged if line["what"] == "retraining skipped"]) == 1

    def test_of_another_version_is_none_of_this_one(self) -> None:
        scene = Scene(on_drift=OnDrift(1, 1))
        untrained(scene.world)
        scene.drifted(True, run_id="bank-0-a1")
        scene.look(3)
        assert scene.causes() == ["drop", "drop"]

    def test_trains_once_in_a_cool_down(self) -> None:
        scene = Scene(on_drift=OnDrift(1, 1), cool_down_hours=24)
        untrained(scene.world)
        scene.drifted(True)
        scene.look()
        tick(scene.world)
        untrained(scene.world, "C")
        scene.world.clock.now += 2 * HOUR
        scene.drifted(True, run_id="bank-3-a1")
        scene.look(3)
        assert (scene.last.outcome, scene.last.code) == ("waiting", "cooling-down")
        assert scene.causes().count("drift") == 1
        scene.world.clock.now += DAY
        scene.look(3)
        assert scene.causes().count("drift") == 2

    def test_where_nothing_is_configured_is_only_told(self) -> None:
        scene = Scene()
        untrained(scene.world)
        scene.drifted(True, True, True)
        scene.look(3)
        assert scene.causes() == ["drop", "drop"]


class TestOnce:
    def test_hosts_that_look_together_begin_one_run(self) -> None:
        scene = Scene(schedule="daily", on_new_data=True, on_drift=OnDrift(1, 1), cool_down_hours=0)
        untrained(scene.world)
        scene.drifted(True)
        scene.world.clock.now = NOON + DAY
        hosts = [retrainer(scene.world, scene.files) for _ in range(3)]
        for host in hosts:
            host.tick()
        assert len(scene.causes()) == 3
        tick(scene.world)
        for host in hosts * 2:
            host.tick()
        assert len(scene.causes()) == 3

    @pytest.mark.parametrize("data", [1, 2])
    def test_death_at_any_effect_begins_one_run_and_tells_it(self, data: int) -> None:
        die_at, died = 0, True
        while died:
            scene = Scene(schedule="daily", data=data)
            versions(scene)
            scene.world.clock.now = NOON + DAY
            points = scene.world.points
            points.seen.clear()
            points.die_at, died = die_at, False
            try:
                scene.look()
            except Crash:
                died = True
            points.die_at = None
            scene.look(3)
            tick(scene.world)
            assert scene.causes() == ["drop", "drop", "retrain"], die_at
            assert scene.state.started
            assert scene.state.started.run_id == "bank-3-a1"
            die_at += 1
        assert die_at > 6

    def test_what_nobody_asks_for_costs_two_listings_a_round(self) -> None:
        scene = Scene()
        host = retrainer(scene.world, scene.files)
        host.tick()
        reads: list[str] = []
        get = scene.world.docs.get

        def counted(path: str) -> Any:
            reads.append(path)
            return get(path)

        scene.world.docs.get = counted  # type: ignore[method-assign]
        for _ in range(10):
            host.tick()
        assert [path for path in reads if path != "pulse.json"] == []

    def test_a_paused_dataset_waits(self) -> None:
        scene = Scene(on_new_data=True)
        untrained(scene.world)
        asking.pause("bank", Act("Ann", NOON), scene.world.context)
        scene.look(2)
        assert (scene.last.outcome, scene.last.code) == ("waiting", "paused")
        asking.resume("bank", Act("Ann", NOON), scene.world.context)
        scene.look()
        assert scene.causes() == ["drop", "drop", "retrain"]


TABLE = """type: mltable
paths: [{file: ./data.csv}]
transformations:
- read_delimited: {delimiter: ',', header: all_files_same_headers}
- convert_column_types: [{columns: [x], column_type: float}, {columns: [y], column_type: string}]
"""


def staged(files: Account, folder: str, header: str = "x,y", table: str = TABLE) -> None:
    """What intake leaves of a version."""
    rows = f"{header}\n1,no\n2,yes {folder}\n"
    files.put("data", f"{folder}/train/data.csv", rows.encode())
    files.put("data", f"{folder}/train/MLTable", table.encode())
    files.put("data", f"{folder}/holdout", f"{header}\n3,no\n".encode())


def versions(scene: Scene, **second: str) -> None:
    """A second version whose training failed."""
    staged(scene.files, "bank/A")
    staged(scene.files, "bank/B", **second)
    untrained(scene.world)


class TestVersions:
    def test_are_trained_on_together(self) -> None:
        scene = Scene(schedule="daily", data=3)
        versions(scene)
        scene.world.clock.now = NOON + DAY
        scene.look()
        run = scene.world.run("bank-3-a1")
        assert run.snapshot
        assert run.snapshot.joined == ("B", "A")
        folder = run.snapshot.path.removesuffix("/train")
        files = scene.files.containers["data"]
        assert files[f"{folder}/train/data-1.csv"][1] == files["bank/B/train/data.csv"][1]
        assert files[f"{folder}/train/data-2.csv"][1] == files["bank/A/train/data.csv"][1]
        assert files[f"{folder}/holdout/data.csv"][1] == files["bank/B/holdout"][1]
        assert b"./data-2.csv" in files[f"{folder}/train/MLTable"][1]
        tick(scene.world)
        assert scene.world.run("bank-3-a1").state == "live"
        assert scene.world.azureml.data["bank:3"] == f"{folder}/train"

    def test_are_new_together_though_each_was_trained_on(self) -> None:
        scene = Scene(schedule="daily", data=2, cool_down_hours=0)
        versions(scene)
        drop(scene.world, "C")
        staged(scene.files, "bank/C")
        tick(scene.world)
        for day in (1, 2, 3):
            scene.world.clock.now = NOON + day * DAY
            scene.look(2)
            tick(scene.world)
        assert scene.causes() == ["drop", "drop", "drop", "retrain"]
        assert scene.last.code == "nothing-new"
        assert "2 versions" in scene.last.reason

    def test_whose_columns_differ_are_told_and_the_newest_is_taken(self) -> None:
        for header, table, word in (
            ("y,x", TABLE, "another order"),
            ("x,y", TABLE.replace("column_type: float", "column_type: int"), "another type"),
        ):
            scene = Scene(schedule="daily", data=2)
            versions(scene, header=header, table=table)
            scene.world.clock.now = NOON + DAY
            scene.look()
            run = scene.world.run("bank-3-a1")
            assert run.snapshot
            assert run.snapshot.joined == ()
            assert run.source.content_hash == "B"
            assert "The newest version alone" in scene.last.reason
            assert word in scene.last.reason

    def test_whose_data_are_gone_are_told(self) -> None:
        scene = Scene(schedule="daily", data=2)
        versions(scene)
        scene.files.delete("data", "bank/A/train/data.csv")
        scene.world.clock.now = NOON + DAY
        scene.look()
        assert "data of an earlier version is gone" in scene.last.reason
        assert scene.last.run_id == "bank-3-a1"

    def test_copies_that_take_their_time_are_waited_for(self) -> None:
        scene = Scene(schedule="daily", data=2)
        versions(scene)
        scene.files.slow = True
        scene.world.clock.now = NOON + DAY
        scene.look()
        assert (scene.last.outcome, scene.last.code) == ("waiting", "joining-versions")
        scene.look(3)
        assert scene.causes() == ["drop", "drop", "retrain"]
        assert len(scene.files.copied) == len(set(scene.files.copied)) == 3

    def test_put_together_are_no_version_of_their_own(self) -> None:
        scene = Scene(schedule="daily", data=2, cool_down_hours=0)
        versions(scene)
        scene.world.clock.now = NOON + DAY
        scene.look()
        tick(scene.world)
        untrained(scene.world, "C")
        staged(scene.files, "bank/C")
        scene.world.clock.now = NOON + 2 * DAY
        scene.look()
        run = scene.world.run("bank-5-a1")
        assert run.snapshot
        assert run.snapshot.joined == ("C", "B")
