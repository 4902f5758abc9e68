"""What callers score, counted behind the calls: by window, by the bins of the training profile of the model that answered.

A call leaves its rows in a bounded queue and goes on. One thread a process counts them and writes its own documents,
`captured/{slug}/{window}/{process}.json`, whole each time: a process that is killed loses the last FLUSH_SECONDS, a write
that is repeated changes nothing, and a window weighs what its bins weigh, however many calls there were. Where rows are
wanted, too, they are appended to `captured-rows/{slug}/{window}/{process}.jsonl`.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from shared.domain.documents import to_json
from shared.domain.drift import Plan, Seen, spelt
from shared.domain.errors import DropMLError
from shared.domain.rows.predictions import Prediction
from shared.domain.run.serving import ServingEntry
from shared.domain.windows import Window, window_at
from shared.services.documents import Documents
from shared.services.monitoring.captured_rows import CapturedRows

log = logging.getLogger(__name__)

FOLDER = "captured/"
#: What was scored is in storage so many seconds later, at the latest, while storage answers.
FLUSH_SECONDS = 3.0
#: Rows that wait to be counted; those of further calls are dropped, and counted as such.
MOST_WAITING = 20_000
#: Windows of a dataset that wait for storage; the oldest goes.
MOST_UNWRITTEN = 3


@dataclass(frozen=True)
class CaptureLimits:
    """`sample`: share of calls; rows of a dataset a minute; seconds of a window; bytes of rows a day; all of one process."""

    sample: float = 1.0
    rows_per_minute: int = 600
    window_seconds: float = 3600.0


@dataclass(frozen=True)
class Captured:
    """`captured/{slug}/{window}/{process}.json`, by the run that answered.

    `offered` rows were scored in captured calls, `dropped` of them found the queue full; the rest that is in no version was
    beyond what is captured a minute, or of a version without a profile.
    """

    start: float
    end: float
    offered: int = 0
    dropped: int = 0
    versions: dict[str, Seen] = field(default_factory=dict)


class Plans(Protocol):
    """What is to be captured. May wait for storage, and remembers what it was told."""

    def plan(self, slug: str, run_id: str) -> Plan | None:
        """How rows that this run's model answered are counted; None: not at all."""


class _Call(NamedTuple):
    entry: ServingEntry
    run_id: str
    names: Sequence[str]
    rows: Sequence[Sequence[object]]
    answers: Sequence[object]


@dataclass
class _Open:
    """A window as this process has seen it; `kept` are its numbers of what is written."""

    window: Window
    offered: int = 0
    dropped: int = 0
    versions: dict[str, Seen] = field(default_factory=dict)
    dirty: bool = True


@dataclass
class _Allowance:
    """Rows that may still be captured, filled up by the minute."""

    rows: float
    at: float


class Capture:
    """Takes what is scored. Thread-safe; one per process."""

    def __init__(
        self,
        documents: Documents,
        plans: Plans,
        process: str,
        limits: CaptureLimits,
        rows: CapturedRows | None = None,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._documents, self._plans, self._process, self._limits = documents, plans, process, limits
        self._rows, self._clock, self._monotonic, self._wait = rows, clock, monotonic, wait
        self._queue: deque[_Call] = deque()
        self._waiting = 0
        self._dropped: dict[str, int] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._awake = False
        self._writer: threading.Thread | None = None
        self._flushing = threading.Lock()
        self._windows: dict[tuple[str, Window], _Open] = {}
        self._allowances: dict[str, _Allowance] = {}

    def scored(
        self,
        entry: ServingEntry,
        run_id: str,
        names: Sequence[str],
        rows: Sequence[Sequence[object]],
        found: Prediction,
    ) -> None:
        """A call that was answered. Never waits, never raises; rows and answers are read later and must stay as they are."""
        if self._limits.sample < 1.0 and random.random() >= self._limits.sample:
            return
        with self._lock:
            if self._waiting + len(rows) > MOST_WAITING:
                self._dropped[entry.slug] = self._dropped.get(entry.slug, 0) + len(rows)
                return
            self._waiting += len(rows)
            self._queue.append(_Call(entry, run_id, names, rows, found.result))
            if self._awake:
                return
            self._awake = True
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="dropml-capture", daemon=True)
                self._writer.start()
        self._wake.set()

    def _write(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            self._wait(FLUSH_SECONDS)
            try:
                left = self.flush()
            except Exception:
                log.exception("what was scored could not be counted")
                left = False
            if left:
                self._wake.set()

    def flush(self) -> bool:
        """Count what waits, and write what has changed. True where something could not be written, and is to be again."""
        with self._flushing:
            with self._lock:
                calls, self._queue = self._queue, deque()
                dropped, self._dropped = self._dropped, {}
                self._waiting, self._awake = 0, False
            at = self._clock()
            for slug, rows in dropped.items():
                window = self._open(slug, at)
                window.offered += rows
                window.dropped += rows
            while calls:
                self._count(calls.popleft(), at)
            failed = [key for key, found in self._windows.items() if found.dirty and not self._written(key)]
            self._forget(at)
            if failed:
                with self._lock:
                    self._awake = True
            return bool(failed)

    def _open(self, slug: str, at: float) -> _Open:
        window = window_at(at, self._limits.window_seconds)
        found = self._windows.setdefault((slug, window), _Open(window))
        found.dirty = True
        return found

    def _count(self, call: _Call, at: float) -> None:
        try:
            plan = self._plans.plan(call.entry.slug, call.run_id)
        except DropMLError as error:
            log.warning("%s is not captured: %s", call.run_id, error.message)
            return
        if plan is None:
            return
        window = self._open(call.entry.slug, at)
        window.offered += len(call.rows)
        places = self._sampled(call.entry.slug, len(call.rows))
        if not places:
            return
        rows = [call.rows[i] for i in places]
        answers = spelt(call.entry.schema, [call.answers[i] for i in places])
        window.versions.setdefault(call.run_id, Seen()).take(plan, call.names, rows, answers)
        if self._rows is not None:
            self._rows.add(call.entry.slug, window.window, call.run_id, call.names, rows, answers, at)

    def _sampled(self, slug: str, rows: int) -> Sequence[int]:
        """Places of the rows that are captured: all, or as many as may be, spread over the call."""
        now, most = self._monotonic(), float(self._limits.rows_per_minute)
        left = self._allowances.setdefault(slug, _Allowance(most, now))
        left.rows = min(most, left.rows + max(0.0, now - left.at) * most / 60)
        left.at = now
        taken = min(rows, int(left.rows))
        left.rows -= taken
        if taken == rows:
            return range(rows)
        return sorted(random.sample(range(rows), taken))

    def _written(self, key: tuple[str, Window]) -> bool:
        slug, window = key
        found = self._windows[key]
        document = Captured(window.start, window.end, found.offered, found.dropped, found.versions)
        path = f"{FOLDER}{slug}/{window.name}/{self._process}.json"
        try:
            if self._rows is not None:
                self._rows.write(slug, window)
            self._documents.put(path, to_json(document))
        except DropMLError as error:
            log.warning("%s can't be written: %s", path, error.message)
            return False
        found.dirty = False
        return True

    def _forget(self, at: float) -> None:
        """Windows that are written and past; of those that can't be written, the newest few wait."""
        now = window_at(at, self._limits.window_seconds)
        for slug in {slug for slug, _ in self._windows}:
            past = sorted(window for s, window in self._windows if s == slug and window != now)
            unwritten = [window for window in past if self._windows[slug, window].dirty][-MOST_UNWRITTEN:]
            for window in past:
                if window not in unwritten:
                    del self._windows[slug, window]
