"""The datasets in service, from `dropml-state/serving/`, kept in memory.

A score must not wait for storage: an entry older than `fresh` seconds is served as it is while one thread reads it
again. Only one that nobody has asked for in `stale` seconds waits, and then at most `patience`: an app that slept
must not send its first call to a model that was replaced meanwhile. Where storage is down, what is known is served.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from shared.domain import names
from shared.domain.documents import from_json
from shared.domain.errors import DropMLError
from shared.domain.run.serving import ServingEntry
from shared.services.documents import Documents

log = logging.getLogger(__name__)

PREFIX = "serving/"
#: Unknown names are remembered too, up to this many.
MAX_KNOWN = 1000
#: Short forms of a name without anything in service that are looked at before the name is unknown.
FORMS = 2


@dataclass
class _Slot:
    entry: ServingEntry | None
    read_at: float
    refreshing: threading.Event | None = None


class StoredServing:
    """Implements `shared.services.scoring.proxy.ServingDirectory`. Thread-safe."""

    def __init__(
        self,
        documents: Documents,
        *,
        fresh: float = 5.0,
        stale: float = 60.0,
        patience: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._documents = documents
        self._fresh, self._stale, self._patience = fresh, stale, patience
        self._clock = clock
        self._slots: dict[str, _Slot] = {}
        self._listed: list[str] | None = None
        self._listed_at = 0.0
        self._lock = threading.Lock()

    def get(self, dataset: str) -> ServingEntry | None:
        """By name, else by slug. A short form that another dataset has, or that nothing has yet, is looked past."""
        absent, by_slug = 0, None
        for slug in names.slugs(dataset):
            entry = self._get(slug)
            if entry is not None and entry.dataset == dataset:
                return entry
            if entry is not None and entry.slug == dataset:
                by_slug = entry
            absent += entry is None
            if absent == FORMS:
                break
        return by_slug

    def _get(self, slug: str) -> ServingEntry | None:
        slot = self._slots.get(slug)
        if slot is None:
            return self._read(slug)
        age = self._clock() - slot.read_at
        if age >= self._fresh:
            if slot.entry is None:
                return self._read(slug)
            done = self._refresh_behind(slug, slot)
            if age >= self._stale:
                done.wait(self._patience)
                slot = self._slots.get(slug, slot)
        return slot.entry

    def all(self) -> list[ServingEntry]:
        if self._listed is None or self._clock() - self._listed_at >= self._fresh:
            try:
                paths = list(self._documents.list(PREFIX))
                self._listed = [path.removeprefix(PREFIX).removesuffix(".json") for path in paths]
                self._listed_at = self._clock()
            except DropMLError:
                if self._listed is None:
                    raise
                log.warning("the state container can't be listed; going on with what is known")
        found = (self._get(slug) for slug in self._listed)
        return [entry for entry in found if entry is not None]

    def refresh(self, dataset: str) -> ServingEntry | None:
        """Read it now. Where that fails, what is known stays; without anything known the error is raised."""
        known = self.get(dataset)
        return self._read(known.slug if known else names.slug(dataset))

    def _read(self, slug: str) -> ServingEntry | None:
        try:
            found = self._documents.get(f"{PREFIX}{slug}.json")
        except DropMLError:
            slot = self._slots.get(slug)
            if slot is None or slot.entry is None:
                raise
            log.warning("serving/%s.json can't be read; going on with what is known", slug)
            slot.read_at = self._clock()  # ask again in a while, not at every score
            return slot.entry
        return self._keep(slug, found[0] if found else None).entry

    def _keep(self, slug: str, document: dict[str, object] | None) -> _Slot:
        known = self._slots.get(slug)
        entry = known.entry if known else None
        if document is None:
            entry = None
        else:
            found = from_json(document, ServingEntry)
            entry = entry if entry == found else found  # an unchanged one keeps its compiled validator
        slot = _Slot(entry, self._clock())
        with self._lock:
            if len(self._slots) >= MAX_KNOWN and slug not in self._slots:
                self._slots = {name: s for name, s in self._slots.items() if s.entry is not None}
            self._slots[slug] = slot
        return slot

    def _refresh_behind(self, slug: str, slot: _Slot) -> threading.Event:
        with self._lock:
            if slot.refreshing is not None:
                return slot.refreshing
            done = slot.refreshing = threading.Event()

        def work() -> None:
            try:
                self._read(slug)
            except Exception:
                log.exception("serving/%s.json can't be read", slug)
                slot.read_at = self._clock()
            finally:
                slot.refreshing = None
                done.set()

        threading.Thread(target=work, name=f"serving-{slug}", daemon=True).start()
        return done
