"""The datasets in service, from `dropml-state/serving/`, kept in memory.

A score must not wait for storage: an entry older than `fresh` seconds is served as it is while one thread reads it
again. Only one that nobody has asked for in `stale` seconds waits, and then at most `patience`: an app that slept
must not send its first call to a model that was replaced meanwhile. Where storage is down, what is known is served;
what is not known is waited for `first_patience`, by a few at a time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from shared.domain import names
from shared.domain.documents import InvalidDocument, from_json
from shared.domain.errors import DropMLError, Transient
from shared.domain.run.serving import ServingEntry
from shared.services.documents import Documents
from shared.services.flight import Flight

log = logging.getLogger(__name__)

PREFIX = "serving/"
#: Unknown names are remembered too, up to this many.
MAX_KNOWN = 1000
#: Short forms of a name without anything in service that are looked at before the name is unknown.
FORMS = 2
#: Documents read at a time for callers who can't go on without them: where storage hangs, the rest is told soon.
MAX_READS = 8


@dataclass
class _Slot:
    entry: ServingEntry | None
    read_at: float


class StoredServing:
    """Implements `shared.services.scoring.proxy.ServingDirectory`. Thread-safe."""

    def __init__(
        self,
        documents: Documents,
        *,
        fresh: float = 5.0,
        stale: float = 60.0,
        patience: float = 0.5,
        burst_patience: float = 2.0,
        first_patience: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._documents = documents
        self._fresh, self._stale, self._patience = fresh, stale, patience
        self._burst_patience, self._first_patience = burst_patience, first_patience
        self._clock = clock
        self._slots: dict[str, _Slot] = {}
        #: Short forms by the names of the datasets that were found under them.
        self._named: dict[str, str] = {}
        self._listed: list[str] | None = None
        self._listed_at = float("-inf")
        self._reads: dict[str, Flight[None]] = {}
        #: Those of them that callers can't go on without.
        self._needed: set[str] = set()
        self._lock = threading.Condition(threading.Lock())

    def get(self, dataset: str) -> ServingEntry | None:
        """By name, else by slug. A short form that another dataset has, or that nothing has yet, is looked past."""
        slot = self._slots.get(self._named.get(dataset, ""))
        if slot is not None and slot.entry is not None and slot.entry.dataset == dataset:
            entry = self._get(slot.entry.slug)
            if entry is not None and entry.dataset == dataset:
                return entry
        absent, by_slug = 0, None
        for slug in names.slugs(dataset):
            entry = self._glimpse(slug) if by_slug else self._get(slug)
            if entry is not None and entry.dataset == dataset:
                self._named[dataset] = slug
                return entry
            if entry is not None and entry.slug == dataset:
                by_slug = entry
            absent += entry is None
            if absent == FORMS:
                break
        return by_slug

    def known(self, dataset: str) -> bool:
        slot = self._slots.get(self._named.get(dataset, dataset))
        return slot is not None and slot.entry is not None

    def all(self) -> list[ServingEntry]:
        if self._listed is None or self._clock() - self._listed_at >= self._fresh:
            # No dataset's document is read under the empty name. Waited for: who asks for all wants the new ones, too.
            self._await("", self._list, self._listed is not None, self._stale)
        found = (self._get(slug) for slug in self._listed or [])
        return [entry for entry in found if entry is not None]

    def refresh(self, dataset: str) -> ServingEntry | None:
        """Read it now. Where that fails, what is known stays; without anything known the error is raised."""
        known = self.get(dataset)
        slug = known.slug if known else names.slug(dataset)
        self._await(slug, partial(self._read, slug), known is not None, self._stale)
        return self._now(slug)

    def _get(self, slug: str) -> ServingEntry | None:
        slot = self._slots.get(slug)
        age = self._clock() - slot.read_at if slot is not None else 0.0
        if slot is not None and age < self._fresh:
            return slot.entry
        self._await(slug, partial(self._read, slug), slot is not None and slot.entry is not None, age)
        return self._now(slug)

    def _glimpse(self, slug: str) -> ServingEntry | None:
        """As `_get`, for a caller who can go on without it: nothing that storage doesn't tell at once."""
        slot = self._slots.get(slug)
        if slot is None or self._clock() - slot.read_at >= self._fresh:
            self._await(slug, partial(self._read, slug), known=True, age=0.0 if slot else self._stale)
        return self._now(slug)

    def _now(self, slug: str) -> ServingEntry | None:
        """What has just been read; where so many unknown names are asked for that it is forgotten already, there was nothing."""
        slot = self._slots.get(slug)
        return slot.entry if slot else None

    # -- one read of a document at a time, on a thread of its own --------------------------------------------------

    def _await(self, slug: str, read: Callable[[], None], known: bool, age: float) -> None:
        """Something `known` is waited for only where it is older than `stale`, and shortly; else the caller needs it."""
        flight = self._reads.get(slug)
        if flight is None or flight.landed:
            with self._lock:
                if not known and not self._lock.wait_for(partial(self._may_read, slug), self._burst_patience):
                    raise _unavailable(slug)
                flight = self._reads.get(slug)
                if flight is None or flight.landed:
                    if not known:
                        self._needed.add(slug)
                    flight = self._reads[slug] = Flight(partial(self._landing, slug, read), f"serving-{slug}")
        if known:
            if age >= self._stale:
                flight.wait(self._patience - flight.age)
            return
        if not flight.wait(self._first_patience):
            raise _unavailable(slug)
        flight.result()

    def _may_read(self, slug: str) -> bool:
        """A burst of names that are not known yet passes; where storage hangs, no more than a few wait for it."""
        return slug in self._needed or len(self._needed) < MAX_READS

    def _landing(self, slug: str, read: Callable[[], None]) -> None:
        try:
            read()
        finally:
            with self._lock:
                self._reads.pop(slug, None)
                self._needed.discard(slug)
                self._lock.notify_all()

    def _list(self) -> None:
        try:
            paths = list(self._documents.list(PREFIX))
            self._listed = [path.removeprefix(PREFIX).removesuffix(".json") for path in paths]
        except DropMLError:
            if self._listed is None:
                raise
            log.warning("the state container can't be listed; going on with what is known")
        self._listed_at = self._clock()  # ask again in a while, not at every call

    def _read(self, slug: str) -> None:
        try:
            found = self._documents.get(f"{PREFIX}{slug}.json")
            self._keep(slug, found[0] if found else None)
        except Exception as error:
            slot = self._slots.get(slug)
            if slot is None or slot.entry is None:
                if isinstance(error, InvalidDocument):
                    raise _garbled(slug, error) from error
                raise
            log.warning("serving/%s.json can't be read; going on with what is known", slug, exc_info=True)
            slot.read_at = self._clock()  # ask again in a while, not at every score

    def _keep(self, slug: str, document: dict[str, object] | None) -> None:
        known = self._slots.get(slug)
        entry = known.entry if known else None
        if document is None:
            entry = None
        else:
            found = from_json(document, ServingEntry)
            if found.slug != slug:
                raise InvalidDocument(f"It says that it is of {found.dataset[:80]!r} ({found.slug[:40]!r}).")
            entry = entry if entry == found else found  # an unchanged one keeps its compiled validator
        with self._lock:
            if len(self._slots) >= MAX_KNOWN and slug not in self._slots:
                self._slots = {name: s for name, s in self._slots.items() if s.entry is not None}
            self._slots[slug] = _Slot(entry, self._clock())


def _unavailable(slug: str) -> Transient:
    return Transient(
        f"What is in service under {slug or 'any name'!r} can't be read now.",
        remedy="Try again; if it lasts, look at the data account.",
        code="storage-unavailable",
    )


def _garbled(slug: str, error: InvalidDocument) -> Transient:
    """Something is in service there; nobody can say what."""
    return Transient(
        f"What is in service under {slug!r} can't be told: its document is damaged. {error.message}",
        remedy=f"Restore an older version of {PREFIX}{slug}.json in the state container.",
        code=InvalidDocument.code,
    )
