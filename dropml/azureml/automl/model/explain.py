"""Global feature importance of the best model, the service's way: a LightGBM surrogate and its mean |SHAP| values.

learn.microsoft.com/azure/machine-learning/how-to-machine-learning-interpretability-automl (mimic explainer).
"""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np

from dropml.azureml.automl.data.table import Table
from dropml.azureml.automl.model.pipeline import AutoMLPipeline

ROWS, ROUNDS, MAX_CLASSES = 1_000, 40, 5
METHOD = "mimic explainer: LightGBM surrogate of the model's output, mean absolute SHAP value"
#: How azureml-interpret stores an explanation: up to three blocks of a hundred features, the last taking the rest.
_BLOCKS, _BLOCK, _SUFFIX = 3, 100, ".interpret.json"


def explain(
    pipeline: AutoMLPipeline, table: Table, folder: Path, threads: int, seed: int, deadline: float
) -> bool:
    """Write the importance of raw and of engineered features, each in a folder named by 8 characters of its id.

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
    for is_raw, importances in ((True, raw), (False, engineered)):
        _write(folder / uuid.uuid4().hex[:8], importances, is_raw=is_raw, rows=len(x))
    return True


def _write(folder: Path, importances: dict[str, float], *, is_raw: bool, rows: int) -> None:
    """Names, ranks and values, most important first, in blocks of a hundred features."""
    original = list(importances)
    order = sorted(range(len(original)), key=lambda i: -importances[original[i]])
    columns: dict[str, list[Any]] = {
        "global_names": [original[i] for i in order],
        "global_rank": order,
        "global_values": [importances[original[i]] for i in order],
    }
    for name, values in columns.items():
        for block, part in enumerate(_blocks(values)):
            _document(folder / name / f"{block}{_SUFFIX}", part)
    _document(folder / f"features{_SUFFIX}", original)
    _document(folder / f"rich_metadata{_SUFFIX}", {"is_raw": is_raw, "method": METHOD, "rows": rows})


def _blocks(values: list[Any]) -> list[list[Any]]:
    """The last block takes what is left over, however much."""
    cuts = [i * _BLOCK for i in range(max(1, min(_BLOCKS, -(-len(values) // _BLOCK))))]
    return [values[start:end] for start, end in zip(cuts, [*cuts[1:], None], strict=True)]


def _document(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


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
