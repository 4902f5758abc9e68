"""What runs inside a worker process: one trial, one ensemble, one refit, or the saving of the best model.

The fork server imports this module before it forks, so that a worker starts in milliseconds.
"""

from __future__ import annotations

import math
import signal
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import lightgbm  # noqa: F401  imported ahead of time, once, in the fork server
import numpy as np
import sklearn.ensemble
import sklearn.linear_model
import sklearn.metrics  # noqa: F401
import xgboost  # noqa: F401

from dropml.azureml.automl.fit import metrics
from dropml.azureml.automl.fit.algorithms import CLASSIFIERS, REGRESSORS, Algorithm
from dropml.azureml.automl.fit.fitting import Fold, Setting
from dropml.azureml.automl.fit.models import Model
from dropml.azureml.automl.lifeline import die_with_parent
from dropml.azureml.automl.model import charts, finish
from dropml.azureml.automl.model.finish import Finish
from dropml.azureml.automl.model.mixture import Mixture
from dropml.azureml.automl.scratch import Facts, Scratch
from dropml.azureml.automl.search import ensemble
from dropml.azureml.automl.search.task import Task


def main(root: str, task: Task) -> None:
    """Entry point of a worker process."""
    die_with_parent()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    perform(root, task)


def perform(root: str, task: Task) -> None:
    """Do the task; scratch {"ok": ..., "seconds": ...} or {"error": ...} as `task.result`."""
    scratch = Scratch(Path(root))
    (scratch.root / task.out).mkdir(parents=True, exist_ok=True)
    start = time.time()
    try:
        result = _KINDS[task.kind](scratch, scratch.facts(), task)
        scratch.save_object(task.result, {"ok": result, "seconds": time.time() - start})
    except Exception as error:  # noqa: BLE001  whatever a fit raises is this trial's failure, not the job's
        traceback.print_exc(file=sys.stderr)
        scratch.save_object(task.result, {"error": f"{type(error).__name__}: {error}"})


def _fold(scratch: Scratch, k: int, valid: bool) -> Fold:
    return Fold(
        scratch.array(f"fold{k}_train_x"),
        scratch.array(f"fold{k}_train_y"),
        scratch.optional(f"fold{k}_train_w"),
        scratch.array(f"fold{k}_valid_x") if valid else None,
        scratch.array(f"fold{k}_valid_y") if valid else None,
    )


def _algorithm(facts: Facts, name: str) -> Algorithm:
    return (CLASSIFIERS if facts.classification else REGRESSORS)[name]


def _trial(scratch: Scratch, facts: Facts, task: Task) -> dict[str, Any]:
    algorithm = _algorithm(facts, task.options["algorithm"])
    params = {**algorithm.defaults, **task.options["params"]}
    at_once = min(task.threads, facts.n_splits)
    start, cpu = time.time(), time.process_time()

    def fit(k: int) -> tuple[Fold, Model]:
        turn = (k // at_once + 1) / math.ceil(facts.n_splits / at_once)
        by = start + (task.deadline - start) * turn
        fold = _fold(scratch, k, valid=True)
        if algorithm.max_rows:
            fold = fold.sample(algorithm.max_rows, facts.seed)
        return fold, algorithm.fit(
            params, fold, Setting(facts.n_classes, task.threads // at_once, facts.seed, by)
        )

    if at_once == 1:
        fitted = [fit(k) for k in range(facts.n_splits)]
    else:  # the libraries let go of the interpreter lock while they fit
        with ThreadPoolExecutor(at_once) as threads:
            fitted = list(threads.map(fit, range(facts.n_splits)))
    cpu, wall = time.process_time() - cpu, time.time() - start
    scratch.save_object(f"{task.out}/model0", fitted[0][1])
    truths = [np.asarray(fold.valid_y) for fold, _ in fitted]
    predictions = [model.predict(np.asarray(fold.valid_x)) for fold, model in fitted]
    np.save(scratch.root / task.out / "prediction.npy", np.concatenate(predictions))
    result = score(facts, truths, predictions, scratch.root / task.out)
    finish.save_trial(scratch, facts, task.out, Mixture.of(task.out, result))
    return {
        **result,
        "fit_s": cpu / facts.n_splits,
        "wall_s": wall * at_once / facts.n_splits,
        "refit": _refit_plan(algorithm, fitted, sum(map(len, truths))),
    }


def _refit_plan(algorithm: Algorithm, fitted: list[tuple[Fold, Model]], held: int) -> dict[str, Any]:
    """Rounds and parameters for a fit on all rows; `share`: how many times a fold's rows that fit will have."""
    fold, model = fitted[0]
    rows = held if len(fitted) > 1 else len(fold.y) + held
    share = min(rows, algorithm.max_rows or rows) / len(fold.y)
    counts = [m.rounds for _, m in fitted if m.rounds is not None]
    return {"rounds": int(np.mean(counts)) if counts else None, "tuned": model.tuned, "share": share}


def score(
    facts: Facts, truths: list[np.ndarray], predictions: list[np.ndarray], folder: Path
) -> dict[str, Any]:
    """Metrics (means over the folds, as Azure reports cross-validation) and chart files of a trial."""
    threshold = None
    if facts.threshold and facts.n_classes == 2:
        threshold = ensemble.best_threshold(
            np.concatenate(truths), np.concatenate(predictions)[:, 1], facts.seed
        )
    per_fold = []
    for y, p in zip(truths, predictions, strict=True):
        if facts.classification:
            per_fold.append(metrics.classification_metrics(y, p, threshold))
        else:
            per_fold.append(metrics.regression_metrics(y, p[:, 0], facts.low, facts.high))
    values = {name: float(np.nanmean([m[name] for m in per_fold])) for name in per_fold[0]}
    charts.write(facts, np.concatenate(truths), np.concatenate(predictions), threshold, folder / "metrics")
    return {"metrics": values, "threshold": threshold}


def _refit(scratch: Scratch, facts: Facts, task: Task) -> None:
    algorithm = _algorithm(facts, task.options["algorithm"])
    params = {**algorithm.defaults, **task.options["params"], **task.options["tuned"]}
    fold = Fold(scratch.array("all_x"), scratch.array("all_y"), scratch.optional("all_w"))
    if algorithm.max_rows:
        fold = fold.sample(algorithm.max_rows, facts.seed)
    setting = Setting(facts.n_classes, task.threads, facts.seed, task.deadline, task.options["rounds"])
    model = algorithm.fit(params, fold, setting)
    if setting.late and task.options["rounds"] and model.rounds != task.options["rounds"]:
        raise TimeoutError("the refit was cut short")
    scratch.save_object(f"{task.out}/refit", model)


def _vote(scratch: Scratch, facts: Facts, task: Task) -> dict[str, Any]:
    truths, members = _members(scratch, facts, task.options["members"])
    y, trees = np.concatenate(truths), task.options["trees"]
    weights = ensemble.trim(facts, y, members, ensemble.select(facts, y, members, task.deadline), trees)
    mixed = np.sum([w * members[name] for name, w in weights.items()], axis=0)
    result = {**score(facts, truths, _by_fold(truths, mixed), scratch.root / task.out), "weights": weights}
    finish.save_trial(scratch, facts, task.out, Mixture.of(task.out, result))
    return result


def _stack(scratch: Scratch, facts: Facts, task: Task) -> dict[str, Any]:
    truths, members = _members(scratch, facts, task.options["members"])
    y = np.concatenate(truths)
    prediction, coef, intercept = ensemble.stack(facts, y, list(members.values()))
    result = score(facts, truths, _by_fold(truths, prediction), scratch.root / task.out)
    result = {**result, "members": list(members), "coef": coef, "intercept": intercept}
    finish.save_trial(scratch, facts, task.out, Mixture.of(task.out, result))
    return result


def _finish(scratch: Scratch, facts: Facts, task: Task) -> dict[str, Any]:
    return finish.save_best(scratch, facts, Finish(**task.options), task.deadline)


def _members(
    scratch: Scratch, facts: Facts, names: list[str]
) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    truths = [np.asarray(scratch.array(f"fold{k}_valid_y")) for k in range(facts.n_splits)]
    return truths, {name: np.load(scratch.root / name / "prediction.npy") for name in names}


def _by_fold(truths: list[np.ndarray], prediction: np.ndarray) -> list[np.ndarray]:
    return np.split(prediction, np.cumsum([len(y) for y in truths])[:-1])


_KINDS: dict[str, Callable[[Scratch, Facts, Task], Any]] = {
    "trial": _trial,
    "refit": _refit,
    "vote": _vote,
    "stack": _stack,
    "finish": _finish,
}
