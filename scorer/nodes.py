"""Trees as arrays over their nodes, read from LightGBM's text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorer.links import Floats

Whole = NDArray[np.intp]
Truths = NDArray[np.bool_]

#: Of LightGBM's decision_type: one bit, and the number that begins at the third.
DEFAULT_LEFT, MISSING = 2, 2
#: What it takes for zero (kZeroThreshold).
ZERO = float(np.float32(1e-35))


@dataclass(frozen=True)
class Nodes:
    """The inner nodes of one tree or several, each after the other; `values` are of the leaves.

    A child below 0 is the leaf `~child`. `counts`: training rows at the left and the right child. `missing`: 0 nothing
    is (NaN is zero), 1 zero and NaN are, 2 NaN is; what is missing goes left where `default_left`. `output`: the sum that
    the node's tree adds to.
    """

    tree: Whole
    output: Whole
    feature: Whole
    threshold: Floats
    missing: Whole
    default_left: Truths
    left: Whole
    right: Whole
    counts: Floats
    values: Floats


def read_trees(text: str, outputs: int) -> tuple[list[Nodes], Floats] | None:
    """The trees of more than one leaf, and what is expected of any row (outputs,).

    None where there is a tree of another kind: categorical splits, linear leaves, without counts that add up.
    """
    base = np.zeros(outputs)
    trees = []
    for number, part in enumerate(text.partition("\nend of trees")[0].split("\nTree=")[1:]):
        lines = dict(line.split("=", 1) for line in part.split("\n") if "=" in line)
        if lines.get("num_cat") != "0" or lines.get("is_linear", "0") != "0":
            return None
        values = _numbers(lines["leaf_value"])
        if len(values) == 1:
            base[number % outputs] += values[0]
            continue
        if "internal_count" not in lines or "leaf_count" not in lines:
            return None
        counts = _numbers(lines["leaf_count"])
        tree = _tree(lines, values, counts, number % outputs)
        if tree is None:
            return None
        base[number % outputs] += counts @ values / counts.sum()
        trees.append(tree)
    return trees, base


def _numbers(text: str) -> Floats:
    return np.array(text.split(), dtype="float64")


def _wholes(text: str) -> Whole:
    return np.array(text.split(), dtype=np.intp)


def _tree(lines: dict[str, str], values: Floats, counts: Floats, output: int) -> Nodes | None:
    left, right = _wholes(lines["left_child"]), _wholes(lines["right_child"])
    inner, threshold, kinds = (
        _numbers(lines["internal_count"]),
        _numbers(lines["threshold"]),
        _wholes(lines["decision_type"]),
    )
    below = np.stack([_of_children(children, inner, counts) for children in (left, right)])
    if below.min() <= 0 or (below.sum(axis=0) != inner).any() or not np.isfinite(threshold).all():
        return None
    return Nodes(
        tree=np.zeros(len(left), dtype=np.intp),
        output=np.full(len(left), output),
        feature=_wholes(lines["split_feature"]),
        threshold=threshold,
        missing=kinds >> MISSING,
        default_left=(kinds & DEFAULT_LEFT) > 0,
        left=left,
        right=right,
        counts=below,
        values=values,
    )


def _of_children(children: Whole, inner: Floats, leaves: Floats) -> Floats:
    """What is kept for inner nodes and for leaves, of the given children."""
    return np.where(children >= 0, inner[np.maximum(children, 0)], leaves[np.maximum(~children, 0)])


def joined(trees: list[Nodes]) -> Nodes:
    """All in one."""
    sizes = np.array([len(tree.left) for tree in trees])
    nodes = np.repeat(np.cumsum(sizes) - sizes, sizes)
    numbers = np.repeat(np.arange(len(trees)), sizes)
    leaves = nodes + numbers  # a tree has one leaf more than it has nodes
    whole = {
        name: np.concatenate([getattr(tree, name) for tree in trees], axis=-1)
        for name in Nodes.__dataclass_fields__
    }
    for side in ("left", "right"):
        whole[side] = np.where(whole[side] >= 0, whole[side] + nodes, whole[side] - leaves)
    return Nodes(**{**whole, "tree": numbers})
