"""Explanations in NumPy are those of LightGBM's own walk, whatever the trees; what it doesn't know goes the old way."""

from __future__ import annotations

from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import ExtraTreesClassifier

from dropml.azureml.automl.model import flat
from scorer.links import Floats
from scorer.members import TreeMember
from scorer.nodes import read_trees
from scorer.trees import Trees
from scorer.treeshap import TreeShap
from tests.scorer.test_explain import WIDTH, expected, grown, shapley

#: Members are reckoned in single precision.
SINGLE = 1e-5
QUIET = {"verbose": -1, "num_threads": 1, "seed": 1}


def both(text: str, outputs: int, x: Floats) -> tuple[Floats, Floats]:
    """What NumPy finds, and what LightGBM does."""
    read = read_trees(text, outputs)
    assert read is not None
    shap = TreeShap(*read, x.shape[1], np.float64)
    return shap.contributions(x), Trees(text, outputs, x.shape[1]).contributions(x)


def rows(rng: np.random.Generator, size: int, width: int) -> Floats:
    """Ordinary numbers, missing ones, zeros, and a few at either end."""
    x = rng.normal(size=(size, width))
    x[rng.random(x.shape) < 0.15] = np.nan
    x[rng.random(x.shape) < 0.15] = 0.0
    x[rng.random(x.shape) < 0.03] = np.inf
    x[rng.random(x.shape) < 0.03] = -np.inf
    return x


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 3]))
def test_random_trees_with_features_that_come_again(seed: int, outputs: int) -> None:
    rng = np.random.default_rng(seed)
    grove = [grown(rng, int(rng.integers(2, 60))) for _ in range(5 * outputs)]
    found, due = both(flat.model_text(grove, outputs, WIDTH), outputs, rows(rng, 4, WIDTH))
    assert np.allclose(found, due, rtol=0, atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_as_the_definition_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tree = grown(rng, int(rng.integers(2, 12)))
    row = rows(rng, 1, WIDTH)[0]
    found, _ = both(flat.model_text([tree], 1, WIDTH), 1, row[None])
    due = shapley(WIDTH, lambda known: expected(tree, row, known)[0])
    assert found[0, 0, :-1] == pytest.approx(due, abs=1e-7)  # counts of nodes are whole numbers


@pytest.mark.parametrize(
    "more",
    [
        {"objective": "binary", "num_leaves": 31},
        {"objective": "binary", "num_leaves": 31, "zero_as_missing": True},
        {"objective": "binary", "num_leaves": 31, "use_missing": False},
        {"objective": "binary", "num_leaves": 2},
        {"objective": "multiclass", "num_class": 4, "num_leaves": 20},
        {"objective": "regression", "num_leaves": 63, "bagging_fraction": 0.5, "bagging_freq": 1},
    ],
    ids=["missing", "zero is missing", "nothing is missing", "stumps", "four classes", "bagged"],
)
def test_models_of_lightgbm(more: dict[str, Any]) -> None:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(1500, 6)).round(1)
    x[rng.random(x.shape) < 0.1] = np.nan
    y = np.digitize(np.nan_to_num(x[:, 0] * x[:, 1]) + x[:, 2] ** 2, [0.2, 1.0, 2.0])
    y = (y > 1).astype(int) if more["objective"] == "binary" else y
    booster = lightgbm.train({**QUIET, "min_data_in_leaf": 3, **more}, lightgbm.Dataset(x, y), 30)
    found, due = both(booster.model_to_string(), more.get("num_class", 1), rows(rng, 25, 6))
    assert np.abs(due[:, :, :-1]).max() > 0.1
    assert np.allclose(found, due, rtol=0, atol=1e-9)


def test_a_forest_of_deep_trees() -> None:
    rng = np.random.default_rng(8)
    x = rng.normal(size=(3000, 30))
    y = (x[:, 0] * x[:, 1] + x[:, 2] + rng.normal(size=3000) > 0).astype(int)
    forest = ExtraTreesClassifier(4, max_leaf_nodes=900, random_state=1, n_jobs=1).fit(x, y)
    trees = [flat.sklearn_tree(t.tree_, t.tree_.value[:, 0, 1] / 4) for t in forest.estimators_]
    found, due = both(flat.model_text(trees, 1, 30), 1, rows(rng, 10, 30).astype("float32").astype("float64"))
    assert max(tree.get_depth() for tree in forest.estimators_) > 20
    assert np.allclose(found, due, rtol=0, atol=1e-9)


def categorical() -> str:
    rng = np.random.default_rng(9)
    x = np.column_stack([rng.integers(0, 9, 2000), rng.normal(size=2000)])
    y = np.isin(x[:, 0], [1, 4, 7]) ^ (x[:, 1] > 0)
    data = lightgbm.Dataset(x, y.astype(int), categorical_feature=[0])
    settings = {**QUIET, "objective": "binary", "num_leaves": 60, "min_data_in_leaf": 2, "cat_smooth": 1}
    return str(lightgbm.train(settings, data, 150).model_to_string())


def member(folder: Path, text: str, width: int) -> TreeMember:
    (folder / "trees0.txt").write_text(text)
    return TreeMember({"file": "trees0.txt", "outputs": 1, "link": "sigmoid"}, folder, width)


@pytest.mark.parametrize("kind", ["categorical", "numeric"])
def test_a_member_answers_as_lightgbms_own_walk_does(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(10)
    numeric = flat.model_text([grown(rng, 400) for _ in range(20)], 1, WIDTH)
    width = WIDTH if kind == "numeric" else 2
    one = member(tmp_path, numeric if kind == "numeric" else categorical(), width)
    assert one.leaves > 5000
    x = rows(rng, 8, width) if kind == "numeric" else np.column_stack([np.arange(8.0), rng.normal(size=8)])
    base, parts = one.attributed(x, np.eye(width))
    due = one._trees.contributions(x)
    assert np.allclose(base, due[0, :, -1], rtol=0, atol=1e-9)
    assert np.allclose(parts, due[:, :, :-1], rtol=0, atol=SINGLE)
    text = (tmp_path / "trees0.txt").read_text()
    assert (read_trees(text, 1) is None) == (kind == "categorical")


def test_threads_that_ask_at_once_do_not_write_on_each_others_sheet(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    one = member(tmp_path, flat.model_text([grown(rng, 300) for _ in range(20)], 1, WIDTH), WIDTH)
    x = rows(rng, 12, WIDTH)
    due = one._trees.contributions(x)[:, :, :-1]
    off: list[float] = []
    together = Barrier(4)

    def ask() -> None:
        together.wait()
        off.extend(float(np.abs(one.attributed(x, np.eye(WIDTH))[1] - due).max()) for _ in range(5))

    threads = [Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(off) == 20
    assert max(off) < SINGLE
