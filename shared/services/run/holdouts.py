"""A file's holdout, answered by challenger and champion: what the gate judges from.

Both are asked the same rows in pairs of calls that follow each other, so that their times can be compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import compress

from shared.domain.answers import Answers, joined
from shared.domain.errors import DropMLError, NotFound
from shared.domain.fitting import fitting
from shared.domain.gate import Calls, Seen
from shared.domain.run.documents import Run
from shared.domain.run.parts import Snapshot
from shared.domain.schema import Value
from shared.domain.threshold import first_half
from shared.services.run.context import Context
from shared.services.run.ports import Endpoint
from shared.services.run.traffic import deployment_of
from shared.services.run.training import snapshot_of

#: So many pairs of calls, where there are rows for them.
PAIRS = 40
Rows = list[list[Value]]


@dataclass(frozen=True)
class Asked:
    """What was answered, and how long each pair of calls took; `calls` lacks where there is no champion."""

    seen: Seen
    #: The rows under the schema that they were drawn in, and their numbers in the holdout.
    rows: Rows
    places: list[int]
    calls: Calls | None = None


class Silent(Exception):
    """The live model gave no answer: no fault of its challenger's."""

    def __init__(self, deployment: str, cause: DropMLError) -> None:
        self.said = f"the live model {deployment} didn't answer: {cause.message}"
        super().__init__(self.said)
        self.cause = cause


def ask(drawn: Snapshot, run: Run, champion: Run | None, endpoint: Endpoint, ctx: Context) -> Asked:
    """The holdout of `drawn`, each model asked in its own schema's types.

    Rows that one of them can't take are told and left out for both. Raises NotFound where the holdout is gone, Silent where
    the champion doesn't answer.
    """
    found = ctx.data.draw(drawn.holdout_path, drawn.schema, ctx.gate_rows)
    rows, truth = found.rows, found.truth
    models = [run] if champion is None else [run, champion]
    fitted = [fitting(rows, drawn.schema, snapshot_of(model).schema) for model in models]
    kept = [all(row is not None for row in row_of_each) for row_of_each in zip(*fitted, strict=True)]
    lost = len(rows) - sum(kept)
    if lost:
        ctx.log("holdout rows that a model's schema can't take, left out", run_id=run.run_id, rows=lost)
    truth = list(compress(truth, kept))
    taken: list[Rows] = [[row for row in compress(own, kept) if row is not None] for own in fitted]

    def asked(model: Run, part: Rows) -> Answers:
        deployment = deployment_of(model)
        try:
            return ctx.scorer.answers(endpoint, deployment, snapshot_of(model).columns, part)
        except DropMLError as error:
            if model is run:
                raise
            raise Silent(deployment, error) from error

    rows, places = list(compress(rows, kept)), list(compress(found.places, kept))
    choosing = [first_half(row) for row in rows]
    if champion is None:
        answers = asked(run, taken[0]) if truth else Answers([])
        return Asked(Seen(truth, answers, None, lost, choosing), rows, places)
    seen, calls = _in_pairs(
        truth, taken[0], taken[1], lambda p: asked(run, p), lambda p: asked(champion, p), lost
    )
    return Asked(replace(seen, choosing=choosing), rows, places, calls)


def _in_pairs(
    truth: list[str],
    new_rows: Rows,
    old_rows: Rows,
    challenger: Callable[[Rows], Answers],
    champion: Callable[[Rows], Answers],
    lost: int,
) -> tuple[Seen, Calls]:
    """Now the one, now the other goes first: what the first call warms up serves the second."""
    size = max(1, -(-len(truth) // PAIRS))
    new: list[Answers] = []
    old: list[Answers] = []
    for number, at in enumerate(range(0, len(truth), size)):
        part = slice(at, at + size)
        if number % 2:
            old.append(champion(old_rows[part]))
            new.append(challenger(new_rows[part]))
        else:
            new.append(challenger(new_rows[part]))
            old.append(champion(old_rows[part]))
    calls = Calls(size, [each.seconds for each in new], [each.seconds for each in old])
    return Seen(truth, joined(new), joined(old), lost), calls


def earlier(run: Run, champion: Run, endpoint: Endpoint, ctx: Context) -> tuple[Seen | None, str | None]:
    """The holdout of the champion's own file, answered by both; None, and why, where it tells nothing of this file."""
    mine, own = snapshot_of(run), snapshot_of(champion)
    if own.holdout_path == mine.holdout_path or _same_bytes(run, champion):
        return None, None  # its rows are those of the new file
    if champion.config.task != run.config.task or own.schema.label != mine.schema.label:
        return None, "the champion's own file has another label, so its holdout was not compared"
    try:
        return ask(own, run, champion, endpoint, ctx).seen, None
    except NotFound as error:
        ctx.log("the champion's own holdout can't be read", run_id=champion.run_id, error=error.message)
        return None, "the holdout of the champion's own file is gone, so it was not compared"


def _same_bytes(run: Run, champion: Run) -> bool:
    return bool(run.source.content_hash) and run.source.content_hash == champion.source.content_hash
