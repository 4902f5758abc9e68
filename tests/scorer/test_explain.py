"""Contributions are what their definition says, sum to the score, and cost nothing where nobody asks for them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import ExtraTreesClassifier

from dropml.azureml.automl.model import flat
from scorer.compiled import CompiledScorer
from scorer.errors import RequestError
from scorer.explain import explain
from scorer.links import LINKS
from scorer.members import KernelMember, LinearMember
from scorer.slopes import link_slopes, log_slopes
from scorer.trees import Trees

COLUMNS = ["size", "colour", "flag", "when", "spare"]
TYPES = dict(zip(COLUMNS, ["double", "string", "boolean", "datetime", "double"], strict=True))
FEATURES = [
    {"column": "size", "type": "double", "kind": "numeric", "features": ["value"], "fill": None},
    {
        "column": "colour",
        "type": "string",
        "kind": "category",
        "features": ["category"],
        "map": {"red": -1.0, "green": 0.5, "blue": 1.25},
        "missing": 0.25,
        "unseen": 0.0,
    },
    {"column": "flag", "type": "boolean", "kind": "numeric", "features": ["value"], "fill": None},
    {"column": "when", "type": "datetime", "kind": "datetime", "features": ["month", "weekday"]},
]
WIDTH = 5
OWNERS = np.zeros((WIDTH, len(COLUMNS)))
OWNERS[range(WIDTH), [0, 1, 2, 3, 3]] = 1.0
ROWS = st.tuples(
    st.none() | st.floats(-20, 20),
    st.none() | st.sampled_from(["red", "green", "blue", "never seen"]),
    st.none() | st.booleans(),
    st.none() | st.datetimes().map(lambda moment: moment.isoformat()),
    st.none() | st.floats(-5, 5),
).map(list)


def shapley(players: int, worth: Callable[[frozenset[int]], Any]) -> np.ndarray:
    """By the definition, over all coalitions: (players, ...)."""
    every = range(players)
    values = []
    for player in every:
        others = [one for one in every if one != player]
        total: Any = 0.0
        for size in range(players):
            share = math.factorial(size) * math.factorial(players - size - 1) / math.factorial(players)
            for coalition in combinations(others, size):
                known = frozenset(coalition)
                total = total + share * (worth(known | {player}) - worth(known))
        values.append(total)
    return np.array(values)


def grown(rng: np.random.Generator, leaves: int) -> flat.Tree:
    """A tree of random splits, some of them on one feature twice over."""
    left, right, count = [-1], [-1], 1
    while count < leaves:
        at = int(rng.choice([i for i, below in enumerate(left) if below < 0]))
        left[at], right[at] = len(left), len(left) + 1
        left += [-1, -1]
        right += [-1, -1]
        count += 1
    nodes = len(left)
    return flat.Tree(
        left=np.array(left),
        right=np.array(right),
        feature=rng.integers(0, WIDTH, nodes),
        threshold=rng.normal(scale=2, size=nodes),
        missing_left=rng.random(nodes) < 0.5,
        values=rng.normal(size=nodes),
        weights=rng.uniform(0.5, 90, nodes),
    )


def expected(tree: flat.Tree, row: np.ndarray, known: frozenset[int], node: int = 0) -> tuple[float, float]:
    """What a tree answers where only some features are known (Lundberg 2018, algorithm 1), and the weight below."""
    if tree.left[node] < 0:
        return float(tree.values[node]), float(tree.weights[node])
    (left, left_weight), (right, right_weight) = (
        expected(tree, row, known, int(child[node])) for child in (tree.left, tree.right)
    )
    weight = left_weight + right_weight
    if int(tree.feature[node]) not in known:
        return (left * left_weight + right * right_weight) / weight, weight
    value = row[tree.feature[node]]
    goes_left = bool(tree.missing_left[node]) if np.isnan(value) else value <= tree.threshold[node]
    return (left if goes_left else right), weight


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 3]))
def test_trees_are_shared_out_as_the_definition_says(seed: int, outputs: int) -> None:
    rng = np.random.default_rng(seed)
    grove = [grown(rng, int(rng.integers(1, 9))) for _ in range(2 * outputs)]
    x = rng.normal(scale=2, size=(2, WIDTH))
    x[0, rng.integers(WIDTH)] = np.nan
    found = Trees(flat.model_text(grove, outputs, WIDTH), outputs, WIDTH).contributions(x)
    for number, row in enumerate(x):
        for output in range(outputs):
            mine = grove[output::outputs]

            def worth(known: frozenset[int], mine: list[flat.Tree] = mine, row: np.ndarray = row) -> float:
                return sum(expected(tree, row, known)[0] for tree in mine)

            assert found[number, output, -1] == pytest.approx(worth(frozenset()), abs=1e-7)
            assert found[number, output, :-1] == pytest.approx(shapley(WIDTH, worth), abs=1e-7)


def table(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(300, WIDTH))
    x[rng.random(x.shape) < 0.1] = np.nan
    return x, (np.nan_to_num(x[:, 0] * x[:, 1] + x[:, 2]) + rng.normal(size=300) > 0).astype(int)


def test_trees_of_lightgbm_are_shared_out_as_it_does_itself() -> None:
    x, y = table(1)
    settings = {"objective": "binary", "verbose": -1, "num_leaves": 7, "num_threads": 1}
    booster = lightgbm.train(settings, lightgbm.Dataset(x, y), 30)
    trees = Trees(booster.model_to_string(), 1, WIDTH)
    assert trees.counted
    assert np.allclose(trees.contributions(x)[:, 0], booster.predict(x, pred_contrib=True), atol=1e-12)


def test_trees_of_xgboost_are_shared_out_as_it_does_itself() -> None:
    x, y = table(2)
    x = x.astype("float32").astype("float64")
    settings = {"objective": "binary:logistic", "max_depth": 4, "base_score": 0.5, "nthread": 1}
    booster = xgboost.train(settings, xgboost.DMatrix(x, label=y), 20)
    trees = Trees(flat.model_text(flat.xgboost_trees(booster), 1, WIDTH), 1, WIDTH)
    due = booster.predict(xgboost.DMatrix(x), pred_contribs=True)
    assert np.allclose(trees.contributions(x)[:, 0], due, atol=1e-4)  # it adds up in float32


def test_deep_trees_of_a_forest_sum_to_what_they_answer() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(3000, 12))
    forest = ExtraTreesClassifier(5, max_leaf_nodes=600, random_state=1, n_jobs=1)
    forest.fit(x, (x[:, 0] * x[:, 1] + rng.normal(size=3000) > 0).astype(int))
    found = [flat.sklearn_tree(t.tree_, t.tree_.value[:, 0, 1] / 5) for t in forest.estimators_]
    trees = Trees(flat.model_text(found, 1, 12), 1, 12)
    assert max(tree.get_depth() for tree in forest.estimators_) > 15
    assert np.allclose(trees.contributions(x[:50]).sum(axis=2), trees.raw(x[:50]), rtol=0, atol=1e-9)


def test_counts_of_nodes_add_up_and_none_is_zero() -> None:
    tree = grown(np.random.default_rng(4), 6)
    tree.weights[tree.left < 0] = [1e-30, 1.0, 2.0, 1e9, 0.0, 5.0]
    lines = dict(
        line.split("=") for line in flat.model_text([tree], 1, WIDTH).splitlines() if "count=" in line
    )
    leaves, inner = ([int(n) for n in lines[f"{name}_count"].split()] for name in ("leaf", "internal"))
    assert min(leaves) == 1
    assert inner[0] == sum(leaves)


def preparation(rng: np.random.Generator) -> dict[str, Any]:
    prepared = {
        "fill": rng.normal(size=WIDTH),
        "center": rng.normal(size=WIDTH),
        "means": rng.normal(size=WIDTH),
    }
    return {name: values.tolist() for name, values in prepared.items()} | {
        "scale": rng.uniform(0.5, 3, WIDTH).tolist()
    }


def linear_spec(rng: np.random.Generator, outputs: int, link: str) -> dict[str, Any]:
    return {
        "kind": "linear",
        **preparation(rng),
        "coef": rng.normal(size=(outputs, WIDTH)).tolist(),
        "intercept": rng.normal(size=outputs).tolist(),
        "link": link,
        "binarize": bool(rng.random() < 0.3),
    }


def kernel_spec(rng: np.random.Generator, outputs: int, link: str) -> dict[str, Any]:
    return {
        **linear_spec(rng, outputs, link),
        "kind": "kernel",
        "binarize": False,
        "vectors": rng.normal(size=(9, WIDTH)).tolist(),
        "gamma": float(rng.uniform(0.01, 0.5)),
        "coef": (4 * rng.normal(size=(outputs, 9))).tolist(),
    }


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_linear_and_kernel_members_are_shared_out_as_the_definition_says(seed: int, kernel: bool) -> None:
    """A coalition's columns are the row's, the others the reference's; the features of a column move together."""
    rng = np.random.default_rng(seed)
    spec = (kernel_spec if kernel else linear_spec)(rng, 2, "identity") | {"binarize": False}
    member = (KernelMember if kernel else LinearMember)(spec)
    x = rng.normal(scale=2, size=(2, WIDTH))
    x[1, rng.integers(WIDTH)] = np.nan
    base, found = member.attributed(x, OWNERS)
    reference = np.array(spec["means"]) * spec["scale"] + np.array(spec["center"])
    for number, row in enumerate(x):

        def worth(known: frozenset[int], row: np.ndarray = row) -> np.ndarray:
            mixed = np.where(OWNERS[:, sorted(known)].any(axis=1), row, reference)
            return np.asarray(member.predict(mixed[None])[0])

        assert base == pytest.approx(worth(frozenset()), abs=1e-9)
        assert np.allclose(found[number].T, shapley(len(COLUMNS), worth), rtol=0, atol=1e-9)


def test_a_kernel_that_a_row_is_far_from_has_no_part_in_it() -> None:
    spec = kernel_spec(np.random.default_rng(5), 1, "identity")
    member = KernelMember(spec)
    base, parts = member.attributed(np.full((1, WIDTH), 1e6), OWNERS)
    assert base + parts.sum() == pytest.approx(np.array(spec["intercept"]), abs=1e-9)


MARGINS = st.floats(-40, 40) | st.floats(-1000, 1000) | st.sampled_from([0.0, 1e-9, 700.0, 1e4])


@settings(max_examples=200)
@given(st.sampled_from(["sigmoid", "probability", "identity", "softmax", "one_vs_rest"]), st.data())
def test_slopes_times_differences_are_the_differences_of_a_link(link: str, data: st.DataObject) -> None:
    size = 1 if link in ("sigmoid", "probability") else 3
    margins = st.lists(MARGINS if link != "one_vs_rest" else st.floats(-40, 40), min_size=size, max_size=size)
    before, after = np.array(data.draw(margins)), np.array(data.draw(margins))
    due = LINKS[link](after[None])[0] - LINKS[link](before[None])[0]
    assert link_slopes(link, before, after) @ (after - before) == pytest.approx(due, abs=1e-12)


@pytest.mark.parametrize("link", ["softmax", "one_vs_rest"])
def test_slopes_of_shares_are_the_mean_derivatives_on_the_way(link: str) -> None:
    before, after = np.array([0.3, -2.0, 1.0]), np.array([4.0, -1.0, -6.0])
    ways = ((np.arange(20_000) + 0.5) / 20_000)[:, None]
    for margin in range(3):
        step = np.zeros(3)
        step[margin] = 1e-5
        points = before + ways * (after - before)
        due = (LINKS[link](points + step) - LINKS[link](points - step)).mean(axis=0) / 2e-5
        assert link_slopes(link, before, after)[:, margin] == pytest.approx(due, abs=1e-7)


@given(st.floats(-30, 30), st.floats(-1e-8, 1e-8))
def test_margins_close_to_each_other_have_the_derivative(margin: float, apart: float) -> None:
    found = link_slopes("sigmoid", np.array([margin]), np.array([margin + apart]))[1, 0]
    share = 1 / (1 + math.exp(-margin))
    assert found == pytest.approx(share * (1 - share), rel=1e-6)


@given(st.floats(0, 1), st.floats(0, 1))
def test_logarithms_have_their_secants(before: float, after: float) -> None:
    held = [min(max(p, 1e-6), 1 - 1e-6) for p in (before, after)]
    slope = log_slopes(np.array([before]), np.array([after]))[0]
    if before == after:
        assert slope == (1 / before if held[0] == before else 0.0)
    else:
        assert slope * (after - before) == pytest.approx(math.log(held[1] / held[0]), abs=1e-12)


def document(rng: np.random.Generator, classes: int, folder: Path) -> dict[str, Any]:
    """A random model: one to three members of any kind, mixed or stacked."""
    outputs = classes if classes > 2 else 1
    members = [
        member_spec(rng, classes, outputs, folder, number) for number in range(int(rng.integers(1, 4)))
    ]
    combine: dict[str, Any] = {"kind": "mean", "weights": rng.dirichlet(np.ones(len(members))).tolist()}
    if rng.random() < 0.5:
        inputs = len(members) * outputs
        combine = {"kind": "stack", "coef": rng.normal(size=(outputs, inputs)).tolist()}
        combine["intercept"] = rng.normal(size=outputs).tolist()
    return {
        "types": TYPES,
        "labels": {0: None, 2: ["no", "yes"], 3: ["a", "b", "c"]}[classes],
        "threshold": None,
        "outputs": max(1, classes),
        "features": FEATURES,
        "n_features": WIDTH,
        "members": members,
        "combine": combine,
    }


def member_spec(
    rng: np.random.Generator, classes: int, outputs: int, folder: Path, number: int
) -> dict[str, Any]:
    link = {0: "identity", 2: "sigmoid", 3: str(rng.choice(["softmax", "one_vs_rest"]))}[classes]
    kind = rng.choice(["trees", "linear", "kernel"])
    if kind != "trees":
        return (linear_spec if kind == "linear" else kernel_spec)(rng, outputs, link)
    grove = [grown(rng, int(rng.integers(1, 20))) for _ in range(4 * outputs)]
    (folder / f"trees{number}.txt").write_text(flat.model_text(grove, outputs, WIDTH))
    fill = rng.normal(size=WIDTH).tolist() if rng.random() < 0.5 else None
    base = rng.normal(size=outputs).tolist() if rng.random() < 0.5 else None
    return {"kind": "trees", "file": f"trees{number}.txt", "outputs": outputs, "link": link} | {
        "fill": fill,
        "base": base,
    }


def written(made: dict[str, Any], folder: Path) -> CompiledScorer:
    (folder / "dropml" / "pipeline.json").write_text(json.dumps(made))
    return CompiledScorer(folder)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0, 2, 3]), st.lists(ROWS, max_size=4))
def test_base_and_contributions_sum_to_the_score(seed: int, classes: int, rows: list[list[Any]]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "dropml").mkdir()
        scorer = written(document(np.random.default_rng(seed), classes, folder / "dropml"), folder)
        result = scorer.predict(COLUMNS, rows)
        found = explain(scorer, COLUMNS, rows, result)
        shares = scorer.predict_proba(COLUMNS, rows) if classes else [[value] for value in result]
    assert found["columns"] == COLUMNS
    assert found["of"] == {0: None, 2: ["yes"] * len(rows), 3: result}[classes]
    assert len(found["base"]) == len(found["values"]) == len(rows)
    for number, (base, values) in enumerate(zip(found["base"], found["values"], strict=True)):
        output = 0 if not classes else scorer.labels.index(found["of"][number])  # type: ignore[union-attr]
        assert base + sum(values) == pytest.approx(shares[number][output], abs=1e-9)
        assert values[COLUMNS.index("spare")] == 0.0  # the model does not look at it


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Any]:
    """One ensemble of trees and one linear member."""
    (tmp_path / "dropml").mkdir()
    rng = np.random.default_rng(9)
    (tmp_path / "dropml" / "trees0.txt").write_text(flat.model_text([grown(rng, 8)], 1, WIDTH))
    trees = {"kind": "trees", "file": "trees0.txt", "outputs": 1, "link": "sigmoid"}
    made = document(rng, 2, tmp_path / "dropml")
    members = [trees, linear_spec(rng, 1, "sigmoid")]
    return made | {"members": members, "combine": {"kind": "mean", "weights": [0.75, 0.25]}}


ROW = [1.5, "red", None, "2024-02-29", None]


def test_a_mean_of_members_has_the_mean_of_their_contributions(tmp_path: Path, made: dict[str, Any]) -> None:
    whole = explain(written(made, tmp_path), COLUMNS, [ROW], [])
    alone = []
    for member in made["members"]:
        one = made | {"members": [member], "combine": {"kind": "mean", "weights": [1.0]}}
        alone.append(explain(written(one, tmp_path), COLUMNS, [ROW], [])["values"][0])
    assert whole["values"][0] == pytest.approx(np.array([0.75, 0.25]) @ np.array(alone), abs=1e-12)


def test_columns_in_any_order_are_explained_in_the_models(tmp_path: Path, made: dict[str, Any]) -> None:
    scorer = written(made, tmp_path)
    turned = explain(scorer, COLUMNS[::-1], [ROW[::-1]], [])
    assert turned == explain(scorer, COLUMNS, [ROW], [])


@pytest.mark.parametrize("lacking", ["counts", "means"])
def test_a_model_of_an_earlier_release_says_what_to_do(
    tmp_path: Path, made: dict[str, Any], lacking: str
) -> None:
    trees = tmp_path / "dropml" / "trees0.txt"
    if lacking == "counts":
        trees.write_text("\n".join(line for line in trees.read_text().split("\n") if "_count=" not in line))
    else:
        del made["members"][1]["means"]
    scorer = written(made, tmp_path)
    assert scorer.predict(COLUMNS, [ROW])[0] in ("no", "yes")
    with pytest.raises(RequestError, match="train it again") as refused:
        explain(scorer, COLUMNS, [ROW], [])
    assert (refused.value.status, refused.value.code) == (400, "no-explanation")
