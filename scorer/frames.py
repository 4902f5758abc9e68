"""Models that score DataFrames: MLflow's, and scikit-learn's from a `model.pkl`."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

from scorer.answer import Answer, decided, labelled
from scorer.errors import RequestError
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


class FrameModel:
    """An estimator with `predict`, and where it has it `predict_proba` or `predict(..., return_std=True)`.

    `signature`: None where nothing declares the columns' types. `refusals`: what a model raises at rows it can't score.
    """

    def __init__(
        self,
        predict: Callable[[Any], Any],
        estimator: Any,
        signature: Signature | None,
        optional: frozenset[str] = frozenset(),
        refusals: tuple[type[Exception], ...] = (ValueError, TypeError, KeyError),
    ) -> None:
        self.predict, self._estimator, self._refusals = predict, estimator, refusals
        self.signature, self.optional = signature, optional
        named = getattr(estimator, "feature_names_in_", None)
        self.columns: list[str] | None = signature.columns if signature else None
        if self.columns is None and named is not None:
            self.columns = [str(name) for name in named]
        self._width = getattr(estimator, "n_features_in_", None)
        self.labels = _labels(estimator)
        threshold = getattr(estimator, "threshold", None)
        two = self.labels is not None and len(self.labels) == 2
        self._threshold = float(threshold) if two and isinstance(threshold, int | float) else None
        last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
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
        frame = self.frame(columns, rows)
        try:
            return self._scored(frame, probabilities=probabilities, threshold=threshold)
        except self._refusals as error:
            number = self._first_refused(frame)
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

    def _first_refused(self, frame: Any) -> int | None:
        """The first row that is refused alone; None where only all of them together are."""
        low, high = 0, len(frame)
        while low < high:
            middle = (low + high) // 2
            if self._refuses(frame[low : middle + 1]):
                high = middle
            else:
                low = middle + 1
        return low if low < len(frame) and self._refuses(frame[low : low + 1]) else None

    def _refuses(self, frame: Any) -> bool:
        try:
            self._scored(frame, probabilities=self.labels is not None)
        except self._refusals:
            return True
        return False

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
    """Of a classifier with probabilities for one target."""
    classes = getattr(estimator, "classes_", None) if hasattr(estimator, "predict_proba") else None
    return None if classes is None or isinstance(classes, list) else list(plain(classes))


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
    if isinstance(values, float):
        return values if math.isfinite(values) else None
    if values is None or isinstance(values, str | int):
        return values
    return values.isoformat() if hasattr(values, "isoformat") else str(values)
