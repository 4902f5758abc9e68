"""What a training of forty trials leaves of a run in state, so that its pages have all to show that they can."""

from __future__ import annotations

from dataclasses import replace

from shared.domain.charts import BINS, POINTS, Bin, Charts, ClassCurves, Matrix
from shared.domain.documents import to_json
from shared.domain.run.parts import Model, Trial
from shared.domain.threshold.counts import Counts
from shared.domain.threshold.curve import Curve, Point
from shared.services.run.artifacts import ExplanationView, Guardrail, GuardrailsView, Importance
from shared.services.run.store import RunStore
from shared.services.run.thresholds import curve_path

TRIALS, THRESHOLDS, ROWS = 40, 200, 1000
SAYS = "Your inputs were analyzed, and all classes are balanced in your training data."


def write_training(to: RunStore, run_id: str) -> None:
    """Trials and a best one in the run's document; charts, weights, checks and the curve of thresholds beside it."""
    run, etag = to.load(run_id)
    trials = tuple(_trial(n) for n in range(TRIALS))
    model = Model(run.slug, str(run.n), f"azureml:/models/{run.slug}")
    to.save(replace(run, trials=trials, best=trials[0], model=model), etag)
    folder = f"artifacts/{run_id}"
    for path, document in (
        (f"{folder}/charts/{trials[0].name}.json", _charts(trials[0].name)),
        (f"{folder}/explanation.json", _weights(run_id, trials[0].name)),
        (f"{folder}/guardrails.json", _checks(run_id)),
        (curve_path(run_id), _curve(run_id)),
    ):
        to.documents.put(path, to_json(document))


def _trial(n: int) -> Trial:
    metrics: dict[str, float | None] = dict.fromkeys(
        ("AUC_weighted", "accuracy", "balanced_accuracy", "log_loss"), 0.9 - n / 100
    )
    return Trial(f"job_{n}", "LightGBM", "MaxAbsScaler", "Completed", 12.5, metrics)


def _charts(trial: str) -> Charts:
    line = tuple((at / POINTS, (at / POINTS) ** 0.5) for at in range(POINTS + 1))
    bins = tuple(Bin(ROWS // BINS, (at + 0.5) / BINS, (at + 0.4) / BINS) for at in range(BINS))
    classes = tuple(
        ClassCurves(label, ROWS, ROWS // 2, 0.9, 0.88, line, line[::-1], bins) for label in ("no", "yes")
    )
    return Charts(trial, classes, Matrix(("no", "yes"), ((450, 50), (60, 440))))


def _weights(run_id: str, trial: str) -> ExplanationView:
    return ExplanationView(run_id, trial, tuple(Importance(f"x{n}", 1 / (n + 1)) for n in range(200)))


def _checks(run_id: str) -> GuardrailsView:
    return GuardrailsView(run_id, "job", tuple(Guardrail(f"Check {n}", "PASSED", SAYS) for n in range(5)))


def _curve(run_id: str) -> Curve:
    counts = [Counts(ROWS - at * 4, ROWS - at * 5, at * 5, at * 4) for at in range(THRESHOLDS)]
    points = tuple(Point(at / THRESHOLDS, each, each) for at, each in enumerate(counts))
    return Curve(run_id, ("no", "yes"), "yes", points)
