"""A run in one line of a list."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.metrics import primary_metric
from shared.domain.run.documents import RunDetail
from shared.domain.run.parts import Outcome, RunProblem
from shared.domain.run.states import State

#: Characters of a sentence in a list; the run itself has the whole of it.
SENTENCE = 300


@dataclass(frozen=True)
class RunSummary:
    """What a list shows. Times are unix seconds, UTC; `rows` counts the file's."""

    run_id: str
    dataset: str
    slug: str
    state: State
    cause: str
    created_at: float
    entered_at: float
    rows: int | None = None
    best_algorithm: str | None = None
    AUC_weighted: float | None = None
    gate: str | None = None
    error: str | None = None
    #: The primary metric, under Azure's name, and what it is of the best model.
    metric: str | None = None
    score: float | None = None


@dataclass(frozen=True)
class RefusedSummary:
    """A refused file in a list; `id` is its run's, or its report's where it got no run. `at` is unix seconds."""

    id: str
    file: str
    dataset: str
    code: str
    message: str
    at: float
    decision: Outcome | None = None


def refused_summary(run: RunDetail, problem: RunProblem) -> RefusedSummary:
    decision = run.decision.action if run.decision else None
    message = _cut(problem.message) or ""
    return RefusedSummary(
        run.run_id, run.source.blob, run.dataset, problem.code, message, run.created_at, decision
    )


def summary(run: RunDetail) -> RunSummary:
    """The line of a run."""
    metric = primary_metric(run.config) if run.best else None
    return RunSummary(
        run_id=run.run_id,
        dataset=run.dataset,
        slug=run.slug,
        state=run.state,
        cause=run.cause,
        created_at=run.created_at,
        entered_at=run.entered_at,
        rows=run.snapshot.rows if run.snapshot else None,
        best_algorithm=run.best.algorithm if run.best else None,
        AUC_weighted=run.best.metrics.get("AUC_weighted") if run.best else None,
        gate=_cut(run.gate.reason) if run.gate else None,
        error=_cut(run.problem.message) if run.problem else None,
        metric=metric,
        score=run.best.metrics.get(metric) if run.best and metric else None,
    )


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= SENTENCE else f"{text[: SENTENCE - 1]}…"
