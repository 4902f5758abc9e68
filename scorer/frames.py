"""Models that score DataFrames: MLflow's, and scikit-learn's from a `model.pkl`."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

from scorer.answer import Answer, decided, labelled
from scorer.errors import RequestError, SignatureError
from scorer.signature import Signature

#: Of a normal distribution, within which an interval's share of the values lies.
_COVERAGE, _DEVIATIONS = 0.95, 1.959963984540054
#: By the signature's types; moments are apart.
DTYPES = {
    "long": "int64",
    "integer": "int32",
    "double": "float64",
    "float": "float32",
    "boolean": "object",
    "string": "object",
}

#: What scikit-learn and pandas raise at values that they can't take.
_REFUSALS: tuple[type[Exception], ...] = (ValueError, TypeError, KeyError, OverflowError)
_CELLS = {type(None), bool, int, float, str, list, dict}
#: Of a classifier with a threshold of its own, in whose terms `predict` answers.
_THRESHOLDS = {"FixedThresholdClassifier": "threshold", "TunedThresholdClassifierCV": "best_threshold_"}


class FrameModel:
    """An estimator with `predict`, and where it has it `predict_proba` or `predict(..., return_std=True)`.

    `signature`: None where nothing declares the columns' types. `refusals`: what else the model raises at rows it can't score.
    """

    def __init__(
        self,
        predict: Callable[[Any], Any],
        estimator: Any,
        signature: Signature | None,
        optional: frozenset[str] = frozenset(),
        refusals: tuple[type[Exception], ...] = (),
    ) -> None:
        self.predict, self._estimator, self._refusals = predict, estimator, _REFUSALS + refusals
        self.signature, self.optional = signature, optional
        named = getattr(estimator, "feature_names_in_", None)
        self.columns: list[str] | None = signature.columns if signature else None
        if self.columns is None and named is not None:
            self.columns = [str(name) for name in named]
        self._width = getattr(estimator, "n_features_in_", None)
        self.labels = _labels(estimator)
        last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
        self._threshold = _own_threshold(last, self.labels)
        parameters = inspect.signature(last.predict).parameters if hasattr(last, "predict") else {}
        self._spread = self.labels is None and "return_std" in parameters

    def answer(
        self,
        columns: list[str] | None,
        rows: list[list[Any]],
        *,
        probabilities: bool,
        threshold: float | None = None,
    ) -> Answer:
        """Raises RequestError, SignatureError."""
        if not rows:
            held = self._threshold if threshold is None else threshold
            return labelled([], self.labels, held, [] if probabilities else None)
        try:
            frame = self.frame(columns, rows)
            return self._scored(frame, probabilities=probabilities, threshold=threshold)
        except (SignatureError, RequestError):
            raise
        except Exception as error:
            number = self._first_refused(columns, rows) if self._is_refusal(error) else None
            if number is None:
                raise
            message = f"row {number}: the model refuses it: {str(error)[:300]}"
            raise RequestError(
                400, "invalid-rows", message, [{"row": number, "message": str(error)[:300]}]
            ) from error

    def explanation(
        self, columns: list[str] | None, rows: list[list[Any]], result: list[Any]
    ) -> dict[str, Any]:
        """None: a pickled model tells nothing of how it comes to its scores."""
        raise RequestError(
            400,
            "no-explanation",
            "this model is served from its pickled form, and only a compiled one can be explained: leave explain out.",
        )

    def _scored(self, frame: Any, *, probabilities: bool, threshold: float | None = None) -> Answer:
        """The estimator's own threshold is in what it predicts; another one decides by its probabilities."""
        if self._spread:
            mean, deviation = self._estimator.predict(frame, return_std=True)
            margin = _DEVIATIONS * deviation
            intervals = [list(pair) for pair in zip(plain(mean - margin), plain(mean + margin), strict=True)]
            return {"result": plain(mean), "intervals": intervals, "coverage": _COVERAGE}
        if self.labels is not None and threshold is not None:
            shares = plain(self._estimator.predict_proba(frame))
            result = [decided(row, self.labels, threshold) for row in shares]
            return labelled(result, self.labels, threshold, shares if probabilities else None)
        result = plain(self.predict(frame))
        shares = (
            plain(self._estimator.predict_proba(frame)) if probabilities and self.labels is not None else None
        )
        return labelled(result, self.labels, self._threshold, shares)

    def _first_refused(self, columns: list[str] | None, rows: list[list[Any]]) -> int | None:
        """The first row that is refused, alone or with those before it: a word after numbers may be refused only there."""
        low, high = 0, len(rows)
        while low < high:
            middle = (low + high) // 2
            if self._refuses(columns, rows[: middle + 1]):
                high = middle
            else:
                low = middle + 1
        return low if low < len(rows) else None

    def _refuses(self, columns: list[str] | None, rows: list[list[Any]]) -> bool:
        try:
            self._scored(self.frame(columns, rows), probabilities=self.labels is not None)
        except Exception as error:
            if self._is_refusal(error):
                return True
            raise
        return False

    def _is_refusal(self, error: Exception) -> bool:
        """Whether rows are at fault, and not the model: an attribute is asked of a cell of another type than the model's."""
        if isinstance(error, AttributeError):
            return type(error.obj) in _CELLS
        return isinstance(error, self._refusals)

    def frame(self, columns: list[str] | None, rows: list[list[Any]]) -> Any:
        """Rows as the model wants them. Raises RequestError, SignatureError."""
        if self.signature is not None and columns is not None:
            return self._typed(self.signature, columns, rows)
        if self.columns is None and self._width is not None:
            return _matrix(rows, self._width)
        names = self.columns or columns
        _same_width(rows, len(columns or names or rows[0]))
        if self.columns is not None and columns is not None and columns != self.columns:
            position = {name: i for i, name in enumerate(columns)}
            order = [position[name] for name in self.columns]
            rows = [[row[i] for i in order] for row in rows]
        import pandas as pd

        cells = [[math.nan if cell is None else cell for cell in row] for row in rows]
        return pd.DataFrame(cells, columns=names)

    def _typed(self, signature: Signature, columns: list[str], rows: list[list[Any]]) -> Any:
        """Columns of the types that the signature declares, as MLflow wants them."""
        import pandas as pd

        here = {
            name: kind
            for name, kind in signature.types.items()
            if name in columns or name not in self.optional
        }
        checked = (signature if len(here) == len(signature.types) else Signature(here)).rows(columns, rows)
        frame = pd.DataFrame(checked, columns=list(here), dtype=object)
        for name, kind in here.items():
            if kind == "datetime":
                frame[name] = pd.to_datetime(frame[name].astype("float64"), unit="s")
            elif kind == "boolean" and not frame[name].isna().any():
                frame[name] = frame[name].astype("bool")
            else:
                frame[name] = frame[name].astype(DTYPES[kind])
        return frame


def _labels(estimator: Any) -> list[Any] | None:
    """Of a classifier with probabilities for one target; AutoML's regressions have the attributes, too, and nothing in them."""
    classes = getattr(estimator, "classes_", None) if hasattr(estimator, "predict_proba") else None
    found = None if isinstance(classes, list) else plain(classes)
    return found if isinstance(found, list) else None


def _own_threshold(last: Any, labels: list[Any] | None) -> float | None:
    """From which probability of the second of two classes `predict` answers it; None where it goes by another rule.

    Not every `threshold` is one: scikit-learn's SelfTrainingClassifier labels its own training rows by one of that name.
    """
    if labels is None or len(labels) != 2 or getattr(last, "pos_label", None) not in (None, labels[1]):
        return None
    ours = "threshold" if hasattr(last, "labels") else ""
    threshold = getattr(last, _THRESHOLDS.get(type(last).__name__, ours), None)
    if isinstance(threshold, bool) or not isinstance(threshold, int | float):
        return None
    return float(threshold) if getattr(last, "response_method", "") != "decision_function" else None


def _same_width(rows: list[list[Any]], width: int) -> None:
    for number, row in enumerate(rows):
        if len(row) != width:
            message = f"{width} columns passed, passed data had {len(row)} columns"
            raise RequestError(
                400, "invalid-rows", f"row {number}: {message}", [{"row": number, "message": message}]
            )


def _matrix(rows: list[list[Any]], width: int) -> Any:
    import numpy as np

    _same_width(rows, width)
    numbers = all(isinstance(cell, int | float) or cell is None for row in rows for cell in row)
    return np.array(rows, dtype="float64" if numbers else "object")


def plain(values: Any) -> Any:
    """Arrays, series and tables as lists that JSON knows; NaN is null, a moment its ISO 8601."""
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, list | tuple):
        return [plain(value) for value in values]
    if isinstance(values, dict):
        return {str(name): plain(value) for name, value in values.items()}
    if isinstance(values, float):
        return values if math.isfinite(values) else None
    if values is None or isinstance(values, str | int):
        return values
    return values.isoformat() if hasattr(values, "isoformat") else str(values)
