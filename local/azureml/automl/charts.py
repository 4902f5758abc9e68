"""Data for plots in the service's artifact shapes: confusion_matrix, accuracy_table, residuals, predicted_true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from .pipeline import decide
from .store import Facts


def write(facts: Facts, y: np.ndarray, prediction: np.ndarray, threshold: float | None, folder: Path) -> None:
    """One JSON file a chart into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    if facts.classification:
        documents = {"confusion_matrix": confusion_matrix(facts.labels or [], y, decide(prediction, threshold))}
    else:
        documents = {}
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")


def confusion_matrix(labels: list[Any], y: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
    """Rows are true classes, columns predicted ones."""
    k = len(labels)
    matrix = np.bincount(y * k + predicted, minlength=k * k).reshape(k, k)
    return {
        "schema_type": "confusion_matrix",
        "schema_version": "1.0.0",
        "data": {"class_labels": [str(v) for v in labels], "matrix": matrix.tolist()},
    }
