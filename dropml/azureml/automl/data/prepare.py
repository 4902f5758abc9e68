"""From the job's files to what the workers need: target, column purposes, splits, encoded folds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dropml.azureml.automl.data import labels, purpose
from dropml.azureml.automl.data.labels import Target
from dropml.azureml.automl.data.mltable import read_source, read_table
from dropml.azureml.automl.data.splits import Split, plan_splits
from dropml.azureml.automl.data.table import Column, Table
from dropml.azureml.automl.fit import metrics
from dropml.azureml.automl.fit.encode import Encoder, Scores
from dropml.azureml.automl.spec import JobSpec, UserError
from dropml.azureml.automl.store import Facts, Store

EXAMPLE_ROWS = 1000


@dataclass
class Data:
    """Labelled rows: features, target and weights; `valid` likewise where the job brings validation data."""

    table: Table
    target: Target
    weights: np.ndarray | None
    valid_table: Table | None = None
    valid_y: np.ndarray | None = None
    note: str = ""


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
        _load_validation(spec, data, declared)
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


def _load_validation(spec: JobSpec, data: Data, declared: str | None) -> None:
    assert spec.validation_data is not None
    table, column, _ = _read(spec, spec.validation_data, weighted=False)
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


def input_types(data: Data) -> dict[str, str]:
    return {name: column.type for name, column in data.table.columns.items()}


def encoder_for(spec: JobSpec, data: Data) -> Encoder:
    """An unfitted encoder by the job's featurization settings. Raises UserError where nothing is left to learn from."""
    mode = spec.featurization_mode
    found = purpose.purposes(data.table, mode, spec.featurization.get("columnNameAndTypes") or {})
    if all(role == purpose.IGNORE for role in found.values()):
        raise UserError(
            "No column is left to learn from: every one is constant, empty, or has a value of its own in each row."
        )
    blocked = {str(name).lower() for name in spec.featurization.get("blockedTransformers") or []}
    supervised = mode != "off" and not blocked & {"cattargetencoder", "woetargetencoder"}
    return Encoder(input_types(data), found, supervised, _imputers(spec), spec.seed)


def _imputers(spec: JobSpec) -> dict[str, Any]:
    """Imputer settings by column, from the wire's transformerParams."""
    out: dict[str, Any] = {}
    given = {str(k).lower(): v for k, v in (spec.featurization.get("transformerParams") or {}).items()}
    for entry in given.get("imputer") or []:
        parameters = entry.get("parameters") or {}
        for name in entry.get("fields") or []:
            out[str(name)] = {"strategy": parameters.get("strategy", "mean"), **parameters}
    return out


def make_splits(spec: JobSpec, data: Data) -> list[Split]:
    if data.valid_y is not None:
        everything = np.arange(len(data.target.y))
        return [Split(everything, np.array([], dtype=int))]
    return plan_splits(spec, data.target.y)


def facts_for(spec: JobSpec, data: Data, n_splits: int) -> Facts:
    y = data.target.y
    low, high = (float(y.min()), float(y.max())) if not spec.classification else (0.0, 1.0)
    return Facts(
        job=spec.job,
        n_classes=data.target.n_classes,
        n_splits=n_splits,
        primary=metrics.metric_name(spec.primary_metric, spec.classification),
        seed=spec.seed,
        threshold=spec.decision_threshold,
        labels=data.target.labels,
        types=input_types(data),
        low=low,
        high=high,
    )


def store_fold(store: Store, k: int, split: Split, encoder: Encoder, data: Data) -> None:
    """Fit the encoder on the fold's training rows alone; store the encoded rows of both sides."""
    scores = Scores.of(data.target.y, data.target.n_classes)
    train_x = encoder.fit_transform(data.table.take(split.train), scores.take(split.train))
    if data.valid_table is not None:
        assert data.valid_y is not None
        valid_x, valid_y = encoder.transform(data.valid_table), data.valid_y
    else:
        valid_x, valid_y = encoder.transform(data.table.take(split.valid)), data.target.y[split.valid]
    store.save_array(f"fold{k}_train_x", train_x)
    store.save_array(f"fold{k}_train_y", data.target.y[split.train])
    store.save_array(f"fold{k}_valid_x", valid_x)
    store.save_array(f"fold{k}_valid_y", valid_y)
    if data.weights is not None:
        store.save_array(f"fold{k}_train_w", data.weights[split.train])
    if k == 0:
        store.save_object("fold0_encoder", encoder)


def store_all(store: Store, encoder: Encoder, data: Data) -> None:
    """Encoder and encoded rows for the refit."""
    scores = Scores.of(data.target.y, data.target.n_classes)
    store.save_array("all_x", encoder.fit_transform(data.table, scores))
    store.save_array("all_y", data.target.y)
    if data.weights is not None:
        store.save_array("all_w", data.weights)
    store.save_object("all_encoder", encoder)


def store_example(store: Store, data: Data, seed: int) -> None:
    """Rows for the input example and the parity check."""
    n = len(data.table)
    rows = np.sort(np.random.default_rng(seed).choice(n, min(n, EXAMPLE_ROWS), replace=False))
    store.save_object("example", data.table.take(rows))
