"""What callers of an endpoint met, by the hour: calls, errors and latency of each deployment, with no query language and no role.

Every process that scores keeps a document a day (UTC), `hours/{slug}/{day}/{process}.json`, and writes it behind the calls:
one that is killed loses its last FLUSH_SECONDS. Whoever looks adds them up.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.domain.canary import Tally
from shared.domain.documents import InvalidDocument, from_json, to_json
from shared.domain.errors import DropMLError, InvalidInput
from shared.domain.rows.predictions import Prediction
from shared.domain.run.serving import ServingEntry
from shared.services.documents import Documents

log = logging.getLogger(__name__)

FOLDER = "hours/"
FLUSH_SECONDS = 5.0
HOUR, HOURS_A_DAY = 3600, 24
#: Hours that are shown where nobody says how many, and the most.
USUAL, MOST = 24, 168
#: By the hour of the day ("00" to "23", UTC) and the deployment.
Tallies = dict[str, dict[str, Tally]]


@dataclass(frozen=True)
class Counts:
    """`hours/{slug}/{day}/{process}.json`: what callers of one process met on one day."""

    hours: Tallies = field(default_factory=dict)


@dataclass(frozen=True)
class TrafficHour:
    """An hour from `at` (unix seconds) on. `errors` are calls that the deployment, not its caller, let fail.

    `p50_ms` and `p95_ms`: up to how many milliseconds half, and 19 of 20, answers took; the upper bound of a bucket, twice the
    last bound beyond it, None where none was timed.
    """

    at: float
    calls: int
    errors: int
    p50_ms: float | None
    p95_ms: float | None
    #: Calls by the deployment that was asked.
    deployments: dict[str, int]


@dataclass(frozen=True)
class TrafficView:
    """The hours up to now, oldest first, those without calls among them; and all of them together in `whole`."""

    name: str
    dataset: str
    slug: str
    whole: TrafficHour
    hours: tuple[TrafficHour, ...]


class Hours:
    """Counts every call by hour and deployment. Thread-safe; one per process.

    A process that is started again under the same name writes another document: it knows nothing of what the first counted.
    """

    def __init__(
        self,
        documents: Documents,
        process: str,
        *,
        clock: Callable[[], float] = time.time,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._documents, self._clock, self._wait = documents, clock, wait
        self._process = f"{process}-{secrets.token_hex(3)}"
        self._days: dict[tuple[str, int], Tallies] = {}
        self._changed: set[tuple[str, int]] = set()
        self._writing = False
        self._lock = threading.Lock()

    def answered(
        self, entry: ServingEntry, deployment: str, seconds: float, found: Prediction, rows: int
    ) -> None:
        """A call that gave results."""
        with self._lock:
            self._tally(entry.slug, deployment).answered(seconds, None, rows)

    def failed(self, entry: ServingEntry, deployment: str) -> None:
        """A call that the deployment, not its caller, let fail."""
        with self._lock:
            self._tally(entry.slug, deployment).failed()

    def _tally(self, slug: str, deployment: str) -> Tally:
        day, hour = divmod(int(self._clock() // HOUR), HOURS_A_DAY)
        key = (slug, day)
        self._changed.add(key)
        if not self._writing:
            self._writing = True
            threading.Thread(target=self._write, name="dropml-hours", daemon=True).start()
        return self._days.setdefault(key, {}).setdefault(f"{hour:02}", {}).setdefault(deployment, Tally())

    def _write(self) -> None:
        self._wait(FLUSH_SECONDS)
        with self._lock:
            self._writing = False
            changed, self._changed = self._changed, set()
            made = {key: to_json(Counts(self._days[key])) for key in changed}
            today = int(self._clock() // HOUR) // HOURS_A_DAY
            # of days that are over, yesterday's may still have to be written
            self._days = {key: kept for key, kept in self._days.items() if key[1] >= today - 1}
        for key, document in made.items():
            path = f"{_folder(*key)}{self._process}.json"
            try:
                self._documents.put(path, document)
            except DropMLError as error:  # the next call writes it all again
                log.warning("%s can't be written: %s", path, error.message)
                with self._lock:
                    self._changed.update({key} & self._days.keys())


def traffic(entry: ServingEntry, documents: Documents, now: float, hours: int = USUAL) -> TrafficView:
    """Of the last so many hours, the one under way among them; a listing and a read per process for each day."""
    last = int(now // HOUR)
    first = last - hours + 1
    totals: dict[int, dict[str, Tally]] = {hour: {} for hour in range(first, last + 1)}
    whole: dict[str, Tally] = {}
    for day, counts in _read(documents, entry.slug, range(first // HOURS_A_DAY, last // HOURS_A_DAY + 1)):
        for hour, tallies in counts.hours.items():
            at = day * HOURS_A_DAY + int(hour)
            if at in totals:
                _add(totals[at], tallies)
                _add(whole, tallies)
    shown = tuple(_hour(at, tallies) for at, tallies in totals.items())
    return TrafficView(entry.endpoint, entry.dataset, entry.slug, _hour(first, whole), shown)


def _read(documents: Documents, slug: str, days: range) -> list[tuple[int, Counts]]:
    """What each process has counted on each of the days."""
    with ThreadPoolExecutor(8, thread_name_prefix="dropml-read") as pool:
        listed = pool.map(lambda day: [(day, path) for path in documents.list(_folder(slug, day))], days)
        paths = [each for day in listed for each in day]
        return list(pool.map(lambda each: (each[0], _counts(documents, each[1])), paths))


def asked(params: Mapping[str, str]) -> int:
    """How many hours a query wants. Raises InvalidInput."""
    said = params.get("hours", "") or str(USUAL)
    hours = int(said) if said.isascii() and said.isdigit() and len(said) < 4 else 0
    if not 1 <= hours <= MOST:
        raise InvalidInput(f"hours must be a whole number from 1 to {MOST}.", field="hours")
    return hours


def _counts(documents: Documents, path: str) -> Counts:
    """None that can't be read keeps the others from being seen."""
    try:
        found = documents.get(path)
        return from_json(found[0], Counts) if found else Counts()
    except InvalidDocument as error:
        log.warning("%s can't be read: %s", path, error.message)
        return Counts()


def _add(total: dict[str, Tally], more: Mapping[str, Tally]) -> None:
    for name, tally in more.items():
        total.setdefault(name, Tally()).add(tally)


def _hour(hour: int, tallies: Mapping[str, Tally]) -> TrafficHour:
    whole = Tally()
    for tally in tallies.values():
        whole.add(tally)
    calls = {name: tally.calls for name, tally in sorted(tallies.items())}
    return TrafficHour(
        float(hour * HOUR), whole.calls, whole.errors, whole.within(0.5), whole.within(0.95), calls
    )


def _folder(slug: str, day: int) -> str:
    return f"{FOLDER}{slug}/{datetime.fromtimestamp(day * HOURS_A_DAY * HOUR, UTC):%Y-%m-%d}/"
