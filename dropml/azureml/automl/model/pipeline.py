"""The reference pipeline kept in `model.pkl`: a DataFrame in, labels and probabilities out."""

from __future__ import annotations

from typing import Any

import numpy as np

from dropml.azureml.automl.data.table import from_frame
from dropml.azureml.automl.fit.encode import Encoder
from dropml.azureml.automl.fit.models import Model, sigmoid, softmax


class VotingEnsemble:
    """Weighted mean of the members' probabilities (or predictions)."""

    rounds: int | None = None
    tuned: dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed

    def __init__(self, members: list[Model], weights: list[float]) -> None:
        self.members, self.weights = members, weights

    def predict(self, x: np.ndarray) -> np.ndarray:
        total: Any = 0.0
        for member, weight in zip(self.members, self.weights, strict=True):
            total = total + weight * member.predict(x)
        return np.asarray(total)


class StackEnsemble:
    """A linear model on the members' predictions: log-odds for classes, the values for regression.

    `coef` (outputs, inputs) and `intercept` (outputs,); inputs are ordered member by member.
    """

    rounds: int | None = None
    tuned: dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed

    def __init__(self, members: list[Model], coef: np.ndarray, intercept: np.ndarray, n_classes: int) -> None:
        self.members, self.coef, self.intercept, self.n_classes = members, coef, intercept, n_classes

    def predict(self, x: np.ndarray) -> np.ndarray:
        inputs = np.column_stack([meta_inputs(m.predict(x), self.n_classes) for m in self.members])
        margin = inputs @ self.coef.T + self.intercept
        if not self.n_classes:
            return np.asarray(margin)
        if self.n_classes == 2:
            p = sigmoid(margin[:, 0])
            return np.column_stack([1.0 - p, p])
        return softmax(margin)


def meta_inputs(prediction: np.ndarray, n_classes: int) -> np.ndarray:
    """What the meta-learner sees of one member: log-odds, log-probabilities, or the value itself."""
    if not n_classes:
        return prediction
    clipped = np.clip(prediction, 1e-6, 1 - 1e-6)
    if n_classes == 2:
        return np.asarray(np.log(clipped[:, 1:] / clipped[:, :1]))
    return np.asarray(np.log(clipped))


class AutoMLPipeline:
    """Encoder and model behind scikit-learn's `predict` and `predict_proba`.

    `types`: MLflow type of each input column. `threshold`: probability of the second of two labels from which
    it is predicted; None means the more probable one.
    """

    def __init__(
        self,
        types: dict[str, str],
        encoder: Encoder,
        model: Model,
        labels: list[Any] | None,
        threshold: float | None = None,
    ) -> None:
        self.types, self.encoder, self.model = types, encoder, model
        self.labels, self.threshold = labels, threshold

    @property
    def classes_(self) -> np.ndarray:
        return np.array(self.labels)

    def _scores(self, frame: Any) -> np.ndarray:
        return np.asarray(self.model.predict(self.encoder.transform(from_frame(frame, self.types))))

    def predict_proba(self, frame: Any) -> np.ndarray:
        if self.labels is None:
            raise AttributeError("a regression model has no probabilities")
        return self._scores(frame)

    def predict(self, frame: Any) -> np.ndarray:
        scores = self._scores(frame)
        if self.labels is None:
            return scores[:, 0]
        return np.asarray(self.classes_[decide(scores, self.threshold)])


def decide(proba: np.ndarray, threshold: float | None) -> np.ndarray:
    """Class index of each row."""
    if threshold is None:
        return np.asarray(proba.argmax(axis=1))
    return (proba[:, 1] >= threshold).astype(int)
