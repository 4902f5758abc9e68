"""Verdicts on files that get no run: a report in the quarantine under the file's own name, once. The file stays where it is."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain import names
from shared.domain.documents import to_json
from shared.domain.errors import Conflict
from shared.domain.notify.notices import PAGES, Notice, notice_id, short
from shared.domain.run import quarantine
from shared.domain.run.parts import Decision, RunProblem, Source
from shared.services.intake.ports import Files, IntakePlan
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
