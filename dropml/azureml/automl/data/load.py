"""From the job's files to labelled rows and their splits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dropml.azureml.automl.data import labels
from dropml.azureml.automl.data.labels import Target
from dropml.azureml.automl.data.mltable import read_source
from dropml.azureml.automl.data.reader import read_table
from dropml.azureml.automl.data.splits import Split, plan_splits
from dropml.azureml.automl.data.table import Column, Table
from dropml.azureml.automl.spec import JobSpec, UserError


@dataclass
class Data:
    """Labelled rows: features, target and weights; `valid` likewise where the job brings validation data."""

    table: Table
    target: Target
    weights: np.ndarray | None
    valid_table: Table | None = None
    valid_y: np.ndarray | None = None

    @property
    def types(self) -> dict[str, str]:
        """MLflow type of each feature."""
        return {name: column.type for name, column in self.table.columns.items()}


def load(spec: JobSpec) -> Data:
    """Read and check the job's data. Raises UserError with a sentence."""
    declared = read_source(spec.training_data).types.get(spec.target)
    table, column, weights = _read(spec, spec.training_data)
    target = labels.class_target(column, declared) if spec.classification else labels.number_target(column)
    if target.dropped:
        table = table.take(target.rows)
        weights = None if weights is None else weights[target.rows]
    if not table.names:
        raise UserError("The data has no column besides the label.")
    data = Data(table, target, weights)
    if spec.validation_data is not None:
        _load_validation(spec, spec.validation_data, data, declared)
    return data


def _read(spec: JobSpec, folder: Path, *, weighted: bool = True) -> tuple[Table, Column, np.ndarray | None]:
    table = read_table(folder, text_columns={spec.target})
    if spec.target not in table.columns:
        raise UserError(
            f"The target column {spec.target!r} is not in the data; its columns are {', '.join(table.names[:30])}."
        )
    column = table.pop(spec.target)
    weights = None
    if spec.weight_column and not weighted:
        table.columns.pop(spec.weight_column, None)
    elif spec.weight_column:
        if spec.weight_column not in table.columns:
            raise UserError(f"The weight column {spec.weight_column!r} is not in the data.")
        weights = table.pop(spec.weight_column).values
        if (
            weights is None
            or not np.all(np.isfinite(weights))
            or np.any(weights < 0)
            or not np.any(weights > 0)
        ):
            raise UserError(
                f"The weight column {spec.weight_column!r} must hold a number of 0 or more in every row."
            )
    return table, column, weights


def _load_validation(spec: JobSpec, folder: Path, data: Data, declared: str | None) -> None:
    table, column, _ = _read(spec, folder, weighted=False)
    absent = [n for n in data.table.names if n not in table.columns]
    if absent:
        raise UserError(f"The validation data lacks the columns {', '.join(absent)}.")
    if spec.classification:
        target = labels.class_target(column, declared)
        position = {label: i for i, label in enumerate(data.target.labels or [])}
        known = np.array([position.get(label, -1) for label in target.labels or []])
        y, rows = known[target.y], target.rows
        rows, y = rows[y >= 0], y[y >= 0].astype("int32")
    else:
        target = labels.number_target(column)
        y, rows = target.y, target.rows
    if not len(rows):
        raise UserError("No row of the validation data has a label that the training data knows.")
    data.valid_table = Table(table[n] for n in data.table.names).take(rows)
    data.valid_y = y


def make_splits(spec: JobSpec, data: Data) -> list[Split]:
    if data.valid_y is not None:
        everything = np.arange(len(data.target.y))
        return [Split(everything, np.array([], dtype=int))]
    return plan_splits(spec, data.target.y)
