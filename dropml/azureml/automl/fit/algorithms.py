"""The algorithms by the wire's names (ClassificationModels and RegressionModels of the REST API)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dropml.azureml.automl.fit import boosting, classic
from dropml.azureml.automl.fit.fitting import Fold, Params, Setting
from dropml.azureml.automl.fit.models import Model

#: The service's name for what scales the engineered features before each algorithm.
SCALED, TREES = "StandardScalerWrapper", "MaxAbsScaler"


@dataclass(frozen=True)
class Algorithm:
    """`max_rows`: training rows beyond which a sample is used, because the fit could not be stopped midway."""

    fit: Callable[[Params, Fold, Setting], Model]
    defaults: Params
    preprocessor: str = SCALED
    max_rows: int | None = None
    compilable: bool = (
        True  # one that is not is left out of ensembles: it would slow their scoring down by far
    )


_FOREST = {"min_samples_leaf": 5, "max_features": 0.5, "max_leaf_nodes": 500, "n_estimators": 50}
_EXTRA = {"min_samples_leaf": 3, "max_features": 0.8, "max_leaf_nodes": 600, "n_estimators": 50}
_TREE = {"min_samples_leaf": 20, "max_leaf_nodes": 128}

CLASSIFIERS: dict[str, Algorithm] = {
    "LightGBM": Algorithm(boosting.fit_lightgbm, {}, TREES),
    "XGBoostClassifier": Algorithm(boosting.fit_xgboost, {}, TREES),
    "LogisticRegression": Algorithm(classic.fit_linear, {"kind": "LogisticRegression"}, SCALED, 100_000),
    "RandomForest": Algorithm(classic.fit_forest, {"kind": "RandomForest", **_FOREST}, TREES, 200_000),
    "ExtremeRandomTrees": Algorithm(classic.fit_forest, {"kind": "ExtraTrees", **_EXTRA}, TREES, 200_000),
    "GradientBoosting": Algorithm(
        boosting.fit_gradient_boosting,
        {"subsample": 0.5, "max_depth": 4, "min_samples_leaf": 20},
        TREES,
        50_000,
    ),
    "DecisionTree": Algorithm(classic.fit_tree, _TREE, TREES, 200_000),
    "SGD": Algorithm(classic.fit_linear, {"kind": "SGD", "alpha": 1e-4}, SCALED, 200_000),
    "LinearSVM": Algorithm(classic.fit_svm, {"kind": "LinearSVM", "C": 0.1}, SCALED),
    "SVM": Algorithm(classic.fit_svm, {"kind": "SVM"}, SCALED),
    "KNN": Algorithm(classic.fit_neighbours, {"n_neighbors": 25}, SCALED, compilable=False),
    "BernoulliNaiveBayes": Algorithm(classic.fit_bayes, {"kind": "BernoulliNaiveBayes"}, "RobustScaler"),
    "MultinomialNaiveBayes": Algorithm(classic.fit_bayes, {"kind": "MultinomialNaiveBayes"}, "MinMaxScaler"),
}

REGRESSORS: dict[str, Algorithm] = {
    "LightGBM": CLASSIFIERS["LightGBM"],
    "XGBoostRegressor": CLASSIFIERS["XGBoostClassifier"],
    "ElasticNet": Algorithm(classic.fit_linear, {"kind": "ElasticNet", "alpha": 0.01}, SCALED, 200_000),
    "RandomForest": CLASSIFIERS["RandomForest"],
    "ExtremeRandomTrees": CLASSIFIERS["ExtremeRandomTrees"],
    "GradientBoosting": CLASSIFIERS["GradientBoosting"],
    "DecisionTree": CLASSIFIERS["DecisionTree"],
    "LassoLars": Algorithm(classic.fit_linear, {"kind": "LassoLars", "alpha": 0.001}, SCALED, 100_000),
    "SGD": Algorithm(classic.fit_linear, {"kind": "SGD", "alpha": 1e-4}, SCALED, 200_000),
    "KNN": CLASSIFIERS["KNN"],
}
