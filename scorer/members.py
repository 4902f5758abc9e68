"""The members of a compiled model: trees, linear maps, kernel machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from scorer.links import LINKS, Floats
from scorer.trees import Trees


class Member(Protocol):
    def predict(self, x: Floats) -> Floats:
        """Probabilities (rows, labels), or values (rows, 1), of encoded rows."""


class TreeMember:
    """An ensemble of trees, and what is added to their sum."""

    def __init__(self, spec: dict[str, Any], folder: Path, n_features: int) -> None:
        text = (folder / spec["file"]).read_text(encoding="utf-8")
        self._trees = Trees(text, spec["outputs"], n_features)
        self._base = np.array(spec["base"]) if spec.get("base") is not None else None
        self._fill = np.array(spec["fill"]) if spec.get("fill") is not None else None
        self._link = LINKS[spec["link"]]

    def predict(self, x: Floats) -> Floats:
        if self._fill is not None:
            x = np.where(np.isnan(x), self._fill, x)
        margin = self._trees.raw_row(x.ctypes.data) if len(x) == 1 else self._trees.raw(x)
        return self._link(margin if self._base is None else margin + self._base)


class LinearMember:
    """An affine map of features that are filled, centred and scaled."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._fill, self._center = np.array(spec["fill"]), np.array(spec["center"])
        self._scale, self._intercept = np.array(spec["scale"]), np.array(spec["intercept"])
        self._coef = np.array(spec["coef"]).T
        self._binarize = spec.get("binarize", False)
        self._link = LINKS[spec["link"]]

    def predict(self, x: Floats) -> Floats:
        x = (np.where(np.isnan(x), self._fill, x) - self._center) / self._scale
        if self._binarize:
            x = (x > 0).astype("float64")
        return self._link(x @ self._coef + self._intercept)


class KernelMember(LinearMember):
    """An affine map of the radial basis functions around the support vectors."""

    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__(spec)
        self._vectors, self._gamma = np.array(spec["vectors"]), spec["gamma"]
        self._norms = np.einsum("ij,ij->i", self._vectors, self._vectors)

    def predict(self, x: Floats) -> Floats:
        x = (np.where(np.isnan(x), self._fill, x) - self._center) / self._scale
        parts = [self._kernels(x[i : i + 256]) @ self._coef for i in range(0, len(x), 256)]
        return self._link(np.concatenate(parts) + self._intercept)

    def _kernels(self, x: Floats) -> Floats:
        squares = np.einsum("ij,ij->i", x, x)[:, None] + self._norms - 2.0 * (x @ self._vectors.T)
        kernels: Floats = np.exp(-self._gamma * np.maximum(squares, 0.0))
        return kernels


def read_member(spec: dict[str, Any], folder: Path, n_features: int) -> Member:
    """The member that an entry of `pipeline.json` describes; `folder` holds its trees."""
    if spec["kind"] == "trees":
        return TreeMember(spec, folder, n_features)
    return KernelMember(spec) if spec["kind"] == "kernel" else LinearMember(spec)
