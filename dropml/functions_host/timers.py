"""Timer triggers: one run at a time on one host, by the schedule, with a status blob that outlives the host.

Mirrors TimerListener, ScheduleMonitor and StorageScheduleMonitor of
https://github.com/Azure/azure-webjobs-sdk-extensions.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import ContainerClient

from dropml.common.ncrontab import NCronTab
from dropml.functions_host.bindings import timer_request
from dropml.functions_host.indexing import FunctionDefinition
from dropml.functions_host.invocation import Invoker
from dropml.functions_host.leases import SingletonLock, ensure_container

log = logging.getLogger("Host.Triggers.Timer")

NEVER = datetime(1, 1, 1, tzinfo=UTC)
_SET_BACK = timedelta(seconds=2)  # less is the clock being kept right
_TICK_S = 1.0  # how often the wall clock is looked at while waiting: it may jump


@dataclass(frozen=True)
class Schedule:
    """A schedule on the clocks of a zone."""

    cron: NCronTab
    zone: tzinfo = UTC

    def next(self, after: datetime) -> datetime:
        return self.cron.next(after, self.zone)

    def is_sub_minute(self, now: datetime) -> bool:
        """True if it fires more than once within the next minute: then it isn't monitored."""
        return self.next(self.next(now)) <= now + timedelta(minutes=1)


@dataclass(frozen=True)
class ScheduleStatus:
    """When the timer ran last, is due next, and when that was written down. Last is NEVER before the first run."""

    last: datetime
    next: datetime
    last_updated: datetime

    def to_dict(self) -> dict[str, str]:
        return {
            "Last": self.last.isoformat(),
            "Next": self.next.isoformat(),
            "LastUpdated": self.last_updated.isoformat(),
        }

    @classmethod
    def from_dict(cls, document: dict[str, str]) -> ScheduleStatus:
        return cls(*(datetime.fromisoformat(document[name]) for name in ("Last", "Next", "LastUpdated")))


def at_start(status: ScheduleStatus | None, schedule: Schedule, now: datetime) -> tuple[ScheduleStatus, bool]:
    """What a starting timer makes of its stored status: the status to go on with, and whether a run was missed.

    A status that another schedule wrote is made anew, and what that schedule missed is dropped.
    """
    if status is None:
        return ScheduleStatus(NEVER, schedule.next(now), now), False
    if max(status.last, status.last_updated) > now + _SET_BACK:  # the clock was set back while no host ran
        return ScheduleStatus(NEVER, resumed(schedule, status.next, now), now), False
    base = status.last if status.last > NEVER else status.last_updated
    expected = schedule.next(base if base > NEVER else now)
    if status.next != expected:
        if now > expected:
            base, expected = now, schedule.next(now)
        status = ScheduleStatus(NEVER, expected, base)
    return status, now > status.next


def resumed(schedule: Schedule, due: datetime, now: datetime) -> datetime:
    """When a timer that was due at `due` runs next after the clock was set back to `now`.

    Occurrences that have been are not repeated, unless waiting for the first new one would leave out more than one of
    the new time's: then the schedule begins anew by the new time.
    """
    anew = schedule.next(now)
    return anew if schedule.next(anew) < due else due


class StatusStore(Protocol):
    """Where a timer's status is kept."""

    def read(self) -> ScheduleStatus | None: ...
    def write(self, status: ScheduleStatus) -> None: ...


class BlobStatusStore:
    """`azure-webjobs-hosts/timers/{host id}/{function id}/status`; writing never fails a timer."""

    def __init__(self, hosts: ContainerClient, host_id: str, function: FunctionDefinition) -> None:
        self._hosts = hosts
        self._blob = hosts.get_blob_client(f"timers/{host_id}/{function.id}/status")

    def read(self) -> ScheduleStatus | None:
        """Raises AzureError if storage fails, for the caller to try again."""
        try:
            return ScheduleStatus.from_dict(json.loads(self._blob.download_blob().readall()))
        except ResourceNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            log.warning("Timer status %s is unreadable; starting afresh", self._blob.blob_name)
            return None

    def write(self, status: ScheduleStatus) -> None:
        try:
            ensure_container(self._hosts)
            self._blob.upload_blob(json.dumps(status.to_dict()), overwrite=True)
        except AzureError as error:
            log.error("Timer status %s could not be written: %s", self._blob.blob_name, type(error).__name__)


@dataclass(frozen=True)
class TimerTrigger:
    """A timer function with its schedule; `monitored` is use_monitor unless the schedule is too fast for it."""

    function: FunctionDefinition
    schedule: Schedule
    monitored: bool
    run_on_startup: bool


def _utc_now() -> datetime:
    return datetime.now(UTC)


class TimerListener:
    """Runs one timer while this host holds its lock."""

    def __init__(
        self,
        trigger: TimerTrigger,
        store: StatusStore,
        lock: SingletonLock,
        invoker: Invoker,
        now: Callable[[], datetime] = _utc_now,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trigger = trigger
        self._store = store
        self._lock = lock
        self._invoker = invoker
        self._now = now
        self._steady = steady
        self._seen = (now(), steady())  # both clocks at the last look

    def listen(self, stop: threading.Event) -> None:
        """Run on schedule until told to stop or until the lock is lost. Raises AzureError at the start only."""
        trigger, now = self._trigger, self._now()
        stored = self._store.read() if trigger.monitored else None
        status, past_due = at_start(stored, trigger.schedule, now)
        if trigger.monitored and status != stored:
            self._store.write(status)
        log.info("Timer %s is next due at %s", trigger.function.name, status.next.isoformat())
        if past_due:
            log.info("Function '%s' is past due on startup. Executing now.", trigger.function.name)
            status = self._run(status, "past due", stop)
        elif trigger.run_on_startup:
            status = self._run(status, "run on startup", stop)
        while (due := self._wait_until(status, stop)) is not None:
            status = self._run(due, "schedule", stop)

    def _wait_until(self, status: ScheduleStatus, stop: threading.Event) -> ScheduleStatus | None:
        """The status once its time has come; None if the host stops or the lock is lost first.

        The wall clock says what is due; the steady one tells when somebody has set the wall clock back.
        """
        while not stop.is_set() and self._lock.held:
            now, (wall, steady) = self._now(), self._seen
            self._seen = (now, self._steady())
            behind = timedelta(seconds=self._seen[1] - steady) - (now - wall)
            if behind > _SET_BACK:
                status = self._after_setting_back(status, now, behind)
            remaining = (status.next - now).total_seconds()
            if remaining <= 0:
                return status
            stop.wait(min(remaining, _TICK_S))
        return None

    def _after_setting_back(self, status: ScheduleStatus, now: datetime, by: timedelta) -> ScheduleStatus:
        following = resumed(self._trigger.schedule, status.next, now)
        log.warning(
            "The clock was set back by %.0f s: timer %s is next due at %s",
            by.total_seconds(),
            self._trigger.function.name,
            following.isoformat(),
        )
        return ScheduleStatus(status.last, following, status.last_updated)

    def _run(self, status: ScheduleStatus, cause: str, stop: threading.Event) -> ScheduleStatus:
        """Run once, whatever was missed, and write the status down, also after a failure: it isn't made up."""
        trigger, began = self._trigger, self._now()
        shown = status.to_dict() if trigger.monitored else None
        # A run cut short by the time limit has been; one cut short by the host's stop is found past due again.
        self._invoker.run(
            trigger.function,
            lambda: timer_request(trigger.function, shown, past_due=cause == "past due"),
            f"Timer fired at {began.isoformat()} ({cause})",
            stop=stop,
            quiet=not trigger.monitored,
            abandon=lambda: self._abandon(began, status, cause, stop),
        )
        return self._finish(began, status, cause)

    def _abandon(self, began: datetime, status: ScheduleStatus, cause: str, stop: threading.Event) -> None:
        if not stop.is_set():
            self._finish(began, status, cause)

    def _finish(self, began: datetime, status: ScheduleStatus, cause: str) -> ScheduleStatus:
        # Fired a moment early, the next occurrence after `began` would be this very one.
        early = cause == "schedule" and began < status.next <= began + _SET_BACK
        base = status.next if early else began
        after = ScheduleStatus(base, self._trigger.schedule.next(base), base)
        if self._trigger.monitored:
            self._store.write(after)
        return after
