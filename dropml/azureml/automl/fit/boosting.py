"""Gradient boosting: LightGBM, XGBoost and scikit-learn's, each stopping by itself when its time is up."""

from __future__ import annotations

from typing import Any

import numpy as np

from dropml.azureml.automl.fit.fitting import Fold, Pace, Params, Setting, standard_target
from dropml.azureml.automl.fit.models import LightGBMModel, SklearnModel, XGBoostModel, bounded

MAX_ROUNDS = 3000
MAX_TREES = 6000  # of all classes together: what scoring can afford
PATIENCE = 40


def fit_lightgbm(params: Params, fold: Fold, setting: Setting) -> LightGBMModel:
    import lightgbm

    threads = setting.boosting_threads(fold.x.size)
    options: dict[str, Any] = {
        "verbose": -1,
        "num_threads": threads,
        "seed": setting.seed,
        "deterministic": True,
        "force_row_wise": True,
        **params,
    }
    options["feature_fraction"] = max(options.get("feature_fraction", 1.0), _fewest_features(fold))
    options["min_data_in_leaf"] = min(options.get("min_data_in_leaf", 20), _smallest_leaf(fold, setting))
    if setting.regression:
        options |= {"objective": "regression", "metric": "l2"}
    elif setting.n_classes == 2:
        options |= {"objective": "binary", "metric": "binary_logloss"}
    else:
        options |= {"objective": "multiclass", "num_class": setting.n_classes, "metric": "multi_logloss"}
        options["learning_rate"] = _quicker(options, setting.n_classes)
        options["lambda_l2"] = max(1.0, options.get("lambda_l2", 0.0))  # without it small leaves blow up
    data = lightgbm.Dataset(fold.x, fold.y, weight=fold.w, params={"verbose": -1, "num_threads": threads})
    pace = Pace(setting, float(options.setdefault("learning_rate", 0.1)))
    callbacks: list[Any] = [_lightgbm_pace(pace), _lightgbm_clock(setting)]
    valid = []
    if fold.valid_x is not None and setting.rounds is None:
        valid = [lightgbm.Dataset(fold.valid_x, fold.valid_y, reference=data)]
        callbacks.append(lightgbm.early_stopping(PATIENCE, verbose=False))
    rounds = setting.rounds or min(MAX_ROUNDS, max(30, MAX_TREES // max(1, setting.n_classes)))
    try:
        booster = lightgbm.train(options, data, rounds, valid_sets=valid, callbacks=callbacks)
        best = booster.best_iteration if valid and booster.best_iteration > 0 else booster.current_iteration()
    except _TimeUpError as stop:
        booster, best = stop.booster, stop.best
    model = LightGBMModel(booster.model_to_string(num_iteration=best), setting.n_classes, best)
    model.tuned = {"learning_rate": pace.rate}
    return model


def _lightgbm_pace(pace: Pace) -> Any:
    def adjust(env: Any) -> None:
        rate = pace.after(env.iteration)
        if rate is not None:
            env.model.reset_parameter({"learning_rate": rate})

    adjust.before_iteration = True  # type: ignore[attr-defined]
    adjust.order = 10  # type: ignore[attr-defined]
    return adjust


def _smallest_leaf(fold: Fold, setting: Setting) -> int:
    """Rows that a leaf should hold at most where data are few: a class must be able to fill several leaves."""
    return max(2, len(fold.y) // (15 * max(2, setting.n_classes)))


def _fewest_features(fold: Fold) -> float:
    """Share of the features that leaves a tree four to choose from."""
    return float(min(1.0, 4.0 / fold.x.shape[1]))


def _quicker(options: Params, n_classes: int) -> float:
    """A round grows a tree for each class: many classes are learned in fewer, larger steps."""
    return float(min(0.3, options.get("learning_rate", 0.1) * max(1.0, (n_classes / 3) ** 0.5)))


class _TimeUpError(Exception):
    def __init__(self, booster: Any, best: int) -> None:
        self.booster, self.best = booster, best


def _lightgbm_clock(setting: Setting) -> Any:
    best: list[Any] = [np.inf, 0]

    def check(env: Any) -> None:
        for _, _, value, *_ in env.evaluation_result_list or []:
            if value < best[0]:
                best[:] = [value, env.iteration + 1]
        if setting.late:
            raise _TimeUpError(env.model, best[1] or env.iteration + 1)

    check.order = 40  # type: ignore[attr-defined]
    return check


def fit_xgboost(params: Params, fold: Fold, setting: Setting) -> XGBoostModel:
    import xgboost

    threads = setting.boosting_threads(fold.x.size)
    options: dict[str, Any] = {
        "tree_method": "hist",
        "nthread": threads,
        "seed": setting.seed,
        "verbosity": 0,
        **params,
    }
    options["colsample_bytree"] = max(options.get("colsample_bytree", 1.0), _fewest_features(fold))
    # In units of the Hessian: p(1 - p) a row for classes.
    target = (0.0, 1.0)
    fair = _smallest_leaf(fold, setting) * (1.0 if setting.regression else 0.1)
    options["min_child_weight"] = min(options.get("min_child_weight", 1.0), fair)
    if setting.regression:
        options |= {"objective": "reg:squarederror", "base_score": 0.0}
        fold, target = standard_target(fold)
    elif setting.n_classes == 2:
        options |= {"objective": "binary:logistic", "eval_metric": "logloss"}
    else:
        options |= {"objective": "multi:softprob", "num_class": setting.n_classes, "eval_metric": "mlogloss"}
        options["learning_rate"] = _quicker(options, setting.n_classes)
    bins = {"max_bin": int(params.get("max_bin", 256)), "nthread": threads}
    data = xgboost.QuantileDMatrix(bounded(fold.x), fold.y, weight=fold.w, **bins)
    evals: list[Any] = []
    pace = Pace(setting, float(options.setdefault("learning_rate", 0.1)))
    callbacks: list[Any] = [_xgboost_clock(setting, pace)]
    if fold.valid_x is not None and setting.rounds is None:
        evals = [(xgboost.QuantileDMatrix(bounded(fold.valid_x), fold.valid_y, ref=data, **bins), "valid")]
        callbacks.append(xgboost.callback.EarlyStopping(rounds=PATIENCE, save_best=False))
    rounds = setting.rounds or min(MAX_ROUNDS, max(30, MAX_TREES // max(1, setting.n_classes)))
    booster = xgboost.train(options, data, rounds, evals=evals, verbose_eval=False, callbacks=callbacks)
    best = booster.num_boosted_rounds()
    if evals and booster.attr("best_iteration") is not None:
        best = int(booster.best_iteration) + 1
        booster = booster[:best]
    model = XGBoostModel(bytes(booster.save_raw("ubj")), setting.n_classes, best, target)
    model.tuned = {"learning_rate": pace.rate}
    return model


def _xgboost_clock(setting: Setting, pace: Pace) -> Any:
    import xgboost

    class Clock(xgboost.callback.TrainingCallback):
        def before_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            rate = pace.after(epoch)
            if rate is not None:
                model.set_param("learning_rate", rate)
            return False

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            return setting.late

    return Clock()


def fit_gradient_boosting(params: Params, fold: Fold, setting: Setting) -> SklearnModel:
    """scikit-learn's GradientBoosting; it takes no missing values, so medians stand in."""
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

    from dropml.azureml.automl.fit.classic import medians

    kind = GradientBoostingRegressor if setting.regression else GradientBoostingClassifier
    rounds = setting.rounds or int(params.get("n_estimators", 100))
    estimator = kind(**{**params, "n_estimators": rounds, "random_state": setting.seed})
    fill = medians(fold.x)
    x = bounded(np.where(np.isnan(fold.x), fill, fold.x))
    estimator.fit(x, fold.y, sample_weight=fold.w, monitor=lambda *_: setting.late)
    return SklearnModel(estimator, setting.n_classes, fill=fill, rounds=len(estimator.estimators_))
