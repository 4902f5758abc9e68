"""From labelled rows to what the workers fit on: column purposes, encoded folds, the facts of the job."""

from __future__ import annotations

from typing import Any

import numpy as np

from dropml.azureml.automl.data import purpose
from dropml.azureml.automl.data.load import Data
from dropml.azureml.automl.data.splits import Split
from dropml.azureml.automl.fit import metrics
from dropml.azureml.automl.fit.encode import Encoder
from dropml.azureml.automl.fit.scores import Scores
from dropml.azureml.automl.scratch import Facts, Scratch
from dropml.azureml.automl.spec import JobSpec, UserError

EXAMPLE_ROWS = 1000


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
    return Encoder(data.types, found, supervised, _imputers(spec), spec.seed)


def _imputers(spec: JobSpec) -> dict[str, Any]:
    """Imputer settings by column, from the wire's transformerParams."""
    out: dict[str, Any] = {}
    given = {str(k).lower(): v for k, v in (spec.featurization.get("transformerParams") or {}).items()}
    for entry in given.get("imputer") or []:
        parameters = entry.get("parameters") or {}
        for name in entry.get("fields") or []:
            out[str(name)] = {"strategy": parameters.get("strategy", "mean"), **parameters}
    return out


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
        types=data.types,
        low=low,
        high=high,
    )


def store_fold(scratch: Scratch, k: int, split: Split, encoder: Encoder, data: Data) -> None:
    """Fit the encoder on the fold's training rows alone; store the encoded rows of both sides."""
    scores = Scores.of(data.target.y, data.target.n_classes)
    train_x = encoder.fit_transform(data.table.take(split.train), scores.take(split.train))
    if data.valid_table is not None and data.valid_y is not None:
        valid_x, valid_y = encoder.transform(data.valid_table), data.valid_y
    else:
        valid_x, valid_y = encoder.transform(data.table.take(split.valid)), data.target.y[split.valid]
    scratch.save_array(f"fold{k}_train_x", train_x)
    scratch.save_array(f"fold{k}_train_y", data.target.y[split.train])
    scratch.save_array(f"fold{k}_valid_x", valid_x)
    scratch.save_array(f"fold{k}_valid_y", valid_y)
    if data.weights is not None:
        scratch.save_array(f"fold{k}_train_w", data.weights[split.train])
    if k == 0:
        scratch.save_object("fold0_encoder", encoder)


def store_all(scratch: Scratch, encoder: Encoder, data: Data) -> None:
    """Encoder and encoded rows for the refit."""
    scores = Scores.of(data.target.y, data.target.n_classes)
    scratch.save_array("all_x", encoder.fit_transform(data.table, scores))
    scratch.save_array("all_y", data.target.y)
    if data.weights is not None:
        scratch.save_array("all_w", data.weights)
    scratch.save_object("all_encoder", encoder)


def store_example(scratch: Scratch, data: Data, seed: int) -> None:
    """Rows for the input example and the parity check."""
    n = len(data.table)
    rows = np.sort(np.random.default_rng(seed).choice(n, min(n, EXAMPLE_ROWS), replace=False))
    scratch.save_object("example", data.table.take(rows))
