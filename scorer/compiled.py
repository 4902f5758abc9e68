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
from scorer.signature import Signature
from scorer.trees import Trees

#: From so many rows on they are shared out to all processors.
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
        self._members = [_member(m, folder, self._n_features) for m in document["members"]]
        self._combine = _combination(document["combine"], document["outputs"], self.labels is not None)

    def scores(self, rows: list[list[Any]]) -> np.ndarray:
        """Probabilities (rows, labels), or (rows, 1), of rows in the signature's order; types are not checked."""
        encode = self._features.encode
        x = np.array([encode(row) for row in rows], dtype="float64").reshape(len(rows), self._n_features)
        if len(x) < _MANY_ROWS or _processors() == 1:
            return self._model(x)
        parts = np.array_split(x, _processors())
        return np.concatenate(list(_pool().map(self._model, parts)))

    def _model(self, x: np.ndarray) -> np.ndarray:
        return self._combine([member.predict(x) for member in self._members])

    def predict_proba(self, columns: list[str], data: list[list[Any]]) -> list[list[float]]:
        if self.labels is None:
            raise TypeError("a regression model has no probabilities")
        rows = self._signature.rows(columns, data)
        return self.scores(rows).tolist() if rows else []

    def predict(self, columns: list[str], data: list[list[Any]]) -> list[Any]:
        rows = self._signature.rows(columns, data)
        if not rows:
            return []
        scores = self.scores(rows)
        labels = self.labels
        if labels is None:
            return scores[:, 0].tolist()
        if self.threshold is not None:
            return [labels[p >= self.threshold] for p in scores[:, 1].tolist()]
        return [labels[i] for i in scores.argmax(axis=1).tolist()]


def _combination(spec: dict[str, Any], outputs: int, classification: bool) -> Any:
    if spec["kind"] == "mean":
        weights = spec["weights"]
        if weights == [1.0]:
            return lambda parts: parts[0]

        def mean(parts: list[np.ndarray]) -> np.ndarray:
            total = weights[0] * parts[0]
            for weight, part in zip(weights[1:], parts[1:], strict=True):
                total += weight * part
            return total

        return mean
    coef, intercept = np.array(spec["coef"]), np.array(spec["intercept"])
    link = _LINKS["identity" if not classification else "sigmoid" if outputs == 2 else "softmax"]

    def stacked(parts: list[np.ndarray]) -> np.ndarray:
        inputs = np.concatenate([_meta(p, outputs, classification) for p in parts], axis=1)
        return link(inputs @ coef.T + intercept)

    return stacked


def _meta(prediction: np.ndarray, outputs: int, classification: bool) -> np.ndarray:
    if not classification:
        return prediction
    clipped = np.clip(prediction, 1e-6, 1 - 1e-6)
    return np.log(clipped[:, 1:] / clipped[:, :1]) if outputs == 2 else np.log(clipped)


def _sigmoid(margin: np.ndarray) -> np.ndarray:
    return _pair(_expit(margin))


def _expit(margin: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(margin, -700.0, 700.0)))


def _pair(p: np.ndarray) -> np.ndarray:
    out = np.empty((len(p), 2))
    out[:, 1] = p[:, 0]
    np.subtract(1.0, p[:, 0], out=out[:, 0])
    return out


def _softmax(margin: np.ndarray) -> np.ndarray:
    e = np.exp(margin - margin.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _one_vs_rest(margin: np.ndarray) -> np.ndarray:
    p = _expit(margin)
    return p / p.sum(axis=1, keepdims=True)


_LINKS: dict[str, Any] = {
    "identity": lambda margin: margin,
    "sigmoid": _sigmoid,
    "probability": _pair,
    "softmax": _softmax,
    "one_vs_rest": _one_vs_rest,
}


def _member(spec: dict[str, Any], folder: Path, n_features: int) -> Any:
    if spec["kind"] == "trees":
        return _TreeMember(spec, folder, n_features)
    return _KernelMember(spec) if spec["kind"] == "kernel" else _LinearMember(spec)


class _TreeMember:
    def __init__(self, spec: dict[str, Any], folder: Path, n_features: int) -> None:
        text = (folder / spec["file"]).read_text(encoding="utf-8")
        self._trees = Trees(text, spec["outputs"], n_features)
        self._base = np.array(spec["base"]) if spec.get("base") is not None else None
        self._fill = np.array(spec["fill"]) if spec.get("fill") is not None else None
        self._link = _LINKS[spec["link"]]

    def predict(self, x: np.ndarray) -> np.ndarray:
        if self._fill is not None:
            x = np.where(np.isnan(x), self._fill, x)
        margin = self._trees.raw_row(x.ctypes.data) if len(x) == 1 else self._trees.raw(x)
        return self._link(margin if self._base is None else margin + self._base)


class _LinearMember:
    def __init__(self, spec: dict[str, Any]) -> None:
        self._fill, self._center = np.array(spec["fill"]), np.array(spec["center"])
        self._scale, self._intercept = np.array(spec["scale"]), np.array(spec["intercept"])
        self._coef = np.array(spec["coef"]).T
        self._binarize = spec.get("binarize", False)
        self._link = _LINKS[spec["link"]]

    def predict(self, x: np.ndarray) -> np.ndarray:
        x = (np.where(np.isnan(x), self._fill, x) - self._center) / self._scale
        if self._binarize:
            x = (x > 0).astype("float64")
        return self._link(x @ self._coef + self._intercept)


class _KernelMember(_LinearMember):
    """An affine map of the radial basis functions around the support vectors."""

    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__(spec)
        self._vectors, self._gamma = np.array(spec["vectors"]), spec["gamma"]
        self._norms = np.einsum("ij,ij->i", self._vectors, self._vectors)

    def predict(self, x: np.ndarray) -> np.ndarray:
        x = (np.where(np.isnan(x), self._fill, x) - self._center) / self._scale
        parts = [self._kernels(x[i : i + 256]) @ self._coef for i in range(0, len(x), 256)]
        return self._link(np.concatenate(parts) + self._intercept)

    def _kernels(self, x: np.ndarray) -> np.ndarray:
        squares = np.einsum("ij,ij->i", x, x)[:, None] + self._norms - 2.0 * (x @ self._vectors.T)
        return np.exp(-self._gamma * np.maximum(squares, 0.0))
