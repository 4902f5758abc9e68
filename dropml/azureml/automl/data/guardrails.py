"""Data guardrails in the service's words.

Types, states and sentences: learn.microsoft.com/azure/machine-learning/how-to-configure-auto-features#data-guardrails
and the service's console output. A class counts as imbalanced at 20 % or less of the largest one's rows
(concept-manage-ml-pitfalls). `parameters.details` holds the rows of the table that the service prints.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dropml.azureml.automl.data import purpose
from dropml.azureml.automl.data.load import Data
from dropml.azureml.automl.data.splits import Split
from dropml.azureml.automl.spec import JobSpec

IMBALANCE = 0.2
_FEATURIZATION = "Learn more about {}: https://aka.ms/AutomatedMLFeaturization"


def check(spec: JobSpec, data: Data, purposes: dict[str, str], splits: list[Split]) -> list[dict[str, Any]]:
    """Guardrails of the job, in the service's order. Without automatic featurization only those of the split."""
    found = _validation(spec, data, splits)
    if spec.featurization_mode == "off":
        return found
    if spec.classification:
        found.append(_balance(data, splits))
    found += [_missing(data, purposes), _cardinality(data, purposes)]
    if data.target.dropped:
        found.append(_labels(spec, data))
    return found


def _guardrail(
    kind: str, status: str, description: str, details: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "description": description,
        "parameters": {"details": details or []},
    }


def _validation(spec: JobSpec, data: Data, splits: list[Split]) -> list[dict[str, Any]]:
    if (
        spec.validation_data is not None
        or spec.validation_size is not None
        or spec.n_cross_validations is not None
    ):
        return []
    if len(splits) > 1:
        text = "Each iteration of the trained model was validated through cross-validation."
        return [_guardrail("Cross validation", "Done", text, [{"Number of folds": str(len(splits))}])]
    text = (
        "Your input data has been split into a training dataset and a holdout validation dataset for validation of the "
        "model. The validation holdout dataset reflects the original distribution of your input data."
    )
    rows = len(data.target.y)
    held = len(splits[0].valid)
    details = [
        {
            "Dataset": "train",
            "Row counts": str(rows - held),
            "Percentage": f"{100 * (rows - held) / rows:.2f}",
        }
    ]
    details.append(
        {"Dataset": "validation", "Row counts": str(held), "Percentage": f"{100 * held / rows:.2f}"}
    )
    return [_guardrail("Train-Test data split", "Done", text, details)]


def _balance(data: Data, splits: list[Split]) -> dict[str, Any]:
    kind = "Class balancing detection"
    learn = "Learn more about imbalanced data: https://aka.ms/AutomatedMLImbalancedData"
    y = data.target.y[splits[0].train] if len(splits) == 1 else data.target.y
    counts = np.bincount(y, minlength=data.target.n_classes)
    if counts.min() > IMBALANCE * counts.max():
        text = "Your inputs were analyzed, and all classes are balanced in your training data."
        return _guardrail(kind, "Passed", f"{text} {learn}")
    text = "To decrease model bias, please cancel the current run and fix balancing problem."
    details = {
        "Size of the smallest class": str(int(counts.min())),
        "Name/Label of the smallest class": str((data.target.labels or [])[int(counts.argmin())]),
        "Number of samples in the training data": str(len(y)),
    }
    return _guardrail(kind, "Alerted", f"{text} {learn}", [details])


def _missing(data: Data, purposes: dict[str, str]) -> dict[str, Any]:
    kind, learn = "Missing feature values imputation", _FEATURIZATION.format("missing value imputation")
    details = []
    for name, column in data.table.columns.items():
        count = int(column.missing.sum())
        if count and purposes[name] != purpose.IGNORE:
            how = "kept apart" if purposes[name] == purpose.NUMERIC else "own category"
            details.append({"Column name": name, "Missing value count": str(count), "Imputation type": how})
    if not details:
        return _guardrail(
            kind, "Passed", f"No feature missing values were detected in the training data. {learn}"
        )
    text = (
        "If the missing values are expected, let the run complete. Otherwise cancel the current run and use a script to "
        "customize the handling of missing feature values that may be more appropriate based on the data type and "
        "business requirement."
    )
    return _guardrail(kind, "Done", f"{text} {learn}", details)


def _cardinality(data: Data, purposes: dict[str, str]) -> dict[str, Any]:
    kind, learn = (
        "High cardinality feature detection",
        _FEATURIZATION.format("high cardinality feature handling"),
    )
    details = []
    for name, role in purposes.items():
        levels = data.table[name].levels
        if role == purpose.TEXT:
            details.append({"Column name": name, "Column Content Type": "text"})
        elif role == purpose.IGNORE and levels is not None and len(levels) > 1:
            details.append({"Column name": name, "Column Content Type": "hash"})
    if not details:
        text = "Your inputs were analyzed, and no high cardinality features were detected."
        return _guardrail(kind, "Passed", f"{text} {learn}")
    text = "High cardinality features were detected in your inputs and handled."
    return _guardrail(kind, "Done", f"{text} {learn}", details)


def _labels(spec: JobSpec, data: Data) -> dict[str, Any]:
    text = f"Rows whose label column {spec.target!r} is empty were left out of training."
    return _guardrail(
        "Missing label values", "Done", text, [{"Missing value count": str(data.target.dropped)}]
    )
