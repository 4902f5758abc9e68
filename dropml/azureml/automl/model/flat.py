"""Trees of any library as a LightGBM text model, the form that the compiled scorer walks, and explains, in C.

LightGBM compares doubles with `<=`. XGBoost and scikit-learn round a value to float32 first; `float32_cut` gives the
one double threshold that decides every double the same way.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

_MISSING_NAN, _DEFAULT_LEFT = 8, 2  # bits of LightGBM's decision_type
_COUNTED = 10**9  # a tree's rows, in LightGBM's whole numbers of 32 bits: weights keep nine digits


@dataclass
class Tree:
    """Arrays over the nodes; `left` < 0 marks a leaf. `values`: (nodes,) leaf values.

    `weights`: of the training rows that ended in each leaf, in any unit; what a tree's explanation averages by.
    """

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    missing_left: np.ndarray
    values: np.ndarray
    weights: np.ndarray


def float32_cut(thresholds: np.ndarray, strict: bool) -> np.ndarray:
    """Doubles c with (x <= c) == (float32(x) <= t), or (float32(x) < t) if `strict`, for every double x."""
    t = np.asarray(thresholds, dtype="float64")
    below = t.astype("float32")
    too_high = below.astype("float64") > t
    below = np.where(
        too_high | (strict & (below.astype("float64") == t)), np.nextafter(below, np.float32(-np.inf)), below
    )
    below = below.astype("float32")
    with np.errstate(over="ignore"):  # above the largest number lies infinity
        above = np.nextafter(below, np.float32(np.inf))
    middle = (below.astype("float64") + above.astype("float64")) / 2
    # The middle itself rounds to the neighbour whose last bit is 0.
    rounds_down = middle.astype("float32") == below
    return np.asarray(np.where(rounds_down, middle, np.nextafter(middle, -np.inf)))


def model_text(trees: list[Tree], outputs: int, n_features: int) -> str:
    """A LightGBM model file; tree i adds to output i % outputs."""
    parts = [_tree_text(i, tree) for i, tree in enumerate(trees)]
    names = " ".join(f"f{i}" for i in range(n_features))
    head = (
        "tree\nversion=v4\n"
        f"num_class={outputs}\nnum_tree_per_iteration={outputs}\nlabel_index=0\nmax_feature_idx={n_features - 1}\n"
        f"objective=regression\nfeature_names={names}\nfeature_infos={' '.join(['none'] * n_features)}\n"
        f"tree_sizes={' '.join(str(len(p)) for p in parts)}\n\n"
    )
    return head + "".join(parts) + "end of trees\n"


def _tree_text(number: int, tree: Tree) -> str:
    inner = np.flatnonzero(tree.left >= 0)
    leaves = np.flatnonzero(tree.left < 0)
    position = np.empty(len(tree.left), dtype=int)
    position[inner] = np.arange(len(inner))
    position[leaves] = ~np.arange(len(leaves))
    kinds = _MISSING_NAN + _DEFAULT_LEFT * tree.missing_left[inner].astype(int)
    lines = [f"Tree={number}", f"num_leaves={len(leaves)}", "num_cat=0"]
    if len(inner):
        lines += [
            "split_feature=" + _join(tree.feature[inner]),
            "threshold=" + _join(tree.threshold[inner]),
            "decision_type=" + _join(kinds),
            "left_child=" + _join(position[tree.left[inner]]),
            "right_child=" + _join(position[tree.right[inner]]),
        ]
        counts = _counts(tree, leaves)
        lines += ["leaf_count=" + _join(counts[leaves]), "internal_count=" + _join(counts[inner])]
    lines += ["leaf_value=" + _join(tree.values[leaves]), "is_linear=0", "shrinkage=1"]
    return "\n".join(lines) + "\n\n\n"


def _counts(tree: Tree, leaves: np.ndarray) -> np.ndarray:
    """Whole numbers for all nodes, those of two children making up their parent's; none is 0, by which LightGBM divides."""
    shares = tree.weights[leaves] / tree.weights[leaves].sum()
    counts = np.zeros(len(tree.left), dtype="int64")
    counts[leaves] = np.maximum(1, np.round(shares * _COUNTED))
    stack, order = [0], []
    while stack:
        node = stack.pop()
        if tree.left[node] >= 0:
            order.append(node)
            stack += [int(tree.left[node]), int(tree.right[node])]
    for node in reversed(order):
        counts[node] = counts[tree.left[node]] + counts[tree.right[node]]
    return counts


def _join(values: np.ndarray) -> str:
    return " ".join(map(repr, values.tolist()))


def sklearn_tree(tree: Any, values: np.ndarray) -> Tree:
    """A fitted `estimator.tree_` with the given value for each node."""
    return Tree(
        left=tree.children_left,
        right=tree.children_right,
        feature=tree.feature,
        threshold=float32_cut(tree.threshold, strict=False),
        missing_left=np.asarray(tree.missing_go_to_left),
        values=np.asarray(values, dtype="float64"),
        weights=np.asarray(tree.weighted_n_node_samples),
    )


def xgboost_trees(booster: Any) -> list[Tree]:
    """The booster's trees, in the order of their outputs."""
    document = json.loads(bytes(booster.save_raw("json")))["learner"]
    model = document["gradient_booster"]["model"]
    groups = int(document["learner_model_param"]["num_class"]) or 1
    if [int(g) for g in model["tree_info"]] != [i % groups for i in range(len(model["trees"]))]:
        raise ValueError("XGBoost's trees are not in the order of their outputs")
    return [_xgboost_tree(t) for t in model["trees"]]


def _xgboost_tree(tree: dict[str, Any]) -> Tree:
    left = np.array(tree["left_children"])
    # Shortest decimals of float32 numbers; of a leaf: its value.
    conditions = np.array(tree["split_conditions"], dtype="float32").astype("float64")
    return Tree(
        left=left,
        right=np.array(tree["right_children"]),
        feature=np.array(tree["split_indices"]),
        threshold=float32_cut(np.where(left >= 0, conditions, 0.0), strict=True),
        missing_left=np.array(tree["default_left"]),
        values=conditions,
        weights=np.array(tree["sum_hessian"], dtype="float64"),
    )
