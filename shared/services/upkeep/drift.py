"""Judges windows that have closed: what was scored in them against what the live model was trained on.

A round costs a listing, and reads for the datasets with windows that closed since. The series is written before the counts go:
what a crash leaves behind is found again as judged, and taken away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from shared.domain.documents import InvalidDocument, from_json, to_json
from shared.domain.drift import Compared, Plan, Seen, compared, spelt
from shared.domain.drift_series import DriftSeries, JudgedWindow, OwnAnswers
from shared.domain.errors import Conflict, DropMLError
from shared.domain.notify.notices import PAGES, Notice, notice_id, short
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.upkeep import DriftRule, Upkeep
from shared.domain.windows import Window, window_of
from shared.services.documents import entries
from shared.services.guard import guarded, safely
from shared.services.monitoring.capture import FOLDER, Captured
from shared.services.run.context import Context
from shared.services.run.traffic import deployment_of, endpoint_of
from shared.services.run.training import snapshot_of
from shared.services.upkeep.plans import Plans

SERIES = "drift/"
#: Seconds after its end in which every process has written what it has seen of a window.
GRACE = 15.0
#: Windows without enough rows that are added up before they are given up as little evidence.
MOST_ADDED = 48
#: Rows of its holdout that a model is asked once.
HOLDOUT_ROWS = 1000
#: Most seconds between two rounds.
ROUND = 60.0

Paths = dict[Window, list[str]]


def path_of(slug: str) -> str:
    return f"{SERIES}{slug}.json"


@dataclass
class _Span:
    """Windows that are judged together."""

    windows: list[Window] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)
    offered: int = 0
    dropped: int = 0


class DriftWatch:
    """One per process."""

    def __init__(self, ctx: Context, plans: Plans, owned: Upkeep, window_seconds: float) -> None:
        self._ctx, self._plans, self._owned = ctx, plans, owned
        self._every = min(ROUND, window_seconds / 10)
        self._next = float("-inf")
        #: The closed windows of each dataset that were looked at and left for more rows to come.
        self._left: dict[str, tuple[Window, ...]] = {}

    def tick(self) -> None:
        """Judge what has closed, where a round is due."""
        if self._ctx.active() < self._next:
            return
        self._next = self._ctx.active() + self._every
        for slug, found in self._captured().items():
            guarded(self._ctx.log, "drift not judged", partial(self.judge, slug, found), dataset=slug)

    def _captured(self) -> dict[str, Paths]:
        """By dataset and window, the documents of all processes: a listing call a 5,000."""
        found: dict[str, Paths] = {}
        for entry in entries(self._ctx.store.documents, FOLDER):
            slug, _, rest = entry.path.removeprefix(FOLDER).partition("/")
            window = window_of(rest.partition("/")[0])
            if window is not None:
                found.setdefault(slug, {}).setdefault(window, []).append(entry.path)
        return found

    def judge(self, slug: str, found: Paths) -> None:
        """Every window of one dataset that has closed and was not judged yet."""
        now = self._ctx.clock()
        closed = tuple(sorted(window for window in found if window.end + GRACE <= now))
        if not closed or self._left.get(slug) == closed:
            return
        dataset = self._ctx.store.dataset(slug)
        if dataset is None or not dataset.champion:
            return
        series, etag = self._series(slug)
        series = series.as_of(now)
        pending = [window for window in closed if window.end > series.until]
        run = self._ctx.store.load(dataset.champion)[0]
        plan = self._plans.of_run(run.run_id)
        if pending and plan is not None:
            rule = (dataset.upkeep or self._owned).drift
            spans = self._spans(run.run_id, pending, found, rule)
            if spans:
                series = self._answered(series, run, plan)
                judged = tuple(_judged(span, run.run_id, plan, rule, series.answers) for span in spans)
                series = series.having(judged)
                self._tell(dataset, judged)
                if not self._save(slug, series, etag):
                    return
        self._clear(slug, closed, found, series.until)

    def _series(self, slug: str) -> tuple[DriftSeries, str | None]:
        documents, path = self._ctx.store.documents, path_of(slug)
        try:
            found = documents.get(path)
            return (from_json(found[0], DriftSeries), found[1]) if found else (DriftSeries(), None)
        except InvalidDocument:
            documents.delete(path)  # what was judged is no record; it begins anew
            return DriftSeries(), None

    def _save(self, slug: str, series: DriftSeries, etag: str | None) -> bool:
        """False where another host has judged at the same time."""
        documents, path = self._ctx.store.documents, path_of(slug)
        try:
            if etag is None:
                documents.create(path, to_json(series))
            else:
                documents.replace(path, to_json(series), etag)
        except Conflict:
            return False
        return True

    def _spans(self, run_id: str, pending: Sequence[Window], found: Paths, rule: DriftRule) -> list[_Span]:
        """Windows with enough rows of this run's model, few ones added up; the last ones wait for more."""
        spans: list[_Span] = []
        span = _Span()
        for window in pending:
            span.windows.append(window)
            for path in found[window]:
                counts = self._ctx.store.hint(path, Captured)
                if counts is not None:
                    span.offered += counts.offered
                    span.dropped += counts.dropped
                    span.seen.add(counts.versions.get(run_id, Seen()))
            if span.seen.rows >= rule.min_rows or len(span.windows) >= MOST_ADDED:
                spans.append(span)
                span = _Span()
        return spans

    def _answered(self, series: DriftSeries, run: Run, plan: Plan) -> DriftSeries:
        """With what the model answers to its own holdout, asked once; where it can't be, its answers are compared later."""
        if series.answers is not None and series.answers.run_id == run.run_id:
            return series
        ctx, snapshot, counts = self._ctx, snapshot_of(run), [0] * plan.predictions.width
        try:
            rows = ctx.data.draw(snapshot.holdout_path, snapshot.schema, HOLDOUT_ROWS).rows
            if rows:
                endpoint = endpoint_of(run, ctx)
                answers = ctx.scorer.answers(endpoint, deployment_of(run), snapshot.columns, rows).result
                plan.predictions.count(spelt(snapshot.schema, answers), counts)
        except DropMLError as error:
            safely(
                ctx.log,
                "the live model could not be asked its holdout",
                run_id=run.run_id,
                error=error.message,
            )
            return replace(series, answers=None)
        return replace(series, answers=OwnAnswers(run.run_id, tuple(counts)))

    def _tell(self, dataset: Dataset, judged: Sequence[JudgedWindow]) -> None:
        """Before it is written down, so that a crash tells it twice under one id rather than never."""
        for window in judged:
            self._measured(dataset, window)
            if not window.drifted:
                continue
            sentence = drift_sentence(dataset.dataset, window)
            safely(
                self._ctx.log,
                "drift",
                code="drift",
                dataset=dataset.slug,
                run_id=window.run_id,
                sentence=sentence,
            )
            self._ctx.store.outbox.put(
                Notice(
                    notice_id("drift", dataset.slug, window.run_id, str(window.end)),
                    "drift",
                    window.end,
                    dataset.dataset,
                    short(sentence),
                    "Look at GET /api/datasets/{dataset}/drift; drop a newer file to train on what is scored now.",
                    window.run_id,
                    "drift",
                    f"{PAGES}/datasets/{dataset.slug}",
                )
            )

    def _measured(self, dataset: Dataset, window: JudgedWindow) -> None:
        most = max((*window.columns, *filter(None, [window.predictions])), key=lambda m: m.psi, default=None)
        if most is not None:
            about = {"run": window.run_id, "dataset": dataset.dataset, "moved": most.name}
            self._ctx.measure("drift_psi", most.psi, **about, drifted=window.drifted, rows=window.rows)

    def _clear(self, slug: str, closed: Sequence[Window], found: Paths, until: float) -> None:
        """Counts that were judged go; the others wait for rows, or for the housekeeping."""
        left = []
        for window in closed:
            if window.end > until:
                left.append(window)
                continue
            for path in found[window]:
                self._ctx.store.documents.delete(path)
        self._left[slug] = tuple(left)


def _judged(
    span: _Span, run_id: str, plan: Plan, rule: DriftRule, answers: OwnAnswers | None
) -> JudgedWindow:
    start, end = span.windows[0].start, span.windows[-1].end
    if span.seen.rows < rule.min_rows:
        return JudgedWindow(start, end, run_id, span.seen.rows, span.offered, span.dropped, "little")
    found: Compared = compared(plan, span.seen, rule, answers.counts if answers else None)
    return JudgedWindow(
        start,
        end,
        run_id,
        span.seen.rows,
        span.offered,
        span.dropped,
        "enough",
        found.drifted,
        found.compared,
        found.columns,
        found.predictions,
    )


def drift_sentence(dataset: str, window: JudgedWindow) -> str:
    """Names columns and figures, no values."""
    names = [f"{each.name!r} ({each.psi:g})" for each in window.columns if each.drifted]
    parts = [f"columns {', '.join(names[:5])}{' and more' if len(names) > 5 else ''}"] if names else []
    if window.predictions and window.predictions.drifted:
        parts.append(f"the answers ({window.predictions.psi:g})")
    return (
        f"What is scored of {dataset!r} has moved away from what {window.run_id} was trained on, by the stability "
        f"index over {window.rows:,} rows: {' and '.join(parts)}."
    )
