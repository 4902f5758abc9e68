"""Data for plots, in the service's artifact shapes.

Classification: confusion_matrix and accuracy_table (counts [tp, fp, tn, fn] of each class at 100 thresholds, from which
ROC, precision-recall, calibration, lift and gain curves follow). Regression: residuals and predictions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from dropml.azureml.automl.model.pipeline import decide
from dropml.azureml.automl.scratch import Facts

POINTS = 100
BINS = 10
MAX_TABLES = 20  # classes with a table of their own


def write(facts: Facts, y: np.ndarray, prediction: np.ndarray, threshold: float | None, folder: Path) -> None:
    """One JSON file a chart into `folder`, named as the service names it, without a suffix."""
    folder.mkdir(parents=True, exist_ok=True)
    if facts.classification:
        labels = facts.labels or []
        documents = {
            "confusion_matrix": confusion_matrix(labels, y, decide(prediction, threshold)),
            "accuracy_table": accuracy_table(labels, y, prediction),
        }
    else:
        documents = {
            "residuals": residuals(y, prediction[:, 0]),
            "predicted_true": predicted_true(y, prediction[:, 0]),
        }
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document), encoding="utf-8")


def _document(schema: str, version: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"schema_type": schema, "schema_version": version, "data": data}


def confusion_matrix(labels: list[Any], y: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
    """Rows are true classes, columns predicted ones."""
    k = len(labels)
    matrix = np.bincount(y * k + predicted, minlength=k * k).reshape(k, k)
    return _document(
        "confusion_matrix", "1.0.0", {"class_labels": [str(v) for v in labels], "matrix": matrix.tolist()}
    )


def accuracy_table(labels: list[Any], y: np.ndarray, proba: np.ndarray) -> dict[str, Any]:
    """[tp, fp, tn, fn] of each class against the rest, by probability and by percentile of the probabilities."""
    probabilities = np.linspace(0, 1, POINTS)
    by_probability, by_percentile = [], []
    for j in range(min(len(labels), MAX_TABLES)):
        score, positive = proba[:, j], y == j
        by_probability.append(_counts(score, positive, probabilities))
        by_percentile.append(_counts(score, positive, np.quantile(score, probabilities)))
    return _document(
        "accuracy_table",
        "1.0.1",
        {
            "probability_tables": by_probability,
            "percentile_tables": by_percentile,
            "probability_thresholds": probabilities.tolist(),
            "percentile_thresholds": probabilities.tolist(),
            "class_labels": [str(v) for v in labels[:MAX_TABLES]],
        },
    )


def _counts(score: np.ndarray, positive: np.ndarray, thresholds: np.ndarray) -> list[list[int]]:
    hits, others = np.sort(score[positive]), np.sort(score[~positive])
    tp = len(hits) - np.searchsorted(hits, thresholds, side="left")
    fp = len(others) - np.searchsorted(others, thresholds, side="left")
    counts: list[list[int]] = np.column_stack([tp, fp, len(others) - fp, len(hits) - tp]).tolist()
    return counts


def residuals(y: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
    """Histogram of `predicted - true` within two standard deviations, the rest in the outer bins."""
    difference = predicted - y
    mean, deviation = float(difference.mean()), float(difference.std())
    inner = np.linspace(mean - 2 * deviation, mean + 2 * deviation, BINS + 1)
    edges = np.concatenate(
        [[min(float(difference.min()), inner[0])], inner, [max(float(difference.max()), inner[-1])]]
    )
    counts = np.histogram(difference, edges)[0] if deviation else np.array([len(difference)])
    data = {"bin_edges": edges.tolist(), "bin_counts": counts.tolist(), "mean": mean, "stddev": deviation}
    return _document("residuals", "1.0.0", {**data, "res_count": len(difference)})


def predicted_true(y: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
    """Mean and deviation of the predictions in ten bins of the true value."""
    edges = np.linspace(float(y.min()), float(y.max()), BINS + 1)
    bins = np.clip(np.searchsorted(edges, y, side="right") - 1, 0, BINS - 1)
    groups = [predicted[bins == b] for b in range(BINS)]
    return _document(
        "predictions",
        "1.0.0",
        {
            "bin_averages": [float(g.mean()) if len(g) else 0.0 for g in groups],
            "bin_errors": [float(g.std()) if len(g) else 0.0 for g in groups],
            "bin_counts": [len(g) for g in groups],
            "bin_edges": edges.tolist(),
        },
    )
