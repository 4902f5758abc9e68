"""Before money is spent on training, the live model meets the new file: its labelled rows that it has not been trained on.

How it does is the honest live metric, kept as a series per dataset. A collapse makes the file suspicious before anything is
trained on it. Nothing that keeps the model from answering keeps the run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import compress

from shared.domain.answers import Answers, joined
from shared.domain.documents import InvalidDocument, from_json, to_json
from shared.domain.fitting import fitting
from shared.domain.gate import Alone, Seen, Terms, Verdict, judge_alone
from shared.domain.metrics import primary_metric
from shared.domain.run.documents import Run
from shared.domain.run.fresh import Fresh, Point, Series
from shared.domain.run.parts import brief
from shared.domain.schema import Value
from shared.services import conditional
from shared.services.guard import safely, told
from shared.services.run.context import Context
from shared.services.run.levers import approving
from shared.services.run.thresholds import by_threshold
from shared.services.run.traffic import deployment_of, endpoint_of
from shared.services.run.training import snapshot_of

Step = Callable[[Run, Context], Run]
#: Rows of one call: callers of the live model wait for no more than that.
PART = 250


def series_path(slug: str) -> str:
    return f"performance/{slug}.json"


def shown(step: Step) -> Step:
    """The step that begins a job, once the live model has met the file, unless a person is to be asked before."""

    def wrapped(run: Run, ctx: Context) -> Run:
        if run.fresh is None:
            champion = _champion(run, ctx)
            if champion:
                return _met(run, champion, ctx)
        elif run.fresh.point and not run.fresh.listed:
            _list(run.slug, run.fresh.point, ctx)
            return replace(run, fresh=replace(run.fresh, listed=True))
        if ctx.suspicious == "wait" and (doubt := run.fresh.suspicious if run.fresh else None):
            held = approving.before_training(run, doubt, ctx)
            if held:
                return held
        return step(run, ctx)

    return wrapped


def _champion(run: Run, ctx: Context) -> Run | None:
    """None where there is none, or the file is its own."""
    dataset = ctx.store.dataset(run.slug)
    if dataset is None or dataset.champion is None:
        return None
    champion = ctx.store.load(dataset.champion)[0]
    mine, own = snapshot_of(run), snapshot_of(champion)
    same = bool(run.source.content_hash) and run.source.content_hash == champion.source.content_hash
    return None if same or mine.holdout_path == own.holdout_path else champion


def _met(run: Run, champion: Run, ctx: Context) -> Run:
    try:
        found = _asked(run, champion, ctx)
    except Exception as error:  # noqa: BLE001 - the gate will ask again; whatever it is, the run goes on
        problem = told(error)
        safely(ctx.log, "the live model did not meet the new file", run_id=run.run_id, **problem.to_dict())
        found = Fresh(skipped=brief(problem.message))
    if found.point is None:
        detail: dict[str, object] = {"champion": champion.run_id, "skipped": found.skipped}
    else:
        detail = {name: value for name, value in to_json(found.point).items() if value is not None}
    return replace(run.record(ctx.clock(), "fresh", detail=detail), fresh=found)


def _asked(run: Run, champion: Run, ctx: Context) -> Fresh:
    mine, own = snapshot_of(run), snapshot_of(champion)
    if champion.config.task != run.config.task or own.schema.label != mine.schema.label:
        return Fresh(skipped="The live model answers another label.")
    drawn = ctx.data.draw(mine.holdout_path, mine.schema, ctx.gate_rows, own.holdout_path)
    fitted = fitting(drawn.rows, mine.schema, own.schema)
    truth = list(compress(drawn.truth, [row is not None for row in fitted]))
    rows = [row for row in fitted if row is not None]
    if not rows:
        return Fresh(skipped="The file holds no rows out that the live model takes.")
    answers = by_threshold(champion, _answers(champion, rows, ctx))
    found = judge_alone(Seen(truth, answers), _terms(run, champion))
    point = _point(run, champion, found, ctx.clock())
    return Fresh(replace(point, known=drawn.known, left_out=len(drawn.rows) - len(rows)))


def _answers(champion: Run, rows: list[list[Value]], ctx: Context) -> Answers:
    endpoint, deployment = endpoint_of(champion, ctx), deployment_of(champion)
    columns = snapshot_of(champion).columns
    parts = (rows[at : at + PART] for at in range(0, len(rows), PART))
    return joined([ctx.scorer.answers(endpoint, deployment, columns, part) for part in parts])


def _terms(run: Run, champion: Run) -> Terms:
    """By the primary metric, whatever the gate compares: a series is of one measure."""
    config = run.config
    return Terms(
        replace(config.gate, metric="auto"),
        snapshot_of(run).schema.classes,
        primary_metric(config),
        run.run_id,
        champion=_numbers(champion),
        regression=config.task == "regression",
    )


def _numbers(champion: Run) -> Verdict | None:
    return champion.gate.numbers if champion.gate else None


def _point(run: Run, champion: Run, found: Alone, at: float) -> Point:
    own = _numbers(champion)
    return Point(
        run.run_id,
        run.n,
        round(at, 3),
        champion.run_id,
        champion.model.label if champion.model else "",
        found.metric,
        round(found.span.value, 6),
        found.rows,
        round(found.span.low, 6),
        round(found.span.high, 6),
        own.challenger if own and own.metric == found.metric else None,
        holdout=snapshot_of(run).holdout_path,
        note=found.note,
        suspicious=found.suspicious,
    )


def _list(slug: str, point: Point, ctx: Context) -> None:
    """The point in the series of its dataset, once however often this is done."""
    path = series_path(slug)
    documents = ctx.store.documents

    def attempt() -> None:
        try:
            found = documents.get(path)
            before = from_json(found[0], Series) if found else None
        except InvalidDocument:  # it is made of measurements that stand in the runs as well
            documents.delete(path)
            found = before = None
        after = (before or Series()).having(point)
        if found is None:
            documents.create(path, to_json(after))
        elif after != before:
            documents.replace(path, to_json(after), found[1])

    conditional.write(attempt, path)
