"""How often a version of a file was tried. What goes on failing ends in a verdict, not in silence.

A try is written down before the file is read, so that one which kills the process counts, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.domain import names
from shared.domain.documents import to_json
from shared.domain.errors import Conflict, DropMLError, InvalidTable, NotFound, Transient, Upstream
from shared.domain.run.parts import RunProblem
from shared.services.guard import told
from shared.services.run.context import Context

FOLDER = "tries/"
#: Failed tries before a verdict: the host moves a message to the poison queue after as many.
TRIES = 5
#: Tries that nobody saw the end of: the process was ended with them. More, as it may have been ended for other reasons.
DEATHS = 10
#: Seconds that a refusal by storage, and an outage, must last besides.
REFUSED, AWAY = 900.0, 24 * 3600.0


class DiedError(Exception):
    """The process ended again and again while it worked on one file."""


@dataclass(frozen=True)
class Tries:
    """`tries/{upload}.json`: `begun` counts tries that read the file, `ended` those of them whose end was seen."""

    blob: str
    etag: str
    since: float
    #: Where it was staged, in the data container.
    folder: str = ""
    begun: int = 0
    ended: int = 0
    failed: int = 0


class Attempts:
    def __init__(self, context: Context, container: str) -> None:
        self._ctx, self._container = context, container

    def _path(self, blob: str, etag: str) -> str:
        return f"{FOLDER}{names.upload_id(self._container, blob, etag)}.json"

    def begin(self, blob: str, etag: str, folder: str) -> None:
        """Before the file is read. Raises DiedError where too many tries had no end."""
        store, path = self._ctx.store, self._path(blob, etag)
        first = Tries(blob, etag, self._ctx.clock(), folder, begun=1)
        try:
            store.documents.create(path, to_json(first))
        except Conflict:
            before = store.hint(path, Tries) or first
            if before.begun - before.ended >= DEATHS:
                raise DiedError(f"{DEATHS} tries without an end") from None
            store.write(path, replace(before, begun=before.begun + 1, folder=folder))

    def over(self, blob: str, etag: str) -> None:
        """A verdict has fallen; there is nothing to remember."""
        self._ctx.store.documents.delete(self._path(blob, etag))

    def failed(self, blob: str, etag: str, error: Exception) -> RunProblem | None:
        """Count a try that failed; the verdict, once there were enough of them."""
        if isinstance(error, Conflict) and error.error_code == "source-changed":
            return None  # the new version has tries of its own
        store, path, now = self._ctx.store, self._path(blob, etag), self._ctx.clock()
        before = store.hint(path, Tries) or Tries(blob, etag, now)
        after = replace(
            before, failed=before.failed + 1, ended=max(before.ended, min(before.begun, before.ended + 1))
        )
        self._ctx.log("a file could not be taken", blob=blob, tries=after.failed, error=type(error).__name__)
        problem = _verdict(error, after.failed, now - before.since)
        if problem is None:
            store.write(path, after)
        else:
            told(error)  # into the log, with its trace: it is raised no further
        return problem


def _verdict(error: Exception, tries: int, seconds: float) -> RunProblem | None:
    if isinstance(error, DiedError) or (isinstance(error, DropMLError) and error.error_code == "name-taken"):
        return _told(error, tries)
    if isinstance(error, Transient | Conflict | NotFound):
        lasting = seconds >= AWAY
    else:
        lasting = not isinstance(error, Upstream) or seconds >= REFUSED
    return _told(error, tries) if tries >= TRIES and lasting else None


def _told(error: Exception, tries: int) -> RunProblem:
    """Our own errors were written to be shown; what others said stays in the log."""
    if isinstance(error, DiedError):
        return RunProblem.of(
            InvalidTable(
                f"The app ended while it worked on the file, {DEATHS} times.",
                remedy="Drop a smaller or simpler file, or give the app more memory, then drop it again.",
                code="app-ended",
            )
        )
    if isinstance(error, DropMLError):
        remedy = error.remedy or "Correct what is named, then drop the file again."
        return RunProblem(error.error_code, f"{error.message} The file was tried {tries} times.", remedy)
    return RunProblem(
        "unexpected",
        f"Something unexpected went wrong each time that the file was tried ({tries} times). It may be our fault.",
        "Drop it again; if it comes back here, report it: the app's log has the whole of it under the file's name.",
    )
