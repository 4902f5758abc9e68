"""What grows with every file is kept for so long, its oldest going first: reports, and what dead uploads left behind."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from shared.services.guard import guarded
from shared.services.intake import attempts, notes
from shared.services.intake.attempts import Tries
from shared.services.intake.ports import Files, IntakePlan
from shared.services.run.context import Context

#: Between two looks (seconds), and after how long a try that never ended is dead.
EVERY, DEAD = 24 * 3600.0, 48 * 3600.0


@dataclass(frozen=True)
class Tidied:
    """`tidied.json`: when it was last done, in unix seconds."""

    at: float


class Tidy:
    def __init__(self, context: Context, files: Files, plan: IntakePlan) -> None:
        self._ctx, self._files, self._plan = context, files, plan

    def run(self) -> int:
        """Once a day; returns how many things were deleted."""
        ctx, now = self._ctx, self._ctx.clock()
        last = ctx.store.hint("tidied.json", Tidied)
        if last is not None and now - last.at < EVERY:
            return 0
        gone: list[str] = []
        whole = guarded(ctx.log, "old reports could not be deleted", lambda: self._reports(now, gone))
        whole &= guarded(ctx.log, "dead uploads could not be deleted", lambda: self._uploads(now, gone))
        if whole:
            ctx.store.write("tidied.json", Tidied(now))
        if gone:
            ctx.log("old files deleted", count=len(gone))
        return len(gone)

    def _reports(self, now: float, gone: list[str]) -> None:
        """Refused originals and reports; with a report of a file without a run the memory that it was told."""
        oldest = now - self._plan.quarantine_days * 86400
        for info in self._files.list(self._plan.quarantine):
            if info.last_modified < oldest:
                work = partial(self._report, info.name, gone)
                guarded(self._ctx.log, "an old report could not be deleted", work, name=info.name)

    def _report(self, name: str, gone: list[str]) -> None:
        if name.startswith(notes.REPORTS):
            note = name.split("/")[1].rpartition("-")[2]
            self._ctx.store.documents.delete(f"{notes.FOLDER}{note}.json")
        self._files.delete(self._plan.quarantine, name)
        gone.append(name)

    def _uploads(self, now: float, gone: list[str]) -> None:
        for path in self._ctx.store.documents.list(attempts.FOLDER):
            guarded(
                self._ctx.log, "a dead upload could not be deleted", partial(self._upload, path, now, gone)
            )

    def _upload(self, path: str, now: float, gone: list[str]) -> None:
        tries = self._ctx.store.hint(path, Tries)
        if tries is not None and now - tries.since < DEAD:
            return
        if tries is not None and tries.folder and not self._in_use(tries):
            self._files.delete_prefix(self._plan.data, f"{tries.folder}/")
        self._ctx.store.documents.delete(path)
        gone.append(path)

    def _in_use(self, tries: Tries) -> bool:
        """Whether a run took what was staged: the process may have died between that and forgetting the try."""
        dataset = self._ctx.store.dataset(tries.folder.partition("/")[0])
        for delivery, run_id in dataset.drops.items() if dataset else ():
            if delivery.partition(" ")[0] == tries.etag:
                snapshot = self._ctx.store.load(run_id)[0].snapshot
                if snapshot is not None and snapshot.path.startswith(f"{tries.folder}/"):
                    return True
        return False
