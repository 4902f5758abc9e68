"""Fitted models with one interface: `predict(x)` gives probabilities (n, classes), or (n, 1) for regression.

Every model takes the encoded matrix (float64, NaN = missing) and can be pickled.
"""

from __future__ import annotations

import json
from typing import Any, Protocol

import numpy as np

FLOAT32_MAX = float(np.finfo("float32").max)


class Model(Protocol):
    @property
    def rounds(self) -> int | None:
        """Boosting rounds or trees; a refit on more rows uses the same number."""

    @property
    def tuned(self) -> dict[str, Any]:
        """Parameters that the fit chose by itself; a refit uses them too."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Probabilities, or values, of encoded rows."""


def sigmoid(margin: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(margin, -700.0, 700.0))))


def softmax(margin: np.ndarray) -> np.ndarray:
    e = np.exp(margin - margin.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def two_columns(p: np.ndarray) -> np.ndarray:
    return np.column_stack([1.0 - p, p])


def bounded(x: np.ndarray) -> np.ndarray:
    """What scikit-learn's trees and XGBoost take: no number beyond float32."""
    if np.fmin.reduce(x, axis=None) >= -FLOAT32_MAX and np.fmax.reduce(x, axis=None) <= FLOAT32_MAX:
        return x
    return np.asarray(np.clip(x, -FLOAT32_MAX, FLOAT32_MAX))


def fill_missing(x: np.ndarray, fill: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(x), fill, x)


class LightGBMModel:
    """A LightGBM booster kept as its own text, so that pickling it needs no LightGBM."""

    tuned: dict[str, Any] = {}  # noqa: RUF012  replaced, never changed

    def __init__(self, text: str, n_classes: int, rounds: int) -> None:
        self.text, self.n_classes, self.rounds = text, n_classes, rounds
        self._booster: Any = None

    def predict(self, x: np.ndarray) -> np.ndarray:
        if self._booster is None:
            import lightgbm

            self._booster = lightgbm.Booster(model_str=self.text)
        out = np.asarray(self._booster.predict(x, num_threads=1 if x.size < 1_000_000 else 0))
        return two_columns(out) if self.n_classes == 2 else out.reshape(len(x), -1)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_booster": None}


class XGBoostModel:
    """An XGBoost booster kept as its own bytes (UBJSON).

    XGBoost adds its trees up in float32. Adding them up block by block in float64 keeps the digits that hundreds of
    trees would lose. `target`: for regression the prediction is target[0] + target[1] * the booster's.
    """

    BLOCK = 50
    tuned: dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed

    def __init__(
        self, raw: bytes, n_classes: int, rounds: int, target: tuple[float, float] = (0.0, 1.0)
    ) -> None:
        self.raw, self.n_classes, self.rounds, self.target = raw, n_classes, rounds, target
        self._booster: Any = None
        self._base: Any = None

    @property
    def booster(self) -> Any:
        if self._booster is None:
            import xgboost

            self._booster = xgboost.Booster(model_file=bytearray(self.raw))
        return self._booster

    @property
    def base(self) -> np.ndarray:
        """The margin that every row starts with, one for each output."""
        if self._base is None:
            learner = json.loads(self.booster.save_config())["learner"]
            score = np.atleast_1d(
                np.array(json.loads(learner["learner_model_param"]["base_score"]), dtype="float64")
            )
            score = np.resize(score, self.n_classes if self.n_classes > 2 else 1)
            self._base = np.log(score / (1 - score)) if self.n_classes == 2 else score
        return np.asarray(self._base)

    def predict(self, x: np.ndarray) -> np.ndarray:
        x = bounded(x)
        margin = np.tile(self.base, (len(x), 1))
        for start in range(0, self.rounds, self.BLOCK):
            block = (start, min(start + self.BLOCK, self.rounds))
            part = self.booster.inplace_predict(x, iteration_range=block, predict_type="margin")
            margin += np.asarray(part, dtype="float64").reshape(len(x), -1) - self.base
        if not self.n_classes:
            return self.target[0] + self.target[1] * margin
        return two_columns(sigmoid(margin[:, 0])) if self.n_classes == 2 else softmax(margin)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_booster": None}


class SklearnModel:
    """A scikit-learn estimator behind filling in, and scaling, the missing-free matrix where it needs that.

    `fill`, `center`, `scale`: one value for each feature, or None where the estimator takes NaN as it is.
    """

    rounds: int | None = None
    tuned: dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed

    def __init__(
        self,
        estimator: Any,
        n_classes: int,
        fill: np.ndarray | None = None,
        center: np.ndarray | None = None,
        scale: np.ndarray | None = None,
        target: tuple[float, float] = (0.0, 1.0),
        rounds: int | None = None,
    ) -> None:
        self.estimator, self.n_classes = estimator, n_classes
        self.fill, self.center, self.scale = fill, center, scale
        self.target = target  # regression: prediction = target[0] + target[1] * estimator's
        self.rounds = rounds

    def prepared(self, x: np.ndarray) -> np.ndarray:
        if self.fill is not None:
            x = fill_missing(x, self.fill)
        if self.center is not None:
            return np.asarray((x - self.center) / self.scale)
        return bounded(x)

    def predict(self, x: np.ndarray) -> np.ndarray:
        x = self.prepared(x)
        if not self.n_classes:
            out = np.asarray(self.estimator.predict(x), dtype="float64").reshape(-1, 1)
            return self.target[0] + self.target[1] * out
        return spread(np.asarray(self.estimator.predict_proba(x)), self.estimator.classes_, self.n_classes)


class PlattModel(SklearnModel):
    """An estimator with a decision function only, and a logistic regression on top of it (Platt 1999)."""

    def __init__(self, estimator: Any, calibrator: Any, n_classes: int, **prepare: Any) -> None:
        super().__init__(estimator, n_classes, **prepare)
        self.calibrator = calibrator

    def predict(self, x: np.ndarray) -> np.ndarray:
        margin = np.asarray(self.estimator.decision_function(self.prepared(x)))
        proba = self.calibrator.predict_proba(margin.reshape(len(x), -1))
        return spread(proba, self.calibrator.classes_, self.n_classes)


def spread(proba: np.ndarray, present: np.ndarray, n_classes: int) -> np.ndarray:
    """Probabilities of the classes present in training, put into the columns of all classes."""
    if proba.shape[1] == n_classes:
        return proba
    out = np.zeros((len(proba), n_classes))
    out[:, np.asarray(present, dtype=int)] = proba
    return out
