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
from typing import Any

from shared.domain.canary import MAX_LABELS, Tally
from shared.domain.errors import DropMLError
from shared.domain.labels import canonical_label
from shared.domain.run.serving import ServingEntry
from shared.services.run.runs import Documents, Runs

log = logging.getLogger(__name__)

#: A count is in storage this many seconds after the call, at the latest.
FLUSH_SECONDS = 2.0


@dataclass
class _Split:
    """One traffic split as this process has seen it."""

    since: Any
    tallies: dict[str, Tally] = field(default_factory=dict)
    writing: bool = False

    def document(self) -> dict[str, Any]:
        return {
            "since": self.since,
            "deployments": {name: tally.to_dict() for name, tally in self.tallies.items()},
        }


class CanaryWatch:
    """Counts calls by deployment. Thread-safe; one per process."""

    def __init__(
        self,
        documents: Documents,
        process: str,
        *,
        wait: Callable[[float], None] = time.sleep,
        flush_seconds: float = FLUSH_SECONDS,
    ) -> None:
        self._documents, self._process = documents, process
        self._wait, self._flush_seconds = wait, flush_seconds
        self._splits: dict[str, _Split] = {}
        self._lock = threading.Lock()

    def answered(
        self, entry: ServingEntry, deployment: str, seconds: float, result: list[Any], rows: int
    ) -> None:
        """A call that gave results."""
        classes = entry.schema.classes
        labels = [canonical_label(label) for label in result] if 0 < len(classes) <= MAX_LABELS else None
        with self._lock:
            self._tally(entry, deployment).answered(seconds, labels, rows)

    def failed(self, entry: ServingEntry, deployment: str) -> None:
        """A call that the deployment, not its caller, let fail."""
        with self._lock:
            self._tally(entry, deployment).failed()

    def _tally(self, entry: ServingEntry, deployment: str) -> Tally:
        split = self._splits.get(entry.slug)
        if split is None or split.since != entry.updated_at:
            split = self._splits[entry.slug] = _Split(entry.updated_at)
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
            document = split.document()
        path = f"{_folder(slug)}{self._process}.json"
        try:
            found = self._documents.get(path)
            if found is None:
                self._documents.create(path, document)
            else:
                self._documents.replace(path, document, found[1])
        except DropMLError as error:  # the next call writes it all again
            log.warning("%s can't be written: %s", path, error.message)


def observed(runs: Runs, slug: str, since: Any) -> dict[str, Tally]:
    """The counts of all processes for one split of the traffic, by deployment."""
    total: dict[str, Tally] = {}
    for path in runs.paths(_folder(slug)):
        document = runs.read(path) or {}
        if document.get("since") != since:
            continue
        for name, tally in document["deployments"].items():
            total.setdefault(name, Tally()).add(Tally.from_dict(tally))
    return total


def forget(runs: Runs, slug: str) -> None:
    """The canary is over."""
    for path in list(runs.paths(_folder(slug))):
        runs.delete(path)


def _folder(slug: str) -> str:
    return f"canary/{slug}/"
