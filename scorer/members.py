"""The members of a compiled model: trees, linear maps, kernel machines."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from scorer.errors import UnexplainedError
from scorer.links import LINKS, OF_ONE, Floats
from scorer.masks import Forest, masks, read_forest
from scorer.trees import Trees

#: With fewer, LightGBM's walk is as quick as NumPy.
_MANY_LEAVES = 5000


class Member(Protocol):
    def predict(self, x: Floats) -> Floats:
        """Probabilities (rows, labels), or values (rows, 1), of encoded rows."""

    @property
    def link(self) -> str:
        """What makes probabilities of margins, by its name in LINKS."""

    def attributed(self, x: Floats, owners: Floats) -> tuple[Floats, Floats]:
        """Shapley values of the margins: of no row in particular (outputs,), and (rows, outputs, columns) of each column.

        `owners` (features, columns): 1 where a feature comes from a column. Raises UnexplainedError where the files lack what
        it takes.
        """


class TreeMember:
    """An ensemble of trees, and what is added to their sum."""

    def __init__(self, spec: dict[str, Any], folder: Path, n_features: int) -> None:
        self._file: Path = folder / spec["file"]
        self._n_features = n_features
        self._trees = Trees(self._text(), spec["outputs"], n_features)
        self._base = np.array(spec["base"]) if spec.get("base") is not None else None
        self._fill = np.array(spec["fill"]) if spec.get("fill") is not None else None
        self.link: str = spec["link"]
        self._link = LINKS[self.link]

    def predict(self, x: Floats) -> Floats:
        x = self._filled(x)
        return self.of_sums(self._trees.raw_row(x.ctypes.data) if len(x) == 1 else self._trees.raw(x))

    def of_sums(self, sums: Floats) -> Floats:
        """The answer where the trees' sums (rows, outputs) are known."""
        return self._link(sums if self._base is None else sums + self._base)

    def second(self, total: float) -> float:
        """Of two labels the second one's probability, where the one sum of its trees is known."""
        return OF_ONE[self.link](total if self._base is None else total + float(self._base[0]))

    @property
    def outputs(self) -> int:
        return self._trees.outputs

    def forest(self) -> Forest | None:
        """Its trees, where masks can take a row through them: see `scorer.masks`."""
        return None if self._fill is not None else read_forest(self._text(), self._trees.outputs)

    def attributed(self, x: Floats, owners: Floats) -> tuple[Floats, Floats]:
        """By TreeSHAP; a column's features are added up."""
        if not self._trees.counted:
            raise UnexplainedError
        parts = self._contributions(self._filled(x))
        base = parts[0, :, -1]
        return base if self._base is None else base + self._base, parts[:, :, :-1] @ owners

    @cached_property
    def leaves(self) -> int:
        return sum(map(int, re.findall(r"^num_leaves=(\d+)", self._text(), re.MULTILINE)))

    @cached_property
    def _contributions(self) -> Callable[[Floats], Floats]:
        """Made for the first that asks, from the file again: who doesn't ask pays with neither time nor memory."""
        from scorer.nodes import read_trees
        from scorer.treeshap import TreeShap

        read = read_trees(self._text(), self._trees.outputs) if self.leaves >= _MANY_LEAVES else None
        return TreeShap(*read, self._n_features).contributions if read else self._trees.contributions

    def _text(self) -> str:
        return self._file.read_text(encoding="utf-8")

    def _filled(self, x: Floats) -> Floats:
        return x if self._fill is None else np.where(np.isnan(x), self._fill, x)


class FewRows:
    """The members' answers for few rows: trees of few leaves all at once, row by row; anything else member by member."""

    def __init__(self, members: Sequence[Member]) -> None:
        forests = {m: m.forest() for m in members if isinstance(m, TreeMember)}
        found = [forest for forest in forests.values() if forest]
        self._masks = masks(found) if found else None
        self._ways: list[Callable[[Floats, Floats], Floats]] = []
        self._seconds: list[Callable[[Floats, list[float]], float]] = []
        at = 0
        for member in members:
            if self._masks and isinstance(member, TreeMember) and forests[member]:
                self._ways.append(partial(_of_sums, member, at, at + member.outputs))
                if member.outputs == 1 and member.link in OF_ONE:
                    self._seconds.append(partial(_second_of_sums, member, at))
                at += member.outputs
            else:
                self._ways.append(partial(_by_itself, member))
                self._seconds.append(partial(_second, member))

    def seconds(self, x: Floats) -> list[float] | None:
        """Of one row (1, features) the second of two labels' probabilities; None where masks don't know it so."""
        if self._masks is None or len(self._seconds) < len(self._ways):
            return None
        sums: list[float] = self._masks.rows(x)[0].tolist()
        return [way(x, sums) for way in self._seconds]

    def parts(self, x: Floats) -> list[Floats]:
        """Of rows (rows, features)."""
        sums = self._masks.rows(x) if self._masks else x
        return [way(x, sums) for way in self._ways]


def _of_sums(member: TreeMember, first: int, end: int, _: Floats, sums: Floats) -> Floats:
    return member.of_sums(sums[:, first:end])


def _second_of_sums(member: TreeMember, at: int, _: Floats, sums: list[float]) -> float:
    return member.second(sums[at])


def _second(member: Member, x: Floats, _: list[float]) -> float:
    return float(member.predict(x)[0, 1])


def _by_itself(member: Member, x: Floats, _: Floats) -> Floats:
    return member.predict(x)


class LinearMember:
    """An affine map of features that are filled, centred and scaled."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._fill, self._center = np.array(spec["fill"]), np.array(spec["center"])
        self._scale, self._intercept = np.array(spec["scale"]), np.array(spec["intercept"])
        self._coef = np.array(spec["coef"]).T
        self._binarize = spec.get("binarize", False)
        self.link: str = spec["link"]
        self._link = LINKS[self.link]
        self._means = np.array(spec["means"]) if "means" in spec else None

    def predict(self, x: Floats) -> Floats:
        return self._link(self._prepared(x) @ self._coef + self._intercept)

    def attributed(self, x: Floats, owners: Floats) -> tuple[Floats, Floats]:
        """A coefficient times how far its feature is from the training rows' mean."""
        means = self._reference()
        parts = (self._prepared(x) - means)[:, None, :] * self._coef.T
        return means @ self._coef + self._intercept, parts @ owners

    def _reference(self) -> Floats:
        if self._means is None:
            raise UnexplainedError
        return self._means

    def _prepared(self, x: Floats) -> Floats:
        x = (np.where(np.isnan(x), self._fill, x) - self._center) / self._scale
        return (x > 0).astype("float64") if self._binarize else x


class KernelMember(LinearMember):
    """An affine map of the radial basis functions around the support vectors."""

    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__(spec)
        self._vectors, self._gamma = np.array(spec["vectors"]), spec["gamma"]
        self._norms = np.einsum("ij,ij->i", self._vectors, self._vectors)

    def predict(self, x: Floats) -> Floats:
        x = self._prepared(x)
        parts = [self._kernels(x[i : i + 256]) @ self._coef for i in range(0, len(x), 256)]
        return self._link(np.concatenate(parts) + self._intercept)

    def _kernels(self, x: Floats) -> Floats:
        squares = np.einsum("ij,ij->i", x, x)[:, None] + self._norms - 2.0 * (x @ self._vectors.T)
        kernels: Floats = np.exp(-self._gamma * np.maximum(squares, 0.0))
        return kernels

    def attributed(self, x: Floats, owners: Floats) -> tuple[Floats, Floats]:
        """A kernel is a product of one factor for each column, whose Shapley values are an integral over a polynomial.

        Owen 1972, Multilinear Extensions of Games: the mean, over t from 0 to 1, of what a column adds when every other one
        is the row's with probability t, else the reference's, here the training rows' mean. Gauss and Legendre's sum of
        n nodes is exact up to degree 2n - 1, and the degree is the number of columns less one.
        """
        means = self._reference()
        away = self._factors(means, owners)
        nodes, weights = np.polynomial.legendre.leggauss(owners.shape[1] // 2 + 1)
        parts = np.empty((len(x), self._coef.shape[1], owners.shape[1]))
        for number, row in enumerate(self._prepared(x)):
            here = self._factors(row, owners)
            others = np.zeros_like(here)
            for way, weight in zip((nodes + 1.0) / 2.0, weights / 2.0, strict=True):
                others += weight * _products_of_others(way * here + (1.0 - way) * away)
            parts[number] = self._coef.T @ ((here - away) * others)
        return away.prod(axis=1) @ self._coef + self._intercept, parts

    def _factors(self, row: Floats, owners: Floats) -> Floats:
        """(vectors, columns): each column's factor of each kernel."""
        factors: Floats = np.exp(-self._gamma * (np.square(row - self._vectors) @ owners))
        return factors


def _products_of_others(factors: Floats) -> Floats:
    """Along the last axis, the product of all entries but the one in place; entries may be 0."""
    before, after = np.ones_like(factors), np.ones_like(factors)
    np.cumprod(factors[..., :-1], axis=-1, out=before[..., 1:])
    after[..., :-1] = np.cumprod(factors[..., :0:-1], axis=-1)[..., ::-1]
    return before * after


def read_member(spec: dict[str, Any], folder: Path, n_features: int) -> Member:
    """The member that an entry of `pipeline.json` describes; `folder` holds its trees."""
    if spec["kind"] == "trees":
        return TreeMember(spec, folder, n_features)
    return KernelMember(spec) if spec["kind"] == "kernel" else LinearMember(spec)
