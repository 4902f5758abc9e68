"""How good predictions of held-out rows are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dropml.azureml.automl.fit import metrics
from dropml.azureml.automl.model import charts
from dropml.azureml.automl.scratch import Facts
from dropml.azureml.automl.search import ensemble


def evaluate(
    facts: Facts, truths: list[np.ndarray], predictions: list[np.ndarray], folder: Path
) -> tuple[dict[str, float], float | None]:
    """Metrics (means over the folds, as Azure reports cross-validation) and decision threshold; charts into `folder`."""
    threshold = None
    if facts.threshold and facts.n_classes == 2:
        threshold = ensemble.best_threshold(
            np.concatenate(truths), np.concatenate(predictions)[:, 1], facts.seed
        )
    per_fold = []
    for y, p in zip(truths, predictions, strict=True):
        if facts.classification:
            per_fold.append(metrics.classification_metrics(y, p, threshold))
        else:
            per_fold.append(metrics.regression_metrics(y, p[:, 0], facts.low, facts.high))
    values = {name: float(np.nanmean([m[name] for m in per_fold])) for name in per_fold[0]}
    charts.write(facts, np.concatenate(truths), np.concatenate(predictions), threshold, folder / "metrics")
    return values, threshold
