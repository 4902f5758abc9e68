"""Refusals that a later file of their dataset, or a mended configuration, has answered: nobody needs to decide on them any more.

The run that was taken settles them before it goes on from validation, so that a death in between is made good by its next step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from shared.domain import names
from shared.domain.documents import InvalidDocument
from shared.domain.errors import NotFound
from shared.domain.run.documents import Run, RunDetail
from shared.domain.run.parts import Decision
from shared.domain.run.states import State
from shared.services import conditional
from shared.services.run.context import Context
from shared.services.run.summary import RunSummary

DROP = "drop"
#: Lines of the dataset's list that are looked at with one call.
_LINES = 200
#: A dropped run in another state has settled what was refused before it.
_UNSETTLED = frozenset({State.DROPPED, State.VALIDATING, State.QUARANTINED, State.CANCELLED, State.FAILED})


def settle_refusals(run: Run, ctx: Context) -> None:
    """Have each refusal before this dropped run that nobody decided on say that it is mended, and by which run.

    Repeating it changes nothing.
    """
    if run.cause != DROP:
        return
    for run_id in dict.fromkeys(_refused_before(run, ctx)):
        try:
            conditional.write(lambda: _settle(run_id, run, ctx), run_id)  # noqa: B023 - called before the next one
        except (InvalidDocument, NotFound) as error:  # somebody's hand; it must not hold up this run
            ctx.log("a refusal could not be settled", run_id=run_id, error=type(error).__name__)


def _settle(run_id: str, by: Run, ctx: Context) -> None:
    refused, etag = ctx.store.load(run_id)
    if refused.pending:  # a host died between the decision and what tells of it
        refused, etag = ctx.store.settle(refused, etag)
    if not refused.is_refused or refused.decision:
        return
    at = ctx.clock()
    settled = replace(refused, decision=Decision("mended", "dropml", at, by.run_id))
    ctx.store.save(settled.record(at, "mended", detail={"run": by.run_id}), etag)


def _refused_before(run: Run, ctx: Context) -> Iterator[str]:
    """Of those that may not be in the list yet, then of the list as far as the last run that was taken."""
    dataset = ctx.store.dataset(run.slug)
    for first in dataset.open.values() if dataset else ():
        if first.problem and _place(first) < _place(run):
            yield first.run_id
    cursor: str | None = None
    while True:
        page = ctx.store.index_of(run.slug).page(_LINES, cursor)
        for line in page.items:
            if _place(line) >= _place(run):
                continue
            if line.cause == DROP and line.state not in _UNSETTLED:
                return
            if line.state is State.QUARANTINED:
                yield line.run_id
        cursor = page.cursor
        if cursor is None:
            return


def _place(run: RunDetail | RunSummary) -> tuple[float, int, int]:
    """Where a run stands among those of its dataset."""
    _, n, attempt = names.parse_run_id(run.run_id) or ("", 0, 0)
    return run.created_at, n, attempt
