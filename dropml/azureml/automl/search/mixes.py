"""An ensemble in its worker: the members' predictions of held-out rows, mixed, scored and saved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dropml.azureml.automl.model import finish
from dropml.azureml.automl.model.mixture import Mixture
from dropml.azureml.automl.scratch import Facts, Scratch
from dropml.azureml.automl.search import ensemble
from dropml.azureml.automl.search.evaluate import evaluate
from dropml.azureml.automl.search.task import Result, Stack, Task, Vote


def vote(scratch: Scratch, facts: Facts, task: Task, work: Vote) -> Result:
    """The members that help, by weights that greedy selection finds."""
    truths, members = _predictions(scratch, facts, work.members)
    y = np.concatenate(truths)
    chosen = ensemble.select(facts, y, members, task.deadline)
    weights = ensemble.trim(facts, y, members, chosen, work.trees)
    mixed = np.sum([w * members[name] for name, w in weights.items()], axis=0)
    mixture = Mixture(list(weights), weights=list(weights.values()))
    return _ended(scratch, facts, task, truths, mixed, mixture)


def stack(scratch: Scratch, facts: Facts, task: Task, work: Stack) -> Result:
    """All members, by the coefficients of a meta-learner."""
    truths, members = _predictions(scratch, facts, work.members)
    mixed, coef, intercept = ensemble.stack(facts, np.concatenate(truths), list(members.values()))
    mixture = Mixture(list(members), coef=coef, intercept=intercept)
    return _ended(scratch, facts, task, truths, mixed, mixture)


def _ended(
    scratch: Scratch, facts: Facts, task: Task, truths: list[np.ndarray], mixed: np.ndarray, mixture: Mixture
) -> Result:
    by_fold = np.split(mixed, np.cumsum([len(y) for y in truths])[:-1])
    values, threshold = evaluate(facts, truths, by_fold, scratch.root / task.out)
    mixture = replace(mixture, threshold=threshold)
    finish.save_trial(scratch, facts, task.out, mixture)
    return Result(values, mixture)


def _predictions(
    scratch: Scratch, facts: Facts, names: list[str]
) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    truths = [np.asarray(scratch.array(f"fold{k}_valid_y")) for k in range(facts.n_splits)]
    return truths, {name: np.load(scratch.root / name / "prediction.npy") for name in names}
