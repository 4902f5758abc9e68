"""What callers meet while two versions share the traffic: counted where they are served, judged by the lifecycle.

Every process that scores keeps its own document, `canary/{slug}/{process}.json`, and writes it behind the calls; the
lifecycle adds them up. Counts belong to one split of the traffic: `since` is the serving document's `updated_at`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.domain.canary import MAX_LABELS, Tally
from shared.domain.documents import InvalidDocument, from_json, to_json
from shared.domain.errors import DropMLError
from shared.domain.labels import speller
from shared.domain.rows.predictions import Prediction
from shared.domain.run.serving import ServingEntry
from shared.services.documents import Documents

log = logging.getLogger(__name__)

#: A count is in storage this many seconds after the call, at the latest.
FLUSH_SECONDS = 2.0
#: No call that began with an earlier split ends later than this after the first of the next one (Azure ends any at 230).
LATE_SECONDS = 300.0


@dataclass(frozen=True)
class Counts:
    """`dropml-state/canary/{slug}/{process}.json`: what one process has seen of one split of the traffic."""

    since: float
    deployments: dict[str, Tally]


@dataclass
class _Split:
    """One traffic split as this process has seen it."""

    since: float
    seen: float
    tallies: dict[str, Tally] = field(default_factory=dict)
    writing: bool = False


class CanaryWatch:
    """Counts calls by deployment. Thread-safe; one per process."""

    def __init__(
        self,
        documents: Documents,
        process: str,
        *,
        wait: Callable[[float], None] = time.sleep,
        flush_seconds: float = FLUSH_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._documents, self._process = documents, process
        self._monotonic = monotonic
        self._wait, self._flush_seconds = wait, flush_seconds
        self._splits: dict[str, _Split] = {}
        self._lock = threading.Lock()

    def answered(
        self, entry: ServingEntry, deployment: str, seconds: float, found: Prediction, rows: int
    ) -> None:
        """A call that gave results."""
        classes = entry.schema.classes
        spell = speller(classes)
        labels = list(map(spell, found.result)) if 0 < len(classes) <= MAX_LABELS else None
        with self._lock:
            tally = self._tally(entry, deployment)
            tally.answered(seconds, labels, rows)
            if found.classes is not None and found.probabilities is not None:
                tally.scored(list(map(spell, found.classes)), found.probabilities)

    def failed(self, entry: ServingEntry, deployment: str) -> None:
        """A call that the deployment, not its caller, let fail."""
        with self._lock:
            self._tally(entry, deployment).failed()

    def _tally(self, entry: ServingEntry, deployment: str) -> Tally:
        split, now = self._splits.get(entry.slug), self._monotonic()
        if split and split.since > entry.updated_at and now - split.seen < LATE_SECONDS:
            return Tally()  # a late call, from before the traffic was split as it is now
        # One that is earlier all the same: its document was made anew, and the clock went back.
        if split is None or split.since != entry.updated_at:
            split = self._splits[entry.slug] = _Split(entry.updated_at, now)
        split.seen = now
        if not split.writing:
            split.writing = True
            work = threading.Thread(target=self._write, args=(entry.slug, split), daemon=True)
            work.start()
        return split.tallies.setdefault(deployment, Tally())

    def _write(self, slug: str, split: _Split) -> None:
        self._wait(self._flush_seconds)
        with self._lock:
            split.writing = False
            if self._splits.get(slug) is not split:
                return  # the traffic has been split anew meanwhile
            document = to_json(Counts(split.since, split.tallies))
        path = f"{_folder(slug)}{self._process}.json"
        try:
            found = self._documents.get(path)
            if found is None:
                self._documents.create(path, document)
            else:
                self._documents.replace(path, document, found[1])
        except DropMLError as error:  # the next call writes it all again
            log.warning("%s can't be written: %s", path, error.message)


def observed(documents: Documents, slug: str, since: float) -> dict[str, Tally]:
    """The counts of all processes for one split of the traffic, by deployment."""
    total: dict[str, Tally] = {}
    for path in documents.list(_folder(slug)):
        counts = _counts(documents, path)
        if counts is None or counts.since != since:
            continue
        for name, tally in counts.deployments.items():
            total.setdefault(name, Tally()).add(tally)
    return total


def _counts(documents: Documents, path: str) -> Counts | None:
    """None where there are none; those that can't be read are taken away, and their process writes them anew."""
    try:
        found = documents.get(path)
        return from_json(found[0], Counts) if found else None
    except InvalidDocument as error:
        log.warning("%s can't be read: %s", path, error.message)
        documents.delete(path)
        return None


def forget(documents: Documents, slug: str) -> None:
    """The canary is over."""
    for path in list(documents.list(_folder(slug))):
        documents.delete(path)


def _folder(slug: str) -> str:
    return f"canary/{slug}/"
