"""What may be done with a refused file, and why not where it may not."""

from __future__ import annotations

from shared.domain import names
from shared.domain.errors import Conflict
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.run.parts import Action, Decision, RunProblem
from shared.domain.run.states import State
from shared.services.intake.notes import Note

#: Refused for what differs from the version before.
_OF_SCHEMA = frozenset({"schema-incompatible", "data-drift"})
_DONE = {"release": "released", "accept-schema": "taken with its schema", "discard": "discarded"}
_ANEW = "Drop the file again to decide anew."


def waived(problem: RunProblem) -> tuple[str, ...]:
    """The rule that a release of the file waives; none where it can't be taken whatever is waived."""
    if problem.code in _OF_SCHEMA:
        return ("schema",)
    return ("max_bad_rows",) if "bad_rows" in problem.where else ()


def obstacle(run: Run, action: Action, dataset: Dataset | None) -> Conflict | None:
    """Why `action` can't be done with the run's file; None where it can, or was done already."""
    problem = run.problem
    if run.state is not State.QUARANTINED or problem is None:
        return Conflict(
            f"The run {run.run_id} is {run.state}, not quarantined.",
            remedy="GET /api/quarantine lists the refused files.",
            code="not-quarantined",
        )
    if run.decision is not None:
        return None if run.decision.action == action else decided(run)
    if action == "discard":
        return None
    if action == "accept-schema" and problem.code not in _OF_SCHEMA:
        return unreleasable(f"The file was not refused for its schema: {problem.message}", problem.remedy)
    if not waived(problem):
        return unreleasable(f"The file can't be taken as it is: {problem.message}", problem.remedy)
    if problem.note:
        return gone(problem.note)
    return _superseded(run, dataset)


def decided(run: Run) -> Conflict | None:
    """What was done already."""
    if run.decision is None:
        return None
    if run.decision.action == "mended":
        return mended(run.decision, f"The file of {run.run_id}")
    done = _DONE[run.decision.action]
    started = f" and became the run {run.decision.run_id}" if run.decision.run_id else ""
    return Conflict(
        f"The file of {run.run_id} was {done} by {run.decision.actor}{started}.",
        remedy=_ANEW,
        code="already-decided",
        action=run.decision.action,
    )


def mended(decision: Decision, what: str) -> Conflict:
    """A later version, or a mended configuration, was taken."""
    taken = f" as the run {decision.run_id}" if decision.run_id else ""
    return Conflict(
        f"{what} needs no decision any more: it was mended, and taken{taken}.",
        remedy=_ANEW,
        code="already-decided",
        action=decision.action,
    )


def unreleasable(message: str, remedy: str) -> Conflict:
    return Conflict(message, remedy=remedy or "Correct the file and drop it again.", code="not-releasable")


def gone(why: str) -> Conflict:
    return Conflict(
        f"The original is not in the quarantine any more: {why}",
        remedy="Drop the file again.",
        code="original-gone",
    )


def _superseded(run: Run, dataset: Dataset | None) -> Conflict | None:
    """A newer version in production would turn away what comes of an older file, once it was trained."""
    parsed = names.parse_run_id(dataset.champion) if dataset and dataset.champion else None
    if parsed is None or parsed[1] <= run.n:
        return None
    return Conflict(
        f"A newer version of the dataset is live ({dataset.champion if dataset else ''}).",
        remedy="Drop the file again if it is to come after that.",
        code="newer-live",
    )


def of_note(note: Note, refused: str, action: Action) -> Conflict | None:
    """Why `action` can't be done with a file that was never read as a table; None where it can, or was done already."""
    if action != "discard":
        return unreleasable(
            f"No run was started for {note.blob!r}, so there is nothing to release: it was never read as a table.",
            f"Do what the report says (GET /api/quarantine/{refused}).",
        )
    if note.decision and note.decision.action != action:
        return mended(note.decision, note.blob)
    return None
