"""Global feature importance of the best model, the service's way: a LightGBM surrogate and its mean |SHAP| values.

learn.microsoft.com/azure/machine-learning/how-to-machine-learning-interpretability-automl (mimic explainer).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from .pipeline import AutoMLPipeline
from .table import Table

ROWS, ROUNDS = 2_000, 60


def explain(pipeline: AutoMLPipeline, table: Table, folder: Path, threads: int, seed: int) -> dict[str, Any]:
    """Write `global_importance.json`: raw and engineered features, most important first."""
    x = pipeline.encoder.transform(table.take(np.arange(min(ROWS, len(table)))))
    values = _importance(x, np.asarray(pipeline.model.predict(x)), threads, seed)
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
    return document


def _importance(x: np.ndarray, prediction: np.ndarray, threads: int, seed: int) -> np.ndarray:
    """Mean over the outputs of the mean |SHAP| of each feature."""
    import lightgbm

    columns = prediction[:, 1:] if prediction.shape[1] == 2 else prediction[:, :10]
    total = np.zeros(x.shape[1])
    for j in range(columns.shape[1]):
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
    return total / columns.shape[1]


def _ordered(values: dict[str, float]) -> dict[str, list[Any]]:
    names = sorted(values, key=lambda name: -values[name])
    return {"features": names, "importances": [values[name] for name in names]}
