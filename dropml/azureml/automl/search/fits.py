"""A trial in its worker: an algorithm on each fold, and once more on all rows."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from dropml.azureml.automl.fit.algorithms import CLASSIFIERS, REGRESSORS, Algorithm
from dropml.azureml.automl.fit.fitting import Fold, Setting
from dropml.azureml.automl.fit.models import Model
from dropml.azureml.automl.model import finish
from dropml.azureml.automl.model.mixture import Mixture
from dropml.azureml.automl.scratch import Facts, Scratch
from dropml.azureml.automl.search.evaluate import evaluate
from dropml.azureml.automl.search.task import Fit, Refit, RefitPlan, Result, Task


def fit_folds(scratch: Scratch, facts: Facts, task: Task, work: Fit) -> Result:
    """Fit on each fold, score what was held out, save the first fold's model."""
    algorithm = _algorithm(facts, work.algorithm)
    params = {**algorithm.defaults, **work.params}
    at_once = min(task.threads, facts.n_splits)
    start, cpu = time.monotonic(), time.process_time()

    def fit_one(k: int) -> tuple[Fold, Model]:
        turn = (k // at_once + 1) / math.ceil(facts.n_splits / at_once)
        by = start + (task.deadline - start) * turn
        fold = _fold(scratch, k)
        if algorithm.max_rows:
            fold = fold.sample(algorithm.max_rows, facts.seed)
        return fold, algorithm.fit(
            params, fold, Setting(facts.n_classes, task.threads // at_once, facts.seed, by)
        )

    if at_once == 1:
        fitted = [fit_one(k) for k in range(facts.n_splits)]
    else:  # the libraries let go of the interpreter lock while they fit
        with ThreadPoolExecutor(at_once) as threads:
            fitted = list(threads.map(fit_one, range(facts.n_splits)))
    cpu, wall = time.process_time() - cpu, time.monotonic() - start
    scratch.save_object(f"{task.out}/model0", fitted[0][1])
    truths = [np.asarray(fold.valid_y) for fold, _ in fitted]
    predictions = [model.predict(np.asarray(fold.valid_x)) for fold, model in fitted]
    np.save(scratch.root / task.out / "prediction.npy", np.concatenate(predictions))
    values, threshold = evaluate(facts, truths, predictions, scratch.root / task.out)
    mixture = Mixture([task.out], threshold=threshold)
    finish.save_trial(scratch, facts, task.out, mixture)
    return Result(
        values,
        mixture,
        fit_s=cpu / facts.n_splits,
        wall_s=wall * at_once / facts.n_splits,
        plan=_refit_plan(algorithm, fitted, sum(map(len, truths))),
    )


def fit_all_rows(scratch: Scratch, facts: Facts, task: Task, work: Refit) -> None:
    """Fit once more, on everything. Raises TimeoutError where the time did not do for all rounds."""
    algorithm = _algorithm(facts, work.algorithm)
    params = {**algorithm.defaults, **work.params, **work.tuned}
    fold = Fold(scratch.array("all_x"), scratch.array("all_y"), scratch.optional("all_w"))
    if algorithm.max_rows:
        fold = fold.sample(algorithm.max_rows, facts.seed)
    setting = Setting(facts.n_classes, task.threads, facts.seed, task.deadline, work.rounds)
    model = algorithm.fit(params, fold, setting)
    if setting.late and work.rounds and model.rounds != work.rounds:
        raise TimeoutError("the refit was cut short")
    scratch.save_object(f"{task.out}/refit", model)


def _refit_plan(algorithm: Algorithm, fitted: list[tuple[Fold, Model]], held: int) -> RefitPlan:
    fold, model = fitted[0]
    rows = held if len(fitted) > 1 else len(fold.y) + held
    share = min(rows, algorithm.max_rows or rows) / len(fold.y)
    counts = [m.rounds for _, m in fitted if m.rounds is not None]
    return RefitPlan(int(np.mean(counts)) if counts else None, model.tuned, share)


def _fold(scratch: Scratch, k: int) -> Fold:
    return Fold(
        scratch.array(f"fold{k}_train_x"),
        scratch.array(f"fold{k}_train_y"),
        scratch.optional(f"fold{k}_train_w"),
        scratch.array(f"fold{k}_valid_x"),
        scratch.array(f"fold{k}_valid_y"),
    )


def _algorithm(facts: Facts, name: str) -> Algorithm:
    return (CLASSIFIERS if facts.classification else REGRESSORS)[name]
