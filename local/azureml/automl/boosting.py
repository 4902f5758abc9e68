"""Gradient boosting: LightGBM, XGBoost and scikit-learn's, each stopping by itself when its time is up."""

from __future__ import annotations

from typing import Any

import numpy as np

from .fitting import Fold, Params, Setting
from .models import LightGBMModel, SklearnModel, XGBoostModel

MAX_ROUNDS = 3000
PATIENCE = 40


def fit_lightgbm(params: Params, fold: Fold, setting: Setting) -> LightGBMModel:
    import lightgbm

    options: dict[str, Any] = {
        "verbose": -1,
        "num_threads": setting.threads,
        "seed": setting.seed,
        "deterministic": True,
        "force_row_wise": True,
        **params,
    }
    if setting.regression:
        options |= {"objective": "regression", "metric": "l2"}
    elif setting.n_classes == 2:
        options |= {"objective": "binary", "metric": "binary_logloss"}
    else:
        options |= {"objective": "multiclass", "num_class": setting.n_classes, "metric": "multi_logloss"}
    data = lightgbm.Dataset(
        fold.x, fold.y, weight=fold.w, params={"verbose": -1, "num_threads": setting.threads}
    )
    callbacks: list[Any] = [_lightgbm_clock(setting)]
    valid = []
    if fold.valid_x is not None and setting.rounds is None:
        valid = [lightgbm.Dataset(fold.valid_x, fold.valid_y, reference=data)]
        callbacks.append(lightgbm.early_stopping(PATIENCE, verbose=False))
    rounds = setting.rounds or MAX_ROUNDS
    try:
        booster = lightgbm.train(options, data, rounds, valid_sets=valid, callbacks=callbacks)
        best = booster.best_iteration if valid and booster.best_iteration > 0 else booster.current_iteration()
    except _TimeUpError as stop:
        booster, best = stop.booster, stop.best
    return LightGBMModel(booster.model_to_string(num_iteration=best), setting.n_classes, best)


class _TimeUpError(Exception):
    def __init__(self, booster: Any, best: int) -> None:
        self.booster, self.best = booster, best


def _lightgbm_clock(setting: Setting) -> Any:
    best = [np.inf, 0]

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

    options: dict[str, Any] = {
        "tree_method": "hist",
        "nthread": setting.threads,
        "seed": setting.seed,
        "verbosity": 0,
        **params,
    }
    if setting.regression:
        options |= {"objective": "reg:squarederror"}
    elif setting.n_classes == 2:
        options |= {"objective": "binary:logistic", "eval_metric": "logloss"}
    else:
        options |= {"objective": "multi:softprob", "num_class": setting.n_classes, "eval_metric": "mlogloss"}
    bins = {"max_bin": int(params.get("max_bin", 256)), "nthread": setting.threads}
    data = xgboost.QuantileDMatrix(fold.x, fold.y, weight=fold.w, **bins)
    evals: list[Any] = []
    callbacks: list[Any] = [_xgboost_clock(setting)]
    if fold.valid_x is not None and setting.rounds is None:
        evals = [(xgboost.QuantileDMatrix(fold.valid_x, fold.valid_y, ref=data, **bins), "valid")]
        callbacks.append(xgboost.callback.EarlyStopping(rounds=PATIENCE, save_best=False))
    rounds = setting.rounds or MAX_ROUNDS
    booster = xgboost.train(options, data, rounds, evals=evals, verbose_eval=False, callbacks=callbacks)
    best = booster.num_boosted_rounds()
    if evals and booster.attr("best_iteration") is not None:
        best = int(booster.best_iteration) + 1
        booster = booster[:best]
    return XGBoostModel(bytes(booster.save_raw("ubj")), setting.n_classes, best)


def _xgboost_clock(setting: Setting) -> Any:
    import xgboost

    class Clock(xgboost.callback.TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            return setting.late

    return Clock()


def fit_gradient_boosting(params: Params, fold: Fold, setting: Setting) -> SklearnModel:
    """scikit-learn's GradientBoosting; it takes no missing values, so medians stand in."""
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

    from .classic import medians

    kind = GradientBoostingRegressor if setting.regression else GradientBoostingClassifier
    rounds = setting.rounds or int(params.get("n_estimators", 100))
    estimator = kind(**{**params, "n_estimators": rounds, "random_state": setting.seed})
    fill = medians(fold.x)
    x = np.where(np.isnan(fold.x), fill, fold.x)
    estimator.fit(x, fold.y, sample_weight=fold.w, monitor=lambda *_: setting.late)
    return SklearnModel(estimator, setting.n_classes, fill=fill, rounds=len(estimator.estimators_))
