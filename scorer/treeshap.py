"""TreeSHAP of one row through all trees at once, in NumPy: exact, and quicker than LightGBM's walk where the trees are many.

Where each feature is the row's with probability t, else unknown, a node answers with a polynomial in t for all that lies
below it. A feature's Shapley value is the integral, over t from 0 to 1, of how much the root's answer moves with it (Owen
1972, Multilinear Extensions of Games). A feature that is unknown takes both turns, each by the training rows' share (Lundberg,
Erion and Lee 2018, arXiv:1802.03888, algorithm 1). Gauss and Legendre's sum of n points is exact up to degree 2n - 1, and the
degree is the number of different features on a path less one. At each of these points one pass up the trees, all nodes of a
level at once, gives the answers; one pass down gives by how much each node moves the root's.

Let L and R be what a node's children answer, p the share of training rows that take the turns towards it of all earlier nodes
with its feature (1 where there are none), p_L + p_R = p the shares that turn left and right at it too, g = 1 / (p + (1 - p) t).
Where the row takes these earlier turns and goes left, the node answers L + p_R g (1 - t) (R - L), and its feature's own turn
moves that by p_R g^2 (L - R); where it goes right, the same from the other side. Where the row has turned elsewhere at an earlier
node, both children count by their shares, and nothing is moved.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.links import Floats
from scorer.nodes import ZERO, Nodes, Truths, Whole, joined
from scorer.paths import Paths, paths

#: What rows are reckoned in. A row is as quick as its megabytes are read, and seven digits are more than anybody looks at.
Number = type[np.floating[Any]]
Numbers = NDArray[np.floating[Any]]
#: A level costs a dozen calls into NumPy, as much time as so many nodes at one point.
_LEVEL_COST = 1500


class TreeShap:
    """Of one ensemble: its trees of more than one leaf, and what is expected of any row. Safe to use from several threads."""

    def __init__(
        self, trees: list[Nodes], base: Floats, n_features: int, number: Number = np.float32
    ) -> None:
        self._base, self._n_features = base, n_features
        nodes = joined(trees)
        found = paths(nodes)
        self._groves = [
            _Grove(nodes, found, of, points, n_features, number) for of, points in _groups(nodes, found)
        ]

    def contributions(self, x: Floats) -> Floats:
        """Each feature's part in the sums of rows, and last what is expected of any: (rows, outputs, features + 1)."""
        found = np.empty((len(x), len(self._base), self._n_features + 1))
        found[:, :, -1] = self._base
        size = len(self._base) * self._n_features
        for number, row in enumerate(x):
            values, missing = _seen(row)
            parts = [np.bincount(grove.bins, grove.moves(values, missing), size) for grove in self._groves]
            found[number, :, :-1] = np.sum(parts, axis=0).reshape(-1, self._n_features)
        return found


def _groups(nodes: Nodes, found: Paths) -> list[tuple[Truths, int]]:
    """Nodes of trees that take about as many points, and how many; as many groups as pay."""
    trees = int(nodes.tree[-1]) + 1
    features, levels = np.zeros(trees, dtype=np.intp), np.zeros(trees, dtype=np.intp)
    np.maximum.at(features, nodes.tree, found.features)
    np.maximum.at(levels, nodes.tree, found.level)
    points, sizes = (features + 1) // 2, np.bincount(nodes.tree)

    def cost(low: int, high: int) -> int:
        of = (points > low) & (points <= high)
        return int(sizes[of].sum() * high + (levels[of].max() + 1) * _LEVEL_COST)

    ends = [0, *np.unique(points).tolist()]
    while len(ends) > 2:
        saved = [
            cost(low, middle) + cost(middle, high) - cost(low, high)
            for low, middle, high in zip(ends, ends[1:], ends[2:], strict=False)
        ]
        if max(saved) <= 0:
            break
        del ends[saved.index(max(saved)) + 1]
    return [(((points > low) & (points <= high))[nodes.tree], high) for low, high in pairwise(ends)]


def _seen(x: Floats) -> tuple[Floats, Truths]:
    """A row's values as nodes of five kinds see them, what is missing as far left or right; and whether it is missing."""
    nan = np.isnan(x)
    zero = nan | (np.abs(x) <= ZERO)
    kinds = [(nan, 0.0), (zero, -np.inf), (zero, np.inf), (nan, -np.inf), (nan, np.inf)]
    values = np.concatenate([np.where(missing, put, x) for missing, put in kinds])
    return values, np.concatenate([np.zeros_like(nan), *(missing for missing, _ in kinds[1:])])


class _Grove:
    """Trees that are walked together: nodes with inner children first, level by level, then those with two leaves (twigs)."""

    def __init__(
        self, nodes: Nodes, found: Paths, of: Truths, points: int, n_features: int, number: Number
    ) -> None:
        self._number = number
        twig = (nodes.left < 0) & (nodes.right < 0)
        order = np.flatnonzero(of)
        order = order[np.lexsort((found.level[order], twig[order]))]
        self._size, self._inner = len(order), int((~twig[order]).sum())
        self.bins = nodes.output[order] * n_features + nodes.feature[order]
        kind = np.where(nodes.missing > 0, 2 * nodes.missing - nodes.default_left, 0)
        self._seen, self._threshold = (kind * n_features + nodes.feature)[order], nodes.threshold[order]
        self._turns(nodes, found, order)
        self._links(nodes, found, order)
        self._points(found.share[order], points)
        leaves = nodes.values[~np.stack([nodes.left, nodes.right])[:, order[self._inner :]]]
        self._twig_left, self._twig_drop = (
            found.astype(self._number) for found in (leaves[0], leaves[1] - leaves[0])
        )
        self._free: list[_Sheet] = []  # one for each thread that has asked at the same time

    def _turns(self, nodes: Nodes, found: Paths, order: Whole) -> None:
        """By what a row's turns are known, and what they count."""
        left, right = nodes.counts[:, order] / nodes.counts[:, order].sum(axis=0)
        share = found.share[order]
        self._share, self._share_left = share.astype(self._number), (share * left).astype(self._number)
        self._again = again = np.flatnonzero(found.split[order])
        at = order[again]
        self._low, self._high, self._takes_missing = found.low[at], found.high[at], found.takes_missing[at]
        self._right_share, self._seen_again = right[again].astype(self._number), self._seen[again]

    def _links(self, nodes: Nodes, found: Paths, order: Whole) -> None:
        """Columns of what is passed up, and of what is passed down."""
        place = np.full(len(nodes.left), -1)
        place[order] = np.arange(self._size)
        inner = order[: self._inner]
        children = np.stack([nodes.left[inner], nodes.right[inner]])
        lone = children < 0
        self._lone = nodes.values[~children[lone]].astype(self._number)
        columns = np.where(lone, 0, place[np.maximum(children, 0)])
        columns[lone] = self._size + np.arange(lone.sum())
        levels = np.arange(found.level[inner].max(initial=-1) + 2)
        ends = np.searchsorted(found.level[inner], levels).tolist()
        self._levels = list(pairwise(ends))
        self._children = [columns[:, a:b].ravel() for a, b in self._levels]
        parent = place[found.parent[order]]
        self._from = np.where(found.is_right[order], parent, parent + self._inner)
        self._from[found.parent[order] < 0] = 2 * self._inner  # of roots: the points' own weights

    def _points(self, share: Floats, points: int) -> None:
        """`_unknown` (points, nodes) is g (1 - t), `_squares` g^2."""
        ways, weights = np.polynomial.legendre.leggauss(points)
        ways = (ways[:, None] + 1.0) / 2.0
        known = 1.0 / (share + (1.0 - share) * ways)
        self._weights, self._unknown, self._squares = (
            found.astype(self._number) for found in (weights / 2.0, known * (1.0 - ways), known * known)
        )

    def moves(self, values: Floats, missing: Truths) -> Numbers:
        """(nodes,): what each node's feature adds by its turn there."""
        steep, level = self._bends(values, missing)
        sheet = self._free.pop() if self._free else _Sheet(self._weights, self._size, self._inner, self._lone)
        inner = self._inner
        twigs = sheet.up[:, inner : self._size]
        np.multiply(self._unknown[:, inner:], steep[inner:] * self._twig_drop, out=twigs)
        twigs += self._twig_left + level[inner:] * self._twig_drop
        np.multiply(self._unknown[:, :inner], steep[:inner], out=sheet.bend)
        sheet.bend += level[:inner]
        self._climb(sheet)
        found = self._descend(sheet)
        self._free.append(sheet)
        found *= steep
        return np.negative(found, out=found)

    def _bends(self, values: Floats, missing: Truths) -> tuple[Numbers, Numbers]:
        """`s` and `c`: a node answers L + (s g (1 - t) + c) (R - L), and moves with its feature by -s g^2 (R - L)."""
        left = (values.take(self._seen) <= self._threshold).astype(self._number)
        steep = left * self._share
        steep -= self._share_left
        level = np.subtract(self._number(1.0), left, out=left)
        again = values.take(self._seen_again)
        outside = (again <= self._low) | (again > self._high)
        if missing.any():
            outside = np.where(missing.take(self._seen_again), ~self._takes_missing, outside)
        at = self._again[outside]
        steep[at], level[at] = 0.0, self._right_share[outside]
        return steep, level

    def _climb(self, sheet: _Sheet) -> None:
        for (a, b), children in zip(reversed(self._levels), reversed(self._children), strict=True):
            below = sheet.up.take(children, axis=1, mode="clip")
            left, drop = below[:, : b - a], sheet.drop[:, a:b]
            np.subtract(below[:, b - a :], left, out=drop)
            np.add(left, sheet.bend[:, a:b] * drop, out=sheet.up[:, a:b])

    def _descend(self, sheet: _Sheet) -> Numbers:
        found, inner = np.empty(self._size, self._number), self._inner
        for a, b in self._levels:
            here = sheet.down.take(self._from[a:b], axis=1, mode="clip")
            np.einsum("qn,qn,qn->n", here, self._squares[:, a:b], sheet.drop[:, a:b], out=found[a:b])
            right = np.multiply(here, sheet.bend[:, a:b], out=sheet.down[:, a:b])
            np.subtract(here, right, out=sheet.down[:, inner + a : inner + b])
        here = sheet.down.take(self._from[inner:], axis=1, mode="clip")
        np.einsum("qn,qn->n", here, self._squares[:, inner:], out=found[inner:])
        found[inner:] *= self._twig_drop
        return found


class _Sheet:
    """What one row is reckoned on (points, ...): answers of nodes and lone leaves, their differences, ways down."""

    def __init__(self, weights: Numbers, size: int, inner: int, lone: Numbers) -> None:
        points = len(weights)
        columns = (size + len(lone), 2 * inner + 1, inner, inner)
        self.up, self.down, self.bend, self.drop = (np.empty((points, n), weights.dtype) for n in columns)
        self.up[:, size:], self.down[:, -1] = lone, weights
