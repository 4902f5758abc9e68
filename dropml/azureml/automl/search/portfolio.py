"""The order in which algorithms and their settings are tried: a fixed, diverse portfolio, then seeded draws.

The sequence depends on the seed and the job's lists alone, never on the clock: the same seed gives the same trials as
far as the limits let it run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dropml.azureml.automl.fit.algorithms import CLASSIFIERS, REGRESSORS, Algorithm
from dropml.azureml.automl.spec import JobSpec, UserError


@dataclass(frozen=True)
class Candidate:
    algorithm: str
    params: dict[str, Any]


_LIGHTGBM: list[dict[str, Any]] = [
    {
        "learning_rate": 0.03,
        "num_leaves": 15,
        "min_data_in_leaf": 30,
        "feature_fraction": 0.6,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
    },
    {
        "learning_rate": 0.02,
        "num_leaves": 31,
        "min_data_in_leaf": 50,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 10.0,
    },
    {
        "learning_rate": 0.05,
        "num_leaves": 31,
        "extra_trees": True,
        "min_data_in_leaf": 20,
        "feature_fraction": 0.8,
    },
]
_XGBOOST: list[dict[str, Any]] = [
    {"learning_rate": 0.05, "max_depth": 5, "colsample_bytree": 0.6, "subsample": 0.8, "min_child_weight": 5},
    {
        "learning_rate": 0.03,
        "grow_policy": "lossguide",
        "max_leaves": 31,
        "max_depth": 0,
        "colsample_bytree": 0.5,
        "subsample": 0.8,
        "min_child_weight": 10,
        "reg_lambda": 5.0,
    },
]
BRISK_BELOW_S = 45.0
_SLOW = ("SVM", "KNN", "GradientBoosting", "LinearSVM")


def supported(spec: JobSpec) -> dict[str, Algorithm]:
    return CLASSIFIERS if spec.classification else REGRESSORS


def allowed(spec: JobSpec) -> list[str]:
    """Names the job may use, in the order of the registry. Raises UserError where none is left."""
    known = supported(spec)
    lower = {name.lower(): name for name in known}
    chosen = _names(spec.training.get("allowedTrainingAlgorithms"), lower)
    blocked = _names(spec.training.get("blockedTrainingAlgorithms"), lower)
    names = [n for n in known if (not chosen or n in chosen) and n not in blocked]
    if not names:
        raise UserError(
            "Every algorithm is blocked, or none of the allowed ones fits the task; allow at least one."
        )
    return names


def _names(wire: Any, lower: dict[str, str]) -> set[str]:
    return {lower[str(n).lower()] for n in wire or [] if str(n).lower() in lower}


def candidates(spec: JobSpec) -> Iterator[Candidate]:
    """A long sequence: one of each quick algorithm first, then variants, then random draws."""
    brisk = spec.limits.timeout_s < BRISK_BELOW_S
    for candidate in _sequence(spec):
        yield Candidate(candidate.algorithm, _brisk(candidate) if brisk else candidate.params)


def _brisk(candidate: Candidate) -> dict[str, Any]:
    """The same setting with about half the trees, for jobs whose time would not do for all of them."""
    params = dict(candidate.params)
    if "learning_rate" in params:
        params["learning_rate"] = min(0.2, 2.0 * params["learning_rate"])
    if candidate.algorithm in ("RandomForest", "ExtremeRandomTrees"):
        params["n_estimators"] = 30
    return params


def _sequence(spec: JobSpec) -> Iterator[Candidate]:
    names = allowed(spec)
    explicit = bool(spec.training.get("allowedTrainingAlgorithms"))
    boosted: list[str] = [n for n in ("LightGBM", "XGBoostClassifier", "XGBoostRegressor") if n in names]
    first = [n for n in names if n not in _SLOW and n not in ("DecisionTree", "SGD", "LassoLars")]
    first = [n for n in first if not n.endswith("NaiveBayes")] if not explicit else first
    for name in first:
        yield Candidate(name, _variants(name)[0])
    for i in range(1, 3):
        for name in boosted:
            if len(_variants(name)) > i:
                yield Candidate(name, _variants(name)[i])
    for name in names:
        if name not in first:
            yield Candidate(name, _variants(name)[0])
    yield from _draws(spec, names, boosted)


def _variants(name: str) -> list[dict[str, Any]]:
    return {"LightGBM": _LIGHTGBM, "XGBoostClassifier": _XGBOOST, "XGBoostRegressor": _XGBOOST}.get(
        name, [{}]
    )


def _draws(spec: JobSpec, names: list[str], boosted: list[str]) -> Iterator[Candidate]:
    rng = np.random.default_rng(spec.seed)
    tunable = [
        n for n in names if n in boosted or n in ("RandomForest", "ExtremeRandomTrees", "LogisticRegression")
    ]
    tunable = tunable or names
    weights = np.array([4.0 if n in boosted else 1.0 for n in tunable])
    for _ in range(2000):
        name = str(rng.choice(tunable, p=weights / weights.sum()))
        yield Candidate(name, _draw(name, rng))


def _draw(name: str, rng: np.random.Generator) -> dict[str, Any]:
    def log(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    if name == "LightGBM":
        return {
            "learning_rate": log(0.015, 0.1),
            "num_leaves": int(log(6, 64)),
            "min_data_in_leaf": int(log(5, 120)),
            "feature_fraction": float(rng.uniform(0.35, 0.95)),
            "bagging_fraction": float(rng.uniform(0.6, 1.0)),
            "bagging_freq": 1,
            "lambda_l2": log(0.01, 30),
            "extra_trees": bool(rng.random() < 0.25),
        }
    if name.startswith("XGBoost"):
        return {
            "learning_rate": log(0.02, 0.1),
            "max_depth": int(rng.integers(3, 9)),
            "min_child_weight": log(0.5, 30),
            "colsample_bytree": float(rng.uniform(0.35, 0.95)),
            "subsample": float(rng.uniform(0.6, 1.0)),
            "reg_lambda": log(0.1, 30),
        }
    if name in ("RandomForest", "ExtremeRandomTrees"):
        return {"max_features": float(rng.uniform(0.2, 0.95)), "min_samples_leaf": int(log(2, 30))}
    if name == "LogisticRegression":
        return {"C": log(0.01, 30)}
    if name in ("ElasticNet", "LassoLars", "SGD"):
        return {"alpha": log(1e-5, 1e-1)}
    if name == "KNN":
        return {"n_neighbors": int(log(3, 100))}
    if name == "DecisionTree":
        return {"max_leaf_nodes": int(log(8, 512)), "min_samples_leaf": int(log(2, 60))}
    if name == "GradientBoosting":
        return {"max_depth": int(rng.integers(2, 7)), "learning_rate": log(0.03, 0.2)}
    return {"C": log(0.01, 10)} if name.endswith("SVM") else {"alpha": log(0.05, 5)}
