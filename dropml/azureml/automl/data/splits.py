"""How rows are divided into training and validation.

Azure's rule where the job asks for nothing (learn.microsoft.com/azure/machine-learning/
how-to-configure-cross-validation-data-splits): above 20,000 rows 10 % are held out, below 1,000 rows
10-fold and in between 3-fold cross-validation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dropml.azureml.automl.spec import JobSpec, UserError


@dataclass(frozen=True)
class Split:
    train: np.ndarray
    valid: np.ndarray


def plan_splits(spec: JobSpec, y: np.ndarray) -> list[Split]:
    """Row indices of each fold; one fold is a hold-out. Stratified by class for classification."""
    n = len(y)
    rng = np.random.default_rng(spec.seed)
    strata = y if spec.classification else None
    size, folds = spec.validation_size, spec.n_cross_validations
    if folds is None and size is None:
        size, folds = (0.1, None) if n > 20_000 else (None, 10 if n < 1_000 else 3)
    if folds is None:
        return [_hold_out(n, strata, size or 0.1, rng)]
    if n < 2 * folds:
        raise UserError(f"{n} labelled rows are too few for {folds}-fold cross-validation.")
    order = _spread(n, strata, rng)
    if size is not None:  # both given: Monte Carlo cross-validation, as Azure does
        return [_hold_out(n, strata, size, rng) for _ in range(folds)]
    fold_of = np.empty(n, dtype="int64")
    fold_of[order] = np.arange(n) % folds
    return [Split(np.flatnonzero(fold_of != k), np.flatnonzero(fold_of == k)) for k in range(folds)]


def _spread(n: int, strata: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    """A random order in which every stratum is contiguous, so that striding through it stratifies."""
    order = rng.permutation(n)
    return order if strata is None else order[np.argsort(strata[order], kind="stable")]


def _hold_out(n: int, strata: np.ndarray | None, size: float, rng: np.random.Generator) -> Split:
    order = _spread(n, strata, rng)
    held = np.zeros(n, dtype=bool)
    # Every 1/size-th row of the stratified order, from a random start.
    start = rng.random()
    ticks = np.floor(np.arange(n + 1) * size + start)
    held[order[np.flatnonzero(np.diff(ticks) > 0)]] = True
    if not held.any() or held.all():
        raise UserError(f"A validation share of {size} of {n} rows leaves one side empty.")
    return Split(np.flatnonzero(~held), np.flatnonzero(held))
