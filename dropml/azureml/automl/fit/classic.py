"""Forests, linear models, naive Bayes, nearest neighbours and support vector machines, from scikit-learn."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from dropml.azureml.automl.fit.fitting import Fold, Params, Setting, standard_target
from dropml.azureml.automl.fit.models import PlattModel, SklearnModel, bounded

FOREST_STEP = 10  # trees grown between two looks at the clock; fewer where there are many rows


def medians(x: np.ndarray) -> np.ndarray:
    """Median of each feature (0 where a feature is missing throughout)."""
    sample = x if len(x) <= 100_000 else x[:: len(x) // 100_000]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nan_to_num(np.nanmedian(sample, axis=0)))


def fit_forest(params: Params, fold: Fold, setting: Setting) -> SklearnModel:
    """RandomForest or ExtremeRandomTrees, grown step by step until its trees or its time are used up."""
    from sklearn import ensemble

    params = dict(params)
    kind = params.pop("kind")
    name = f"{kind}{'Regressor' if setting.regression else 'Classifier'}"
    wanted = setting.rounds or int(params.pop("n_estimators", 100))
    params.pop("n_estimators", None)
    if kind == "RandomForest" and len(fold.y) > 100_000:
        params["max_samples"] = 100_000 / len(fold.y)
    forest = getattr(ensemble, name)(
        n_estimators=0, warm_start=True, n_jobs=setting.threads, random_state=setting.seed, **params
    )
    x = bounded(fold.x)
    grown, step = 0, max(1, min(FOREST_STEP, 200_000 // len(fold.y)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        while grown < wanted and not (grown and setting.late):
            grown = min(wanted, grown + step)
            forest.set_params(n_estimators=grown)
            forest.fit(x, fold.y, sample_weight=fold.w)
    forest.set_params(n_jobs=1, warm_start=False)
    return SklearnModel(forest, setting.n_classes, rounds=grown)


def fit_tree(params: Params, fold: Fold, setting: Setting) -> SklearnModel:
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeRegressor if setting.regression else DecisionTreeClassifier
    tree = kind(random_state=setting.seed, **params)
    tree.fit(bounded(fold.x), fold.y, sample_weight=fold.w)
    return SklearnModel(tree, setting.n_classes)


def fit_linear(params: Params, fold: Fold, setting: Setting) -> SklearnModel:
    """A linear classifier or regressor on standardised features (means stand in for missing values)."""
    params = dict(params)
    kind = params.pop("kind")
    prepare = _standardise(fold.x)
    x = _prepared(fold.x, prepare)
    estimator = _linear_estimator(kind, params, setting)
    if not setting.regression:
        _fit_quietly(estimator, x, fold.y, fold.w)
        return SklearnModel(estimator, setting.n_classes, **prepare)
    scaled, target = standard_target(fold)
    _fit_quietly(estimator, x, scaled.y, fold.w)
    return SklearnModel(estimator, 0, target=target, **prepare)


def _linear_estimator(kind: str, params: Params, setting: Setting) -> Any:
    from sklearn import linear_model

    seeded = {"random_state": setting.seed, **params}
    if kind == "LogisticRegression":
        return linear_model.LogisticRegression(max_iter=300, **seeded)
    if kind == "SGD":
        options = {"early_stopping": True, "n_iter_no_change": 5, **seeded}
        if setting.regression:
            return linear_model.SGDRegressor(**options)
        return linear_model.SGDClassifier(loss="log_loss", **options)
    if kind == "ElasticNet":
        return linear_model.ElasticNet(**seeded)
    if kind == "LassoLars":
        return linear_model.LassoLars(**seeded)
    raise ValueError(f"no linear model {kind!r}")


def fit_bayes(params: Params, fold: Fold, setting: Setting) -> SklearnModel:
    """BernoulliNB (features above their median) or MultinomialNB (features scaled to 0..1)."""
    from sklearn.naive_bayes import BernoulliNB, MultinomialNB

    params = dict(params)
    kind = params.pop("kind")
    fill = medians(fold.x)
    if kind == "BernoulliNaiveBayes":
        estimator: Any = BernoulliNB(**params)
        prepare: dict[str, Any] = {"fill": fill, "center": fill, "scale": np.ones_like(fill)}
    else:
        low, high = np.nanmin(fold.x, axis=0), np.nanmax(fold.x, axis=0)
        low, high = np.nan_to_num(low), np.nan_to_num(high)
        estimator = MultinomialNB(**params)
        prepare = {"fill": fill, "center": low, "scale": np.where(high > low, high - low, 1.0)}
    x = _prepared(fold.x, prepare)
    estimator.fit(np.maximum(x, 0.0) if kind != "BernoulliNaiveBayes" else x, fold.y, sample_weight=fold.w)
    return SklearnModel(estimator, setting.n_classes, **prepare)


def fit_neighbours(params: Params, fold: Fold, setting: Setting) -> SklearnModel:
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    params = dict(params)
    fold = fold.sample(int(params.pop("max_rows", 20_000)), setting.seed)
    prepare = _standardise(fold.x)
    params["n_neighbors"] = min(int(params.get("n_neighbors", 15)), len(fold.y))
    kind = KNeighborsRegressor if setting.regression else KNeighborsClassifier
    estimator = kind(n_jobs=setting.threads, **params).fit(_prepared(fold.x, prepare), fold.y)
    return SklearnModel(estimator, setting.n_classes, **prepare)


def fit_svm(params: Params, fold: Fold, setting: Setting) -> PlattModel:
    """LinearSVM or SVM (RBF kernel), with probabilities by Platt scaling of cross-validated margins."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.svm import SVC, LinearSVC

    params = dict(params)
    kind = params.pop("kind")
    fold = fold.sample(int(params.pop("max_rows", 5_000 if kind == "SVM" else 200_000)), setting.seed)
    prepare = _standardise(fold.x)
    x = _prepared(fold.x, prepare)

    def fresh() -> Any:
        if kind == "SVM":
            return SVC(random_state=setting.seed, decision_function_shape="ovo", **params)
        return LinearSVC(random_state=setting.seed, **params)

    folds = max(2, min(3, int(np.bincount(fold.y.astype(int)).min() or 2)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        splits = StratifiedKFold(folds, shuffle=True, random_state=setting.seed)
        margins = cross_val_predict(fresh(), x, fold.y, cv=splits, method="decision_function")
        estimator = fresh().fit(x, fold.y, sample_weight=fold.w)
        calibrator = LogisticRegression(max_iter=300).fit(margins.reshape(len(x), -1), fold.y)
    return PlattModel(estimator, calibrator, setting.n_classes, **prepare)


def _standardise(x: np.ndarray) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        center = np.nan_to_num(np.nanmean(x, axis=0))
        scale = np.nan_to_num(np.nanstd(x, axis=0))
    return {"fill": center, "center": center, "scale": np.where(scale > 0, scale, 1.0)}


def _prepared(x: np.ndarray, prepare: dict[str, Any]) -> np.ndarray:
    return np.asarray((np.where(np.isnan(x), prepare["fill"], x) - prepare["center"]) / prepare["scale"])


def _fit_quietly(estimator: Any, x: np.ndarray, y: np.ndarray, w: np.ndarray | None) -> None:
    """Fit; an estimator that takes no weights goes without, and one that did not converge is used as it is."""
    import inspect

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if w is not None and "sample_weight" in inspect.signature(estimator.fit).parameters:
            estimator.fit(x, y, sample_weight=w)
        else:
            estimator.fit(x, y)
