"""A row taken through all trees at once ends in the leaves that LightGBM's own walk ends in, whatever the trees."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from dropml.azureml.automl.model import flat
from scorer.links import Floats
from scorer.masks import Masks, masks, read_forest
from scorer.members import FewRows, TreeMember
from scorer.trees import Trees
from tests.scorer.test_explain import WIDTH, grown
from tests.scorer.test_treeshap import QUIET, rows


def read(*models: tuple[str, int]) -> Masks:
    forests = [read_forest(text, outputs) for text, outputs in models]
    return Masks([forest for forest in forests if forest])


def both(x: Floats, *models: tuple[str, int]) -> tuple[Floats, Floats]:
    """What masks find of each row, and what LightGBM does."""
    walked = [Trees(text, outputs, x.shape[1]).raw(x) for text, outputs in models]
    found = read(*models)
    return found.rows(x), np.concatenate(walked, axis=1)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6),
    st.lists(st.sampled_from([1, 3]), min_size=1, max_size=3),
    st.sampled_from([32, 64]),
)
def test_ensembles_together(seed: int, outputs: list[int], most: int) -> None:
    rng = np.random.default_rng(seed)
    models = [
        (flat.model_text([grown(rng, int(rng.integers(2, most + 1))) for _ in range(5 * n)], n, WIDTH), n)
        for n in outputs
    ]
    found, due = both(rows(rng, 20, WIDTH), *models)
    assert np.allclose(found, due, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "more",
    [
        {"objective": "binary", "num_leaves": 31},
        {"objective": "binary", "num_leaves": 64},
        {"objective": "binary", "num_leaves": 31, "zero_as_missing": True},
        {"objective": "binary", "num_leaves": 31, "use_missing": False},
        {"objective": "binary", "num_leaves": 2},
        {"objective": "multiclass", "num_class": 4, "num_leaves": 20},
        {"objective": "regression", "num_leaves": 32, "min_gain_to_split": 30.0},
    ],
    ids=[
        "missing",
        "64 leaves",
        "zero is missing",
        "nothing is missing",
        "stumps",
        "four classes",
        "lone leaves",
    ],
)
def test_models_of_lightgbm(more: dict[str, Any]) -> None:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(1500, 6)).round(1)
    x[rng.random(x.shape) < 0.1] = np.nan
    score = np.nan_to_num(x) @ rng.normal(size=6) + rng.normal(size=1500)
    y = (score > 0).astype(float) if more["objective"] == "binary" else score
    outputs = int(more.get("num_class", 1))
    y = np.digitize(score, [-2, 0, 2]).astype(float) if outputs == 4 else y
    booster = lightgbm.train({**QUIET, **more}, lightgbm.Dataset(x, y), 40)
    found, due = both(np.concatenate([x[:60], rows(rng, 60, 6)]), (booster.model_to_string(), outputs))
    assert np.allclose(found, due, rtol=0, atol=1e-12)
    assert len(np.unique(due)) > 10


def test_models_of_xgboost() -> None:
    rng = np.random.default_rng(9)
    x = rng.normal(size=(800, WIDTH))
    x[rng.random(x.shape) < 0.2] = np.nan
    y = (np.nan_to_num(x).sum(axis=1) > 0).astype(float)
    booster = xgboost.train({"max_depth": 5, "objective": "binary:logistic"}, xgboost.DMatrix(x, y), 30)
    found, due = both(x[:100], (flat.model_text(flat.xgboost_trees(booster), 1, WIDTH), 1))
    assert np.allclose(found, due, rtol=0, atol=1e-12)


def test_a_value_that_is_a_threshold_goes_left_and_the_next_one_right() -> None:
    rng = np.random.default_rng(3)
    grove = [grown(rng, 30) for _ in range(20)]
    text = flat.model_text(grove, 1, WIDTH)
    forest = read_forest(text, 1)
    assert forest is not None
    x = rng.normal(size=(200, WIDTH))
    x[np.arange(200), forest.feature[:200]] = forest.threshold[:200]
    beyond = np.where(rng.random(x.shape) < 0.5, x, np.nextafter(x, np.inf))
    found, due = both(np.concatenate([x, beyond]), (text, 1))
    assert np.allclose(found, due, rtol=0, atol=1e-12)


def test_several_threads_at_once() -> None:
    rng = np.random.default_rng(5)
    found = read((flat.model_text([grown(rng, 31) for _ in range(200)], 1, WIDTH), 1))
    x = rows(rng, 50, WIDTH)
    due = found.rows(x).tolist()
    with ThreadPoolExecutor(4) as pool:
        for sums in pool.map(found.rows, [x] * 50):
            assert sums.tolist() == due


def boosted(size: int, **more: Any) -> str:
    """A model of so many trees."""
    rng = np.random.default_rng(1)
    x = rng.integers(0, 9, size=(500, 4)).astype(float)
    data = lightgbm.Dataset(
        x, x.sum(axis=1) + rng.normal(size=500), categorical_feature=more.pop("categories", [])
    )
    return lightgbm.train({**QUIET, "num_leaves": 8, **more}, data, size).model_to_string()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (boosted(120, categories=[0]), "categories"),
        (boosted(120, linear_tree=True), "linear leaves"),
        (boosted(120, num_leaves=65, min_data_in_leaf=1), "too many leaves"),
        (boosted(120, boosting="rf", bagging_freq=1, bagging_fraction=0.5), "averages"),
    ],
    ids=lambda value: "" if "\n" in value else value,
)
def test_other_trees_are_walked(text: str, why: str) -> None:
    assert read_forest(text, 1) is None, why


def test_where_a_walk_is_as_quick_there_are_no_masks() -> None:
    few, many = read_forest(boosted(20), 1), read_forest(boosted(120), 1)
    assert few is not None
    assert many is not None
    assert masks([few]) is None
    assert masks([many]) is not None
    assert masks([many] * 300) is None, "a row would read more of the table than a walk does of the trees"


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_one_row_of_two_labels_in_plain_numbers_is_as_many_are(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    rng, folder = np.random.default_rng(seed), tmp_path_factory.mktemp("members")
    specs: list[dict[str, Any]] = [
        {"link": "sigmoid"},
        {"link": "sigmoid", "base": [0.7]},
        {"link": "probability"},
    ]
    members = []
    for number, (spec, leaves) in enumerate(zip(specs, (31, 15, 200), strict=True)):
        trees = [grown(rng, leaves) for _ in range(60)]
        (folder / f"{number}.txt").write_text(flat.model_text(trees, 1, WIDTH))
        members.append(TreeMember({"file": f"{number}.txt", "outputs": 1, **spec}, folder, WIDTH))
    few, x = FewRows(members), rows(rng, 6, WIDTH)
    many = [part[:, 1] for part in few.parts(x)]
    one = [few.seconds(x[at : at + 1]) for at in range(len(x))]
    assert np.allclose(np.array(one).T, many, rtol=0, atol=1e-12)


def test_three_labels_are_not_two(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    (tmp_path / "0.txt").write_text(flat.model_text([grown(rng, 20) for _ in range(120)], 3, WIDTH))
    few = FewRows([TreeMember({"file": "0.txt", "outputs": 3, "link": "softmax"}, tmp_path, WIDTH)])
    assert few.seconds(rows(rng, 1, WIDTH)) is None
