"""What there is to see of refused files."""

from __future__ import annotations

import json
from dataclasses import replace

from shared.domain import names
from shared.domain.documents import from_json
from shared.domain.errors import NotFound
from shared.domain.incoming import config_of
from shared.domain.run import quarantine
from shared.domain.run.documents import Run
from shared.domain.run.parts import RunProblem
from shared.services.intake.notes import note_of
from shared.services.intake.ports import Files, IntakePlan
from shared.services.quarantine import rules
from shared.services.quarantine.listing import (
    ACTIONS,
    OffendingLine,
    RefusedList,
    RefusedQuery,
    RefusedView,
    around,
)
from shared.services.quarantine.releasing import original
from shared.services.run.context import Context


class Showing:
    def __init__(self, context: Context, files: Files, plan: IntakePlan) -> None:
        self._ctx, self._files, self._plan = context, files, plan

    def page(self, query: RefusedQuery) -> tuple[RefusedList, str]:
        """The refused files asked for, and the ETag of this answer: a listing call or a few."""
        if query.dataset is not None:
            found = self._ctx.store.named(query.dataset)
            if found is None and names.is_slug(query.dataset):
                found = self._ctx.store.dataset(query.dataset)
            query = replace(query, dataset=found.dataset if found else query.dataset)
        narrowed = query.dataset is not None or query.decided is not None
        page = self._ctx.store.refused.page(
            query.page.limit, query.page.cursor, query.wants if narrowed else None
        )
        return RefusedList(page.items, page.cursor), page.etag

    def show(self, refused: str) -> RefusedView:
        """One refused file. Raises NotFound."""
        if names.parse_run_id(refused) is None:
            return self._of_note(refused)
        run, _ = self._ctx.store.load(refused)
        return self._of_run(run)

    def _of_run(self, run: Run) -> RefusedView:
        dataset = self._ctx.store.dataset(run.slug)
        held = {action: rules.obstacle(run, action, dataset) for action in ACTIONS}
        if run.problem is None or (held["discard"] and run.decision is None):
            raise NotFound(f"The run {run.run_id} is not in quarantine: it is {run.state}.")
        report = quarantine.report(
            run.problem, dataset=run.dataset, run_id=run.run_id, source=run.source, at=run.entered_at
        )
        return RefusedView(
            id=run.run_id,
            dataset=run.dataset,
            run_id=run.run_id,
            at=run.entered_at,
            source=run.source,
            problem=run.problem,
            report=report.text,
            lines=self._lines(run, run.problem),
            decision=run.decision,
            actions=() if run.decision else tuple(action for action in ACTIONS if held[action] is None),
            obstacles={action: error.message for action, error in held.items() if error},
        )

    def _lines(self, run: Run, problem: RunProblem) -> tuple[OffendingLine, ...]:
        """Of the file that the problem names: the original, or the configuration beside it if it is still as it was."""
        line, file = problem.where.get("line"), str(problem.where.get("file", run.source.blob))
        if not isinstance(line, int):
            return ()
        if file != config_of(run.source.blob):
            pieces = self._files.stream(self._plan.quarantine, original(run))
            return around(pieces, run.config.encoding, line)
        try:
            found = self._files.properties(self._plan.incoming, file)
        except NotFound:
            return ()
        if found.last_modified > run.created_at:
            return ()
        return around(self._files.stream(self._plan.incoming, file, found.etag), "auto", line)

    def _of_note(self, refused: str) -> RefusedView:
        note = note_of(refused, self._ctx)[0]
        try:
            text = b"".join(self._files.stream(self._plan.quarantine, f"{note.report}/report.json"))
        except NotFound as error:
            raise NotFound(f"The report of {note.blob!r} was deleted for its age.") from error
        report = from_json(json.loads(text), quarantine.Report)
        return RefusedView(
            id=refused,
            dataset="",
            run_id=None,
            at=note.at,
            source=report.source,
            problem=report.problem,
            report=report.text,
            decision=note.decision,
            actions=() if note.decision else ("discard",),
            obstacles={a: held.message for a in ACTIONS if (held := rules.of_note(note, refused, a))},
        )
