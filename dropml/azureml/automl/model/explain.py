"""Global feature importance of the best model, the service's way: a LightGBM surrogate and its mean |SHAP| values.

learn.microsoft.com/azure/machine-learning/how-to-machine-learning-interpretability-automl (mimic explainer).
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from dropml.azureml.automl.data.table import Table
from dropml.azureml.automl.model.pipeline import AutoMLPipeline

ROWS, ROUNDS, MAX_CLASSES = 1_000, 40, 5


def explain(
    pipeline: AutoMLPipeline, table: Table, folder: Path, threads: int, seed: int, deadline: float
) -> bool:
    """Write `global_importance.json`: raw and engineered features, most important first.

    False, and no file, if not even one class could be explained before `deadline` (unix seconds).
    """
    x = pipeline.encoder.transform(table.take(np.arange(min(ROWS, len(table)))))
    values = _importance(x, np.asarray(pipeline.model.predict(x)), threads, seed, deadline)
    if values is None:
        return False
    names = pipeline.encoder.feature_names
    raw: dict[str, float] = dict.fromkeys(pipeline.types, 0.0)
    for (column, _), value in zip(names, values, strict=True):
        raw[column] += float(value)
    engineered = {f"{column}_{feature}": float(v) for (column, feature), v in zip(names, values, strict=True)}
    document = {
        "method": "mimic explainer: LightGBM surrogate of the model's output, mean absolute SHAP value",
        "rows": len(x),
        "raw": _ordered(raw),
        "engineered": _ordered(engineered),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "global_importance.json").write_text(json.dumps(document), encoding="utf-8")
    return True


def _importance(
    x: np.ndarray, prediction: np.ndarray, threads: int, seed: int, deadline: float
) -> np.ndarray | None:
    """Mean |SHAP| of each feature, averaged over as many of the most frequent classes as there is time for."""
    import lightgbm

    columns = prediction[:, 1:] if prediction.shape[1] == 2 else prediction
    total, done, longest = np.zeros(x.shape[1]), 0, 0.3
    for j in np.argsort(-columns.sum(axis=0))[:MAX_CLASSES]:
        start = time.monotonic()
        if start + 1.5 * longest > deadline:
            break
        target = columns[:, j]
        if prediction.shape[1] > 1:
            clipped = np.clip(target, 1e-6, 1 - 1e-6)
            target = np.log(clipped / (1 - clipped))
        options = {
            "num_threads": threads,
            "verbose": -1,
            "num_leaves": 31,
            "seed": seed,
            "min_data_in_leaf": 5,
        }
        surrogate = lightgbm.train(options, lightgbm.Dataset(x, target), ROUNDS)
        contributions = np.asarray(surrogate.predict(x, pred_contrib=True, num_threads=threads))[:, :-1]
        total += np.abs(contributions).mean(axis=0)
        done, longest = done + 1, max(longest, time.monotonic() - start)
    return total / done if done else None


def _ordered(values: dict[str, float]) -> dict[str, list[Any]]:
    names = sorted(values, key=lambda name: -values[name])
    return {"features": names, "importances": [values[name] for name in names]}
