"""Finds every recent file that no event told of, or that its events could not bring to a verdict."""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass

from shared.domain.errors import DropMLError, NotFound, Transient
from shared.domain.incoming import Kind, recognised
from shared.domain.names import shown
from shared.domain.run.dataset import Dataset
from shared.services.guard import guarded, told
from shared.services.intake.drop import Intake
from shared.services.intake.ports import FileInfo, Files, IntakePlan
from shared.services.run.context import Context

#: The sweep looks this far behind its last success (seconds): clocks differ, uploads take time.
SWEEP_OVERLAP = 3600.0
#: With nothing found, how far it has seen is written down so often (seconds): an idle app writes next to nothing.
SWEEP_MEMORY = 900.0
#: How long one sweep begins on further files (seconds); the next one finds the rest.
SWEEP_SECONDS = 240.0
#: Beginnings of names that are listed one by one where the whole can't be: one name that breaks a page hides no other.
_BEGINNINGS = sorted(string.ascii_letters + string.digits + "_-(")
#: So many of them failing one after the other are an outage: storage says 500 to both.
_AWAY = 2


@dataclass(frozen=True)
class Swept:
    """`sweep.json`: unix seconds up to which no file was missed."""

    since: float


class Sweep:
    """One listing, however many old files there are."""

    def __init__(self, context: Context, files: Files, plan: IntakePlan, intake: Intake) -> None:
        self._ctx, self._files, self._plan, self._intake = context, files, plan, intake
        self._whole = True
        self._known: dict[str, Dataset | None] = {}
        self._told: frozenset[str] | None = None

    def run(self) -> int:
        """Take what was missed; returns how many files got a run."""
        ctx, started = self._ctx, self._ctx.clock()
        until = ctx.active() + SWEEP_SECONDS
        earliest = started - self._plan.sweep_hours * 3600
        swept = ctx.store.hint("sweep.json", Swept) or Swept(earliest)
        taken: list[str] = []
        for info in self._recent(max(min(swept.since, started) - SWEEP_OVERLAP, earliest)):
            if ctx.active() > until:
                self._whole = False
                break
            self._whole &= guarded(
                ctx.log,
                "sweep could not take a file, will try again",
                lambda: self._look_at(info, taken),  # noqa: B023 - called before the next one
                blob=shown(info.name),
            )
        if self._whole and (taken or started - swept.since > SWEEP_MEMORY):
            ctx.store.write("sweep.json", Swept(started))
        return len(taken)

    def _look_at(self, info: FileInfo, taken: list[str]) -> None:
        found = recognised(info.name)
        if found.kind is Kind.CLUTTER or (found.kind is Kind.OTHER and self._was_told(info.name)):
            return
        if found.dataset:
            if found.dataset not in self._known:
                self._known[found.dataset] = self._ctx.store.named(found.dataset)
            seen = self._known[found.dataset]
            if seen is not None and (
                info.etag in seen.drops
                or (found.kind is not Kind.CONFIG and self._intake.to_score.known(seen, info))
            ):
                return
        run_id = self._intake.drop(self._plan.incoming, info.name)
        if run_id:
            taken.append(run_id)

    def _was_told(self, blob: str) -> bool:
        if self._told is None:
            self._told = self._intake.notes.told()
        return self._intake.notes.id_of(blob) in self._told

    def _recent(self, since: float) -> Iterator[FileInfo]:
        """Each file modified since then, page by page; where a page can't be read, by the beginnings of names."""
        last = ""
        try:
            for info in self._files.list(self._plan.incoming, since=since):
                last = info.name
                yield info
        except Exception as error:  # noqa: BLE001 - a name that breaks a page must not hide the others
            self._failed("", error)
            if isinstance(error, NotFound):
                return
        else:
            return
        away = 0
        for beginning in _BEGINNINGS:
            try:
                for info in self._files.list(self._plan.incoming, beginning, since):
                    if info.name > last:
                        yield info
                away = 0
            except Exception as error:  # noqa: BLE001 - as above
                self._failed(beginning, error)
                away += isinstance(error, Transient)
                if away >= _AWAY:  # not the names, then, but the account: the next sweep
                    return

    def _failed(self, beginning: str, error: Exception) -> None:
        self._whole = False
        problem: DropMLError = told(error)
        self._ctx.log("the incoming files could not be listed", names_from=beginning, **problem.to_dict())
