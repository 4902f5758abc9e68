"""The compiled form: JSON steps, LightGBM text trees and linear maps, on NumPy alone."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from scorer.errors import CompiledFormError
from scorer.features import Features
from scorer.links import Floats, combination
from scorer.members import FewRows, read_member
from scorer.signature import Signature

#: From so many rows on they are taken through the trees together, and shared out to all processors.
_MANY_ROWS = 100


@cache
def _processors() -> int:
    """Those this process may use; not every system tells, and then all there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_processors(), thread_name_prefix="rows")


class CompiledScorer:
    """Scores rows from `dropml/pipeline.json`. Safe to use from several threads."""

    def __init__(self, model_dir: Path) -> None:
        folder = model_dir / "dropml"
        form = folder / "form.json"
        if form.exists():
            status = json.loads(form.read_text(encoding="utf-8"))
            if status["form"] != "compiled":
                raise CompiledFormError(f"This model is served in its reference form: {status['reason']}.")
        if not (folder / "pipeline.json").exists():
            raise CompiledFormError(f"{folder} holds no compiled form.")
        document = json.loads((folder / "pipeline.json").read_text(encoding="utf-8"))
        self.types: dict[str, str] = document["types"]
        self.columns = list(self.types)
        self.labels: list[Any] | None = document["labels"]
        self.threshold: float | None = document["threshold"]
        self._signature = Signature(self.types)
        self._features = Features(document["features"], self.columns)
        self._n_features: int = document["n_features"]
        self.members = [read_member(m, folder, self._n_features) for m in document["members"]]
        self.combine: dict[str, Any] = document["combine"]
        self.outputs: int = document["outputs"]
        self._combine = combination(self.combine, self.outputs, classification=self.labels is not None)
        self._few = FewRows(self.members)
        two = self.outputs == 2 and self.combine["kind"] == "mean"
        #: Of the members of a mean of two labels' probabilities.
        self._pair_weights: list[float] = self.combine["weights"] if two else []

    def scores(self, rows: list[list[Any]]) -> Floats:
        """Probabilities (rows, labels), or (rows, 1), of rows in the signature's order; types are not checked."""
        x = self._encoded(rows)
        if len(x) < _MANY_ROWS or _processors() == 1:
            return self.model(x)
        parts = np.array_split(x, _processors())
        return np.concatenate(list(_pool().map(self.model, parts)))

    def _encoded(self, rows: list[list[Any]]) -> Floats:
        encode = self._features.encode
        return np.array([encode(row) for row in rows], dtype="float64").reshape(len(rows), self._n_features)

    def model(self, x: Floats) -> Floats:
        """Probabilities (rows, labels), or (rows, 1), of encoded rows."""
        if not 0 < len(x) < _MANY_ROWS:
            return self._combine([m.predict(x) for m in self.members])
        seconds = self._few.seconds(x) if len(x) == 1 and self._pair_weights else None
        return self._combine(self._few.parts(x)) if seconds is None else self._mean(seconds)

    def _mean(self, seconds: list[float]) -> Floats:
        """Both labels' probabilities (1, 2), where each member's of the second are known."""
        pairs = list(zip(self._pair_weights, seconds, strict=True))
        return np.array(
            [[sum(weight * (1.0 - p) for weight, p in pairs), sum(weight * p for weight, p in pairs)]]
        )

    def encoded(self, columns: list[str], data: list[list[Any]]) -> Floats:
        """The features that `model` takes. Raises SignatureError."""
        return self._encoded(self._signature.rows(columns, data))

    @property
    def sources(self) -> list[int]:
        """The place in `columns` of the column that each feature comes from."""
        return self._features.sources

    def predict_proba(self, columns: list[str], data: list[list[Any]]) -> list[list[float]]:
        if self.labels is None:
            raise TypeError("a regression model has no probabilities")
        rows = self._signature.rows(columns, data)
        answer: list[list[float]] = self.scores(rows).tolist() if rows else []
        return answer

    def predict(self, columns: list[str], data: list[list[Any]]) -> list[Any]:
        rows = self._signature.rows(columns, data)
        if not rows:
            return []
        scores = self.scores(rows)
        labels = self.labels
        if labels is None:
            numbers: list[Any] = scores[:, 0].tolist()
            return numbers
        if self.threshold is not None:
            return [labels[p >= self.threshold] for p in scores[:, 1].tolist()]
        return [labels[i] for i in scores.argmax(axis=1).tolist()]
