"""Timers on the local host: what is missed is run once, nothing runs twice, one host at a time."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropml.common.ncrontab import NCronTab
from dropml.functions_host.indexing import FunctionDefinition
from dropml.functions_host.invocation import Invoker
from dropml.functions_host.leases import SingletonLock
from dropml.functions_host.retries import RetryPolicy
from dropml.functions_host.timers import (
    NEVER,
    Schedule,
    ScheduleStatus,
    TimerListener,
    TimerTrigger,
    at_start,
)
from tests.conftest import StorageAccount
from tests.support.host_harness import KEYS, AppFolder, wait_for

HOURLY = Schedule(NCronTab.parse("0 0 * * * *"))
NOON = datetime(2024, 5, 6, 12, 0, 0, tzinfo=UTC)


def test_first_start_is_not_past_due_and_writes_the_next_time() -> None:
    status, past_due = at_start(None, HOURLY, NOON + timedelta(minutes=5))
    assert status == ScheduleStatus(NEVER, NOON + timedelta(hours=1), NOON + timedelta(minutes=5))
    assert not past_due


def test_changed_schedule_drops_what_the_old_one_missed() -> None:
    old = ScheduleStatus(NOON, NOON + timedelta(minutes=5), NOON)  # it was every five minutes
    now = NOON + timedelta(hours=3, minutes=1)
    status, past_due = at_start(old, HOURLY, now)
    assert not past_due
    assert status == ScheduleStatus(NEVER, NOON + timedelta(hours=4), now)


@given(minutes=st.integers(0, 60 * 24 * 40), ran_before=st.booleans())
def test_past_due_exactly_when_an_occurrence_was_missed(minutes: int, ran_before: bool) -> None:
    stored = ScheduleStatus(NOON if ran_before else NEVER, NOON + timedelta(hours=1), NOON)
    now = NOON + timedelta(minutes=minutes)
    status, past_due = at_start(stored, HOURLY, now)
    assert past_due == (minutes > 60)
    assert status == stored


class FakeTime:
    """A clock that moves only while somebody waits, and an event that ends the listener at a set time."""

    def __init__(self, start: datetime, end: datetime) -> None:
        self.now = start
        self.end = end
        self._start, self._jumped = start, timedelta(0)

    def steady(self) -> float:
        """Seconds that have passed, whatever the clock was set to."""
        return (self.now - self._start - self._jumped).total_seconds()

    def jump(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self._jumped += timedelta(seconds=seconds)

    def is_set(self) -> bool:
        return self.now >= self.end

    def wait(self, seconds: float) -> bool:
        self.now += timedelta(seconds=seconds)
        return self.is_set()


class Store:
    def __init__(self, status: ScheduleStatus | None = None) -> None:
        self.status = status

    def read(self) -> ScheduleStatus | None:
        return self.status

    def write(self, status: ScheduleStatus) -> None:
        self.status = status


class HeldLock:
    held = True


def simulate(
    expression: str,
    store: Store,
    clock: FakeTime,
    *,
    takes: float = 0,
    startup: bool = False,
    fails: bool = False,
    lock: Any = None,
    now: Callable[[], datetime] | None = None,
    note: Callable[[], None] = lambda: None,
) -> list[tuple[datetime, bool]]:
    """Let a listener run in simulated time; (time, past due) of each run."""
    runs: list[tuple[datetime, bool]] = []

    def handler(timer: Any) -> None:
        runs.append((clock.now, timer.past_due))
        note()
        clock.now += timedelta(seconds=takes)
        if fails:
            raise RuntimeError("a failing run")

    definition = FunctionDefinition(
        "tick", handler, False, {"type": "timerTrigger", "name": "timer"}, [], None, False, None, False
    )
    schedule = Schedule(NCronTab.parse(expression))
    trigger = TimerTrigger(definition, schedule, not schedule.is_sub_minute(clock.now), startup)
    listener = TimerListener(
        trigger,
        store,
        cast("SingletonLock", lock or HeldLock()),
        Invoker(None),
        now=now or (lambda: clock.now),
        steady=clock.steady,
    )
    listener.listen(cast("threading.Event", clock))
    return runs


def test_a_start_alone_leaves_the_next_time_behind() -> None:
    store = Store()
    assert (
        simulate("0 0 * * * *", store, FakeTime(NOON + timedelta(minutes=1), NOON + timedelta(minutes=2)))
        == []
    )
    assert store.status is not None  # so that an occurrence missed from now on is noticed
    assert store.status.next == NOON + timedelta(hours=1)


def test_runs_on_schedule_and_stores_what_comes_next() -> None:
    store = Store()
    runs = simulate(
        "0 0 * * * *", store, FakeTime(NOON + timedelta(minutes=7), NOON + timedelta(hours=3, minutes=1))
    )
    assert runs == [(NOON + timedelta(hours=n), False) for n in (1, 2, 3)]
    assert store.status == ScheduleStatus(
        NOON + timedelta(hours=3), NOON + timedelta(hours=4), NOON + timedelta(hours=3)
    )


def test_a_timer_of_every_second_fills_no_log_and_its_failure_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Two megabytes an hour of an idle host's log said that nothing had happened."""
    caplog.set_level(logging.INFO)
    runs = simulate("* * * * * *", Store(), FakeTime(NOON, NOON + timedelta(minutes=5)))
    assert len(runs) >= 299
    assert caplog.text.count("tick") <= 1, "its next time at the start"
    simulate("* * * * * *", Store(), FakeTime(NOON, NOON + timedelta(seconds=3)), fails=True)
    assert "a failing run" in caplog.text
    caplog.clear()
    simulate("0 * * * * *", Store(), FakeTime(NOON, NOON + timedelta(minutes=2, seconds=5)))
    assert caplog.text.count("Executing") == 2, "what runs seldom is told"


@settings(deadline=None, max_examples=30)
@given(missed=st.integers(0, 50), startup=st.booleans())
def test_however_many_were_missed_one_run_catches_up(missed: int, startup: bool) -> None:
    store = Store(ScheduleStatus(NOON, NOON + timedelta(hours=1), NOON))
    start = NOON + timedelta(hours=missed, minutes=30)
    runs = simulate("0 0 * * * *", store, FakeTime(start, start + timedelta(minutes=31)), startup=startup)
    caught_up = [(start, True)] if missed else [(start, False)] if startup else []
    assert runs == [*caught_up, (NOON + timedelta(hours=missed + 1), False)]


def test_no_overlap_and_no_heap_of_runs_after_a_long_one() -> None:
    # A run of 3.5 hours: the missed occurrences become one immediate run, which isn't past due.
    end = NOON + timedelta(hours=9)
    runs = simulate("0 0 * * * *", Store(), FakeTime(NOON - timedelta(minutes=1), end), takes=3.5 * 3600)
    starts = [NOON, NOON + timedelta(hours=3.5), NOON + timedelta(hours=7)]
    assert runs == [(start, False) for start in starts]


def test_failed_run_is_not_made_up() -> None:
    store = Store()
    clock = FakeTime(NOON - timedelta(minutes=1), NOON + timedelta(minutes=1))
    assert len(simulate("0 0 * * * *", store, clock, fails=True)) == 1
    assert store.status is not None
    assert store.status.next == NOON + timedelta(hours=1)


class Jumping(FakeTime):
    """Its clock is set at the `at`-th second that has passed; it ends after `seconds` of them."""

    def __init__(self, start: datetime, seconds: float, jumps: dict[int, float]) -> None:
        super().__init__(start, start)
        self._seconds, self._jumps = seconds, dict(jumps)

    def is_set(self) -> bool:
        return self.steady() >= self._seconds

    def wait(self, seconds: float) -> bool:
        super().wait(seconds)
        for at in [at for at in self._jumps if at <= self.steady()]:
            self.jump(self._jumps.pop(at))
        return self.is_set()


@given(jumps=st.dictionaries(st.integers(0, 10_000), st.floats(0, 7200), max_size=5))
@settings(deadline=None, max_examples=40)
def test_a_clock_set_forward_runs_no_occurrence_twice(jumps: dict[int, float]) -> None:
    runs = simulate("0 */10 * * * *", Store(), Jumping(NOON, 3 * 3600, jumps))
    # An occurrence is the latest scheduled time at or before the run.
    occurrences = Counter(
        run.replace(minute=run.minute // 10 * 10, second=0, microsecond=0) for run, _ in runs
    )
    assert max(occurrences.values(), default=0) <= 1


@pytest.mark.parametrize(
    ("expression", "interval"), [("*/10 * * * * *", 10), ("0 * * * * *", 60), ("0 */10 * * * *", 600)]
)
@given(jumps=st.dictionaries(st.integers(0, 3000), st.floats(-7200, 7200), max_size=4))
@settings(deadline=None, max_examples=6)
def test_whatever_the_clock_is_set_to_no_timer_rests_or_rushes(
    expression: str, interval: int, jumps: dict[int, float]
) -> None:
    clock = Jumping(NOON, 4000, jumps)
    steady: list[float] = []
    runs = simulate(expression, Store(), clock, note=lambda: steady.append(clock.steady()))
    gaps = [later - earlier for earlier, later in zip([0.0, *steady], [*steady, 4000.0], strict=True)]
    # A clock set back by less than two intervals leaves an occurrence out, each time.
    assert max(gaps) <= (2 + 2 * len(jumps)) * interval + 3
    assert len(runs) <= 4000 / interval + len(jumps) + 1


def test_a_daily_timer_skips_what_has_been_when_the_clock_is_set_back_a_little() -> None:
    start = NOON.replace(hour=2, minute=50)
    runs = simulate("0 0 3 * * *", Store(), Jumping(start, 26 * 3600, {900: -600}))
    assert [run for run, _ in runs] == [
        start.replace(hour=3, minute=0),
        start.replace(day=7, hour=3, minute=0),
    ]


def test_a_clock_set_back_during_a_run_or_while_no_host_ran_starves_nothing() -> None:
    store = Store()
    clock = Jumping(NOON, 3600, {})
    jumps = iter([0, -1200])
    runs = simulate("0 * * * * *", store, clock, note=lambda: clock.jump(next(jumps, 0)))
    assert len(runs) >= 58
    assert store.status is not None
    later = store.status.next - timedelta(hours=5)
    again = simulate("0 * * * * *", store, Jumping(later, 600, {}))
    assert len(again) >= 9


def test_a_resumed_machine_catches_up_once() -> None:
    runs = simulate("0 * * * * *", Store(), Jumping(NOON, 300, {90: 3600}))
    assert len(runs) == 5
    assert len({run for run, _ in runs}) == 5


def test_clock_set_back_at_the_moment_of_firing_does_not_fire_twice() -> None:
    clock = FakeTime(NOON - timedelta(minutes=1), NOON + timedelta(minutes=1))
    seen: list[datetime] = []

    def now() -> datetime:
        if clock.now == NOON:
            seen.append(NOON)
        # The second look at noon, when the run is begun, comes two seconds early.
        return clock.now - timedelta(seconds=2) if len(seen) == 2 else clock.now

    assert len(simulate("0 0 * * * *", Store(), clock, now=now)) == 1
    assert len(seen) >= 2


def test_lost_lock_ends_listening_without_another_run() -> None:
    class Losing:
        asked = 0

        @property
        def held(self) -> bool:
            self.asked += 1
            return self.asked < 100

    runs = simulate("*/10 * * * * *", Store(), FakeTime(NOON, NOON + timedelta(hours=1)), lock=Losing())
    assert len(runs) == 9  # 100 looks at the lock, one per simulated second


@pytest.mark.parametrize(
    ("expression", "fast"), [("* * * * * *", True), ("0 * * * * *", False), ("0,30 * * * * *", True)]
)
def test_schedules_within_a_minute_are_not_monitored(expression: str, fast: bool) -> None:
    assert Schedule(NCronTab.parse(expression)).is_sub_minute(NOON + timedelta(seconds=0.5)) == fast


def test_retry_policies() -> None:
    fixed = RetryPolicy.from_settings(
        "f", {"strategy": "fixed_delay", "max_retry_count": "2", "delay_interval": "00:01:05"}
    )
    assert fixed is not None
    assert [fixed.another(n) for n in range(4)] == [True, True, False, False]
    assert fixed.delay(0) == fixed.delay(5) == 65
    growing = RetryPolicy.from_settings(
        "f",
        {
            "strategy": "exponential_backoff",
            "max_retry_count": "-1",
            "minimum_interval": "00:00:02",
            "maximum_interval": "00:00:20",
        },
    )
    assert growing is not None
    assert growing.another(10**6)
    assert 2 <= growing.delay(0) <= 2.4
    assert 12.8 <= growing.delay(3) <= 19.2
    assert growing.delay(50) == 20
    for wrong in (
        {"strategy": "sometimes", "max_retry_count": "1"},
        {"strategy": "fixed_delay", "max_retry_count": "x"},
    ):
        with pytest.raises(ValueError, match=r"function f: @app\.retry"):
            RetryPolicy.from_settings("f", wrong)


APP = """
import json
import logging
import os
import time
import uuid

import azure.functions as func
from azure.storage.blob import BlobServiceClient

app = func.FunctionApp()
journal = BlobServiceClient.from_connection_string(os.environ["AzureWebJobsStorage"]).get_container_client(
    os.environ["JOURNAL"]
)


def note(function, **facts):
    facts |= {"pid": os.getpid(), "time": time.time()}
    journal.upload_blob(f"{function}/{time.time_ns()}-{uuid.uuid4().hex[:4]}", json.dumps(facts))


@app.timer_trigger(arg_name="timer", schedule="%EVERY_SECOND%", run_on_startup=False)
def every_second(timer: func.TimerRequest):
    note("every_second", past_due=timer.past_due, status=timer.schedule_status)


@app.timer_trigger(arg_name="timer", schedule="0 0 3 * * *")
async def nightly(timer: func.TimerRequest):
    note("nightly", past_due=timer.past_due, status=timer.schedule_status)


@app.timer_trigger(arg_name="timer", schedule="0 0 3 1 1 *", run_on_startup=True)
@app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:00")
def at_startup(timer: func.TimerRequest, context: func.Context):
    note("at_startup", retry=context.retry_context.retry_count, most=context.retry_context.max_retry_count)
    raise RuntimeError("always fails")


@app.timer_trigger(arg_name="timer", schedule="* * * * * *")
def switched_off(timer: func.TimerRequest):
    note("switched_off")


@app.timer_trigger(arg_name="timer", schedule="0 0 3 * * 7")
def mistaken(timer: func.TimerRequest):
    note("mistaken")
"""


class Timers:
    """A timer app of one test on the shared Azurite."""

    def __init__(self, account: StorageAccount, folder: Path) -> None:
        self.journal = account.container("journal")
        self.hosts = account.service.get_container_client("azure-webjobs-hosts")
        self.host_id = account.name("timers")
        values = {
            "AzureWebJobsStorage": account.connection_string,
            "AzureFunctionsWebHost__hostid": self.host_id,
            "DROPML_HOST_LEASE_SECONDS": "15",
            "JOURNAL": str(self.journal.container_name),
            "EVERY_SECOND": "* * * * * *",
            "AzureWebJobs.switched_off.Disabled": "1",
        }
        self.app = AppFolder(folder, APP, settings=values, host_json={})

    def runs(self, function: str) -> list[dict[str, Any]]:
        names = sorted(blob.name for blob in self.journal.list_blobs(name_starts_with=function + "/"))
        return [json.loads(self.journal.download_blob(name).readall()) for name in names]

    def status_path(self, function: str) -> str:
        return f"timers/{self.host_id}/Host.Functions.{function}/status"

    def status(self, function: str) -> dict[str, str]:
        document: dict[str, str] = json.loads(self.hosts.download_blob(self.status_path(function)).readall())
        return document


@pytest.fixture
def timers(storage_account: StorageAccount, tmp_path: Path) -> Timers:
    return Timers(storage_account, tmp_path)


def test_one_host_runs_timers_and_the_other_takes_over(timers: Timers) -> None:
    first, second = timers.app.launch(), timers.app.launch()
    try:
        first.wait_ready()
        second.wait_ready()
        wait_for(lambda: len(timers.runs("every_second")) >= 2)
        runs = timers.runs("every_second")
        assert len({run["pid"] for run in runs}) == 1
        assert Counter(int(run["time"]) for run in runs).most_common(1)[0][1] == 1
        assert runs[0]["status"] == {}  # a schedule within the minute has no status
        owner, other = (first, second) if runs[0]["pid"] == first.process.pid else (second, first)
        assert (
            sum("Singleton lock acquired (Host.Functions.nightly.Listener)" in h.log for h in (owner, other))
            == 1
        )
        assert timers.runs("switched_off") == []
        assert timers.runs("nightly") == []
        assert "The 'mistaken' function is in error: '0 0 3 * * 7'" in owner.log
        owner.kill()
        wait_for(
            lambda: timers.runs("every_second")[-1]["pid"] == other.process.pid,
            timeout=20,
            what="the takeover",
        )
    finally:
        first.kill()
        second.kill()


def test_past_due_run_on_startup_retries_and_status(timers: Timers) -> None:
    now = datetime.now(UTC)
    schedule = Schedule(NCronTab.parse("0 0 3 * * *"))
    last = schedule.next(now - timedelta(days=9))
    stored = ScheduleStatus(last, schedule.next(last), last)
    if not timers.hosts.exists():
        timers.hosts.create_container()
    timers.hosts.upload_blob(timers.status_path("nightly"), json.dumps(stored.to_dict()))
    with timers.app.running() as host:
        (caught_up,) = wait_for(lambda: timers.runs("nightly"), what="the catch-up run")
        assert caught_up["past_due"] is True
        assert caught_up["status"] == stored.to_dict()
        wait_for(lambda: timers.status("nightly")["Next"] == schedule.next(now).isoformat())
        # Run on startup: with its retries three times, all of them one occurrence.
        wait_for(lambda: len(timers.runs("at_startup")) == 3)
        assert [(run["retry"], run["most"]) for run in timers.runs("at_startup")] == [(0, 2), (1, 2), (2, 2)]
        wait_for(lambda: timers.status("at_startup")["Last"][:4] == str(now.year))
        time.sleep(0.5)
        assert len(timers.runs("nightly")) == 1
        # By hand: 202, and its status stays.
        before = timers.status("nightly")
        assert host.post("/admin/functions/nightly", key=str(KEYS["master"]), json={}).status_code == 202
        wait_for(lambda: len(timers.runs("nightly")) == 2)
        assert timers.runs("nightly")[1]["past_due"] is False
        assert timers.status("nightly") == before
    with timers.app.running():  # up to date: nothing to catch up with
        wait_for(lambda: len(timers.runs("at_startup")) == 6)
        assert len(timers.runs("nightly")) == 2
