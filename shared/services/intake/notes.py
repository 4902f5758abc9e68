"""Verdicts on files that get no run: a report in the quarantine under the file's own name, once. The file stays where it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from shared.domain import names
from shared.domain.documents import from_json, to_json
from shared.domain.errors import Conflict, NotFound
from shared.domain.notify.notices import PAGES, Notice, notice_id, short
from shared.domain.run import quarantine
from shared.domain.run.documents import Run
from shared.domain.run.parts import Decision, RunProblem, Source
from shared.services import conditional
from shared.services.intake.ports import FileInfo, Files, IntakePlan
from shared.services.run.context import Context
from shared.services.run.summary import SENTENCE, RefusedSummary

FOLDER = "notes/"
#: In the quarantine; no dataset's short form begins so.
REPORTS = "_files/"


@dataclass(frozen=True)
class Note:
    """`notes/{id}.json`: that a file was told of, at unix seconds, and where the report lies."""

    blob: str
    code: str
    at: float
    report: str
    message: str = ""
    decision: Decision | None = None


class Notes:
    def __init__(self, context: Context, files: Files, plan: IntakePlan) -> None:
        self._ctx, self._files, self._plan = context, files, plan

    def told(self) -> frozenset[str]:
        """Ids of the notes that there are: a listing call a 5,000."""
        return frozenset(
            path.removeprefix(FOLDER).removesuffix(".json") for path in self._ctx.store.documents.list(FOLDER)
        )

    def id_of(self, blob: str, etag: str = "") -> str:
        return names.upload_id(self._plan.incoming, blob, etag)

    def tell(self, blob: str, problem: RunProblem, etag: str = "") -> None:
        """Write the report, then that it was written. The same file again is told of no more."""
        note, at = self.id_of(blob, etag), self._ctx.clock()
        path = f"{FOLDER}{note}.json"
        if self._ctx.store.documents.get(path) is not None:
            return
        folder = f"{REPORTS}{names.safe_file(blob)}-{note}"
        source = Source(self._plan.incoming, names.shown(blob), etag)
        report = quarantine.report(problem, dataset="", run_id="", source=source, at=at)
        self._files.upload_text(self._plan.quarantine, f"{folder}/report.json", quarantine.json_of(report))
        self._files.upload_text(self._plan.quarantine, f"{folder}/report.txt", report.text)
        told = Note(names.shown(blob), problem.code, at, folder, problem.message[:SENTENCE])
        self._ctx.store.outbox.put(_notice(note, told))
        line = RefusedSummary(note, told.blob, "", problem.code, told.message, at)
        self._ctx.store.refused.put(at, note, line)
        try:
            self._ctx.store.documents.create(path, to_json(told))
        except Conflict:
            return
        self._ctx.log("a file was not taken", blob=names.shown(blob), code=problem.code, report=folder)

    def mended(
        self,
        file: FileInfo,
        run_id: str | None = None,
        unless: Callable[[Run], bool] = lambda run: run.is_refused,
    ) -> None:
        """Settle what was told of the file's name: this version of it was taken, as the run if there is one.

        Repeating it changes nothing. Where a newer version has come meanwhile, it is for that one's own look.
        """
        folder = f"{REPORTS}{names.safe_file(file.name)}-"
        reports = self._files.list(self._plan.quarantine, folder)
        ids = {info.name.split("/")[1].rpartition("-")[2] for info in reports}
        if not ids or self._files.properties(self._plan.incoming, file.name).etag != file.etag:
            return
        if run_id and unless(self._ctx.store.load(run_id)[0]):
            return
        for note_id in sorted(ids):
            found = self._ctx.store.documents.get(f"{FOLDER}{note_id}.json")
            if found and from_json(found[0], Note).blob == names.shown(file.name):
                decide(note_id, Decision("mended", "dropml", self._ctx.clock(), run_id), self._ctx)


def note_of(note_id: str, ctx: Context) -> tuple[Note, str]:
    """What is remembered of a file without a run, and its ETag. Raises NotFound."""
    found = ctx.store.documents.get(f"{FOLDER}{note_id}.json")
    if found is None:
        raise NotFound(
            f"There is no refused file {note_id[:100]!r}.", remedy="GET /api/quarantine lists them."
        )
    return from_json(found[0], Note), found[1]


def decide(note_id: str, decision: Decision, ctx: Context) -> tuple[Note, Decision]:
    """The note and its decision: this one, or the one that was taken before; listed with it. Raises NotFound."""

    def attempt() -> Note:
        note, etag = note_of(note_id, ctx)
        if note.decision is None:
            note = replace(note, decision=decision)
            ctx.store.documents.replace(f"{FOLDER}{note_id}.json", to_json(note), etag)
        return note

    note = conditional.write(attempt, note_id)
    done = note.decision or decision
    line = RefusedSummary(note_id, note.blob, "", note.code, note.message, note.at, done.action)
    ctx.store.refused.put(note.at, note_id, line)
    return note, done


def _notice(note: str, told: Note) -> Notice:
    return Notice(
        notice_id(FOLDER, note),
        "quarantined",
        told.at,
        "",
        short(f"The file {told.blob} was not taken: {told.code}."),
        f"GET /api/quarantine/{note} says why, and what can be done.",
        code=told.code,
        link=f"{PAGES}/quarantine/{note}",
    )
