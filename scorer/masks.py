"""One row through all trees at once, without walking: each tree's leaves are the bits of a word.

A node that sends the row right rules the leaves on its left out; of those that all such nodes leave, the row's is the leftmost
(Lucchese et al. 2015, QuickScorer, https://doi.org/10.1145/2766462.2767733). What a value rules out depends only on which of
its feature's thresholds it is above, so that the words are kept for every span between two thresholds, a row of one table,
for all trees side by side. A row then reads as many rows of the table as it has features, each in one piece, where a walk
jumps through memory once for every node on its way: with thousands of trees, most of these jumps miss the processor's cache.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.links import Floats
from scorer.nodes import DEFAULT_LEFT, MISSING, ZERO, Truths, Whole

#: Trees from which on this is quicker than LightGBM's walk; the most that a row may read of the table, and the largest table
#: (bytes).
_FEW_TREES, _MOST_READ, _MOST_BYTES = 100, 1 << 19, 32 << 20
#: For words of 32 and of 64 bits, the factor that brings another number to the top for each lowest bit, and how far down
#: these numbers lie (Leiserson, Prokop and Randall 1998, Using de Bruijn Sequences to Index a 1 in a Computer Word).
Word = type[np.uint32] | type[np.uint64]
_DE_BRUIJN: dict[int, tuple[Word, int, int]] = {
    32: (np.uint32, 0x077CB531, 27),
    64: (np.uint64, 0x03F79D71B4CB0A89, 58),
}


@dataclass(frozen=True)
class Forest:
    """Inner nodes of all trees, one after the other. `first` is each tree's first node, `output` the sum that it adds to.

    Children are numbered within their tree, and below 0 they are leaves, `~child`. `values` are of all leaves.
    """

    first: Whole
    output: Whole
    leaves: Whole
    tree: Whole
    feature: Whole
    threshold: Floats
    missing: Whole
    default_left: Truths
    left: Whole
    right: Whole
    values: Floats


class Masks:
    """Of several ensembles. Safe to use from several threads."""

    def __init__(self, forests: list[Forest]) -> None:
        forest = _joined(forests)
        bits = 32 if forest.leaves.max() <= 32 else 64
        word, factor, down = _DE_BRUIJN[bits]
        self._factor, self._down = np.array(factor, dtype=word), np.array(down, dtype=word)
        self._features: list[int] = np.unique(forest.feature).tolist()
        on_left, start, places = _placed(forest)
        ruled_out = _ruled_out(on_left, start, word)
        order = np.argsort(forest.output, kind="stable")  # the trees of one sum side by side
        self._sums = np.flatnonzero(np.diff(forest.output[order], prepend=-1))
        self._edges, self._starts, table = self._spans(forest, ruled_out)
        self._table = np.ascontiguousarray(table[:, order])
        numbers = self._numbered(np.left_shift(word(1), np.arange(bits, dtype=word)))
        values = np.zeros((len(order), bits))
        values[np.repeat(np.arange(len(order)), forest.leaves), numbers[places]] = forest.values
        self._values, self._trees = values[order].ravel(), np.arange(len(order)) * bits

    def _spans(
        self, forest: Forest, ruled_out: NDArray[Any]
    ) -> tuple[list[list[float]], list[int], NDArray[Any]]:
        """Thresholds of each feature, where its spans begin in the table, and the table (spans, trees)."""
        edges, starts, tables, at = [], [], [], 0
        for feature in self._features:
            of = np.flatnonzero(forest.feature == feature)
            cuts, number = np.unique(forest.threshold[of], return_inverse=True)
            size = len(cuts) + 1
            table = np.full((size + 2, len(forest.leaves)), ~ruled_out.dtype.type(0))
            tree, masks = forest.tree[of], ruled_out[of]
            np.bitwise_and.at(table, (number + 1, tree), masks)
            np.bitwise_and.accumulate(table[:size], axis=0, out=table[:size])
            missing, default_right = forest.missing[of], ~forest.default_left[of]
            zero_right = forest.threshold[of] < 0.0
            for place, is_missing in ((size, missing > 0), (size + 1, missing == 1)):  # of NaN, of zero
                right = np.where(is_missing, default_right, zero_right)
                np.bitwise_and.at(table, (np.full(right.sum(), place), tree[right]), masks[right])
            edges.append(cuts.tolist())
            starts.append(at)
            tables.append(table)
            at += size + 2
        return edges, starts, np.concatenate(tables)

    def rows(self, x: Floats) -> Floats:
        """Sums (rows, outputs) of rows (rows, features): of all outputs of the first ensemble, then of the next."""
        sums = np.empty((len(x), len(self._sums)))
        for number, values in enumerate(x.tolist()):
            self._row(values, sums[number])
        return sums

    def _row(self, values: list[float], sums: Floats) -> None:
        spans = []
        for feature, edges, start in zip(self._features, self._edges, self._starts, strict=True):
            value = values[feature]
            if value != value:  # NaN
                spans.append(start + len(edges) + 1)
            elif -ZERO <= value <= ZERO:
                spans.append(start + len(edges) + 2)
            else:
                spans.append(start + bisect_left(edges, value))
        left = np.bitwise_and.reduce(self._table.take(spans, axis=0), axis=0)
        left &= np.negative(left)
        np.add.reduceat(self._values.take(self._numbered(left) + self._trees), self._sums, out=sums)

    def _numbered(self, lowest: NDArray[Any]) -> Whole:
        """Of words with one bit, another number for each bit, as an index. Writes into them."""
        lowest *= self._factor
        lowest >>= self._down
        return lowest.astype(np.intp)


def masks(forests: list[Forest]) -> Masks | None:
    """None where a walk is as quick."""
    trees = sum(len(forest.leaves) for forest in forests)
    if trees < _FEW_TREES:
        return None
    cuts: dict[int, int] = {}
    for forest in forests:
        for feature in np.unique(forest.feature).tolist():
            found = len(np.unique(forest.threshold[forest.feature == feature]))
            cuts[feature] = cuts.get(feature, 0) + found + 3
    width = trees * (4 if max(forest.leaves.max() for forest in forests) <= 32 else 8)
    too_much = len(cuts) * width > _MOST_READ or sum(cuts.values()) * width > _MOST_BYTES
    return None if too_much else Masks(forests)


def _joined(forests: list[Forest]) -> Forest:
    """All in one; `tree`, `first` and `output` go on where those of the one before end."""
    whole = {
        name: np.concatenate([getattr(forest, name) for forest in forests])
        for name in Forest.__dataclass_fields__
    }
    for name, sizes in (
        ("first", [len(forest.tree) for forest in forests]),
        ("tree", [len(forest.leaves) for forest in forests]),
        ("output", [int(forest.output.max()) + 1 for forest in forests]),
    ):
        before = np.cumsum(sizes) - sizes
        whole[name] = whole[name] + np.repeat(before, [len(getattr(forest, name)) for forest in forests])
    return Forest(**whole)


#: Of LightGBM's lines `name=values`, those that a tree is made of.
_READ = (
    "num_leaves", "num_cat", "is_linear", "decision_type", "leaf_value", "split_feature", "threshold",
    "left_child", "right_child",
)  # fmt: skip


def read_forest(text: str, outputs: int) -> Forest | None:
    """The trees of LightGBM's text; None where one is of another kind: with categories, linear leaves, more than 64 leaves."""
    text = text.partition("\nend of trees")[0]
    lines: dict[str, list[str]] = {name: [] for name in _READ}
    for line in text.split("\n"):
        name, _, said = line.partition("=")
        if name in lines:
            lines[name].append(said)
    leaves = np.array(lines["num_leaves"], dtype=np.intp)
    plain = set(lines["num_cat"]) <= {"0"} and set(lines["is_linear"]) <= {"0"}
    if not plain or "\naverage_output" in text or not len(leaves) or leaves.max() > 64:
        return None
    nodes = leaves - 1
    first = np.cumsum(nodes) - nodes
    kinds = _wholes(lines["decision_type"])
    values = _numbers(lines["leaf_value"])
    trees = np.arange(len(leaves))
    forest = Forest(
        first=first,
        output=trees % outputs,
        leaves=leaves,
        tree=np.repeat(trees, nodes),
        feature=_wholes(lines["split_feature"]),
        threshold=_numbers(lines["threshold"]),
        missing=kinds >> MISSING,
        default_left=(kinds & DEFAULT_LEFT) > 0,
        left=_wholes(lines["left_child"]),
        right=_wholes(lines["right_child"]),
        values=values,
    )
    of_nodes = (forest.feature, forest.threshold, kinds, forest.left, forest.right)
    if any(len(each) != nodes.sum() for each in of_nodes) or np.isnan(forest.threshold).any():
        return None
    inside = np.arange(len(forest.tree)) - first[forest.tree]
    in_order = all(((side < 0) | (side > inside)).all() for side in (forest.left, forest.right))
    return forest if in_order else None


def _numbers(lines: list[str]) -> Floats:
    return np.array(" ".join(lines).split(), dtype="float64")


def _wholes(lines: list[str]) -> Whole:
    return np.array(" ".join(lines).split(), dtype=np.intp)


def _ruled_out(on_left: Whole, start: Whole, word: Word) -> NDArray[Any]:
    """For each node, all leaves but those on its left."""
    on_its_left = np.left_shift(word(1), on_left.astype(word)) - word(
        1
    )  # at most 63 of 64, so no bit is lost
    ruled_out: NDArray[Any] = ~(on_its_left << start.astype(word))
    return ruled_out


def _placed(forest: Forest) -> tuple[Whole, Whole, Whole]:
    """For each node, how many leaves are on its left and the place of the first below it; and each leaf's place, from the left.

    A child comes after its parent, so that all trees' nodes of one number are done together.
    """
    size = len(forest.tree)
    first_leaf = np.cumsum(forest.leaves) - forest.leaves
    below, on_left, start = (np.zeros(size, dtype=np.intp) for _ in range(3))
    places = np.zeros(int(forest.leaves.sum()), dtype=np.intp)
    numbers = [forest.first[forest.leaves - 1 > n] + n for n in range(int(forest.leaves.max()) - 1)]
    for nodes in reversed(numbers):
        base, sides = forest.first[forest.tree[nodes]], (forest.left[nodes], forest.right[nodes])
        left, right = (
            np.where(side < 0, 1, below[np.minimum(base + np.maximum(side, 0), size - 1)]) for side in sides
        )
        below[nodes], on_left[nodes] = left + right, left
    for nodes in numbers:
        base, leaf = forest.first[forest.tree[nodes]], first_leaf[forest.tree[nodes]]
        for side, at in (
            (forest.left[nodes], start[nodes]),
            (forest.right[nodes], start[nodes] + on_left[nodes]),
        ):
            inner = side >= 0
            start[(base + side)[inner]] = at[inner]
            places[(leaf + ~side)[~inner]] = at[~inner]
    return on_left, start, places
