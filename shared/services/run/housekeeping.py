"""What grows and is no record goes once it is old, oldest first, a few seconds of a tick at a time, a few times a day.

Records stay: runs, their ledgers and their place in the lists. What open runs, the champion, the champion before it and the
newest data name stays, too, however old it is. docs/operations.md has the limits.
"""

from __future__ import annotations

import contextlib
import heapq
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from shared.domain.documents import InvalidDocument
from shared.domain.errors import NotFound
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.pipeline_run import PIPELINE_OPEN
from shared.services.documents import entries
from shared.services.guard import guarded, safely, told
from shared.services.open_index import OPEN_STATUSES
from shared.services.run.context import Context
from shared.services.run.idle import Idle
from shared.services.run.leftovers import Leftovers
from shared.services.run.levers.outside import OutsideTraffic
from shared.services.run.listed_batches import ListedBatches
from shared.services.run.pipeline_views import pipeline_index
from shared.services.run.previous import Previous
from shared.services.run.retraining import newest_data
from shared.services.run.serving_repair import ServingRepair

PATH = "house.json"
#: Between two rounds (seconds), what one tick gives to a round, and most things of one kind that a round takes away.
ROUND_SECONDS, SLICE_SECONDS, MOST = 6 * 3600.0, 5.0, 1000
#: Of documents of the state container that are no record.
PASSING = ("canary/", "evidence/", "moves/", "strikes/", "unreadable/")
#: Of what callers scored, and met.
CAPTURED = ("captured/", "captured-rows/", "hours/")
#: What somebody sent to be scored, by `slug/id` of its batch; nothing that people put there is called so.
_UPLOAD = re.compile(r"([a-z0-9-]+/[0-9a-f]{16})/input-[0-9a-f]{8}\.csv")


class FileInfo(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def last_modified(self) -> float: ...


class Files(Protocol):
    """The data account (`shared.adapters.data_files.DataStore`)."""

    def list(self, container: str, prefix: str = "") -> Iterator[FileInfo]: ...
    def delete(self, container: str, name: str) -> None: ...


@dataclass(frozen=True)
class Keep:
    """For how many days, 0 for ever; and the containers that are kept small."""

    days: float
    data: str
    batches: str
    #: For how many days what was captured is kept.
    captured_days: float = 30.0


@dataclass(frozen=True)
class House:
    """`house.json`: when the last whole round began (unix seconds)."""

    at: float


class Housekeeping:
    """One per process."""

    def __init__(self, ctx: Context, files: Files, keep: Keep) -> None:
        self._ctx, self._files, self._keep = ctx, files, keep
        self._repair, self._outside = ServingRepair(ctx), OutsideTraffic(ctx)
        self._previous, self._idle, self._leftovers = Previous(ctx), Idle(ctx), Leftovers(ctx)
        self._round: Iterator[None] | None = None
        self._next_at: float | None = None

    def tick(self) -> None:
        """Repair what is served, follow what was changed in Azure, then a slice of a round where one is due."""
        until = self._ctx.active() + SLICE_SECONDS
        guarded(self._ctx.log, "serving not repaired", lambda: self._repair.tick(until))
        guarded(self._ctx.log, "versions before not looked at", lambda: self._previous.tick(until))
        guarded(self._ctx.log, "idle endpoints not looked at", lambda: self._idle.tick(until))
        guarded(self._ctx.log, "leftovers not looked at", lambda: self._leftovers.tick(until))
        guarded(self._ctx.log, "endpoints not looked at", lambda: self._outside.tick(until))
        if self._due():
            guarded(self._ctx.log, "house not kept", lambda: self._go_on(until))

    def _due(self) -> bool:
        if self._next_at is None:
            before = self._ctx.store.hint(PATH, House)
            waited = max(0.0, self._ctx.clock() - before.at) if before else ROUND_SECONDS
            self._next_at = self._ctx.active() + max(0.0, ROUND_SECONDS - waited)
        return self._ctx.active() >= self._next_at

    def _go_on(self, until: float) -> None:
        current, self._round = self._round or self._whole_round(), None
        for _ in current:
            if self._ctx.active() >= until:
                self._round = current
                return
        self._next_at = self._ctx.active() + ROUND_SECONDS
        self._ctx.store.write(PATH, House(self._ctx.clock()))

    # -- one round: yields after each thing that it has taken away -----------------------------------------

    def _whole_round(self) -> Iterator[None]:
        for folder in CAPTURED:
            yield from self._one(folder, self._passed(folder, self._keep.captured_days))
        if not self._keep.days:
            return
        for slug in self._ctx.store.slugs():
            yield from self._one(f"data of {slug}", self._staged(slug))
        yield from self._one("batches", self._old_batches())
        yield from self._one("uploads", self._old_files(self._keep.batches, "", self._is_lost))
        yield from self._one("pipeline runs", self._old_pipeline_runs())
        for folder in PASSING:
            yield from self._one(folder, self._passed(folder, self._keep.days))

    def _one(self, what: str, work: Iterator[None]) -> Iterator[None]:
        """Whatever keeps it from being done, the others are."""
        try:
            yield from work
        except Exception as error:  # noqa: BLE001 - told; the next round tries again
            safely(self._ctx.log, "house not kept", part=what, **told(error).to_dict())

    def _passed(self, folder: str, days: float) -> Iterator[None]:
        for path in self._old_documents(folder, days):
            self._ctx.store.documents.delete(path)
            yield

    def _is_old(self, modified: float, days: float) -> bool:
        return 0 < modified < self._ctx.clock() - days * 86400

    def _old_files(self, container: str, prefix: str, may_go: Callable[[str], bool]) -> Iterator[None]:
        found = (
            (info.last_modified, info.name)
            for info in self._files.list(container, prefix)
            if self._is_old(info.last_modified, self._keep.days) and may_go(info.name)
        )
        for _, name in heapq.nsmallest(MOST, found):
            self._files.delete(container, name)
            yield

    def _old_documents(self, folder: str, days: float) -> list[str]:
        listed = entries(self._ctx.store.documents, folder)
        old = ((entry.modified, entry.path) for entry in listed if self._is_old(entry.modified, days))
        return [path for _, path in heapq.nsmallest(MOST, old)]

    def _staged(self, slug: str) -> Iterator[None]:
        """Snapshots that nothing names any more; a dataset that can't be read keeps all of its own."""
        dataset = self._ctx.store.dataset(slug)
        if dataset is None:
            return
        named = self._named(dataset)
        yield from self._old_files(
            self._keep.data, f"{slug}/", lambda name: "/".join(name.split("/")[:2]) not in named
        )

    def _named(self, dataset: Dataset) -> set[str]:
        """Folders `{slug}/{upload id}` of the runs that may still need their data."""
        runs: list[Run] = list(dataset.open.values())
        if dataset.champion:
            champion, _ = self._ctx.store.load(dataset.champion)
            before = champion.gate.champion_run if champion.gate else None
            runs += [champion, *([self._ctx.store.load(before)[0]] if before else [])]
        with contextlib.suppress(NotFound):  # nothing was registered yet
            runs += newest_data(dataset.slug, self._versions(dataset), self._ctx)
        return {"/".join(run.snapshot.path.split("/")[:2]) for run in runs if run.snapshot}

    def _versions(self, dataset: Dataset) -> int:
        """How many of the newest versions the dataset is trained on together."""
        return dataset.upkeep.retrain.data if dataset.upkeep else 1

    def _old_batches(self) -> Iterator[None]:
        """Files of a batch first, then its document, so that a crash in between loses no track of them."""
        documents = self._ctx.store.documents
        listed = ListedBatches(documents)
        for path in self._old_documents("batches/", self._keep.days):
            found = {} if path == "batches/open.json" else self._as_it_is(path)
            if path == "batches/open.json" or found.get("status") in (*OPEN_STATUSES, "waiting"):
                continue
            key = path.removeprefix("batches/").removesuffix(".json")
            for info in list(self._files.list(self._keep.batches, f"{key}/")):
                self._files.delete(self._keep.batches, info.name)
            slug, _, name = key.partition("/")
            listed.remove(slug, name, float(found.get("created_at") or 0.0))
            documents.delete(path)
            yield

    def _is_lost(self, name: str) -> bool:
        """Whether a blob was uploaded for a batch that never came to be: its host died in between."""
        found = _UPLOAD.fullmatch(name)
        return found is not None and self._ctx.store.documents.get(f"batches/{found[1]}.json") is None

    def _old_pipeline_runs(self) -> Iterator[None]:
        documents = self._ctx.store.documents
        for path in self._old_documents("pipelines/", self._keep.days):
            found = self._as_it_is(path)
            if found.get("status") in PIPELINE_OPEN:
                continue
            slug, _, name = path.removeprefix("pipelines/").removesuffix(".json").partition("/")
            created, listed = found.get("created_at"), pipeline_index(documents, slug)
            if isinstance(created, int | float):
                listed.remove(created, name)
            documents.delete(path)
            yield

    def _as_it_is(self, path: str) -> dict[str, Any]:
        """The document, empty where it can't be read: old and of no use to anybody."""
        try:
            found = self._ctx.store.documents.get(path)
        except InvalidDocument:
            return {}
        return found[0] if found else {}
