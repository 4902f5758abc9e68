"""Ensembles over the trials' held-out predictions: greedy weights (Caruana et al. 2004, 2006), stacking, a threshold."""

from __future__ import annotations

import time
import warnings

import numpy as np

from dropml.azureml.automl.fit import metrics
from dropml.azureml.automl.model.pipeline import meta_inputs
from dropml.azureml.automl.scratch import Facts

DRAWS, ROUNDS = 20, 3
#: Trees that an ensemble walks for a row, all members together: about a quarter of a millisecond.
ENSEMBLE_TREES = 3_000
MAX_MEMBERS = 5
MAX_ROWS = 20_000


def select(facts: Facts, y: np.ndarray, members: dict[str, np.ndarray], deadline: float) -> dict[str, float]:
    """Weights (summing to 1) by greedy selection on the primary metric, averaged over bootstrap draws of the rows.

    The draws keep the choice from fitting the noise of a small validation set (bagged ensemble selection).
    """
    rng = np.random.default_rng(facts.seed)
    names = list(members)
    totals = dict.fromkeys(names, 0.0)
    for draw in range(DRAWS):
        if draw and time.monotonic() > deadline:
            break
        rows = rng.choice(len(y), min(len(y), MAX_ROWS), replace=True)
        for name, count in _greedy(facts, y[rows], {n: members[n][rows] for n in names}).items():
            totals[name] += count
    kept = sorted((n for n in names if totals[n] > 0), key=lambda n: -totals[n])[:MAX_MEMBERS]
    if len(kept) == 1:  # a vote takes two: the partner that suits the winner best, at half its weight
        first, others = kept[0], [n for n in names if n != kept[0]]
        values = [_value(facts, y, (2 * members[first] + members[n]) / 3) for n in others]
        kept.append(others[int(np.argmax(values))])
        totals[kept[1]] = totals[first] / 2
    whole = sum(totals[n] for n in kept)
    return {name: totals[name] / whole for name in kept}


def trim(
    facts: Facts,
    y: np.ndarray,
    members: dict[str, np.ndarray],
    weights: dict[str, float],
    trees: dict[str, int],
) -> dict[str, float]:
    """Leave members out until scoring can afford the others' trees; first the one that costs least for what it saves.

    A booster with a small learning rate has thousands of trees and often says what others have said already.
    """
    weights = dict(weights)
    while len(weights) > 2 and sum(trees.get(name, 0) for name in weights) > ENSEMBLE_TREES:
        now = _value(facts, y, _mix(members, weights))
        losses = {
            name: (now - _value(facts, y, _mix(members, _without(weights, name)))) / trees[name]
            for name in weights
            if trees.get(name)
        }
        weights = _without(weights, min(losses, key=lambda name: losses[name]))
    return weights


def _without(weights: dict[str, float], name: str) -> dict[str, float]:
    rest = {other: weight for other, weight in weights.items() if other != name}
    whole = sum(rest.values())
    return {other: weight / whole for other, weight in rest.items()}


def _mix(members: dict[str, np.ndarray], weights: dict[str, float]) -> np.ndarray:
    return np.asarray(np.sum([weight * members[name] for name, weight in weights.items()], axis=0))


def _greedy(facts: Facts, y: np.ndarray, members: dict[str, np.ndarray]) -> dict[str, int]:
    """How often each member is picked when the one that helps most is added `ROUNDS` times."""
    counts: dict[str, int] = {}
    total = np.zeros_like(next(iter(members.values())))
    for round_ in range(1, ROUNDS + 1):
        values = {name: _value(facts, y, (total + p) / round_) for name, p in members.items()}
        name = max(values, key=lambda n: values[n])
        counts[name] = counts.get(name, 0) + 1
        total = total + members[name]
    return counts


def _value(facts: Facts, y: np.ndarray, p: np.ndarray) -> float:
    """The primary metric, more is better; quick where it can be."""
    if facts.primary == "AUC_weighted":
        return metrics.auc_weighted(y, p)
    if facts.primary == "accuracy":
        return float(np.mean(p.argmax(axis=1) == y))
    if facts.primary == "norm_macro_recall":
        predicted = p.argmax(axis=1)
        return float(np.mean([np.mean(predicted[y == j] == j) for j in np.unique(y)]))
    if facts.classification:
        return metrics.signed(facts.primary, metrics.classification_metrics(y, p)[facts.primary])
    return metrics.signed(
        facts.primary, metrics.regression_metrics(y, p[:, 0], facts.low, facts.high)[facts.primary]
    )


def stack(
    facts: Facts, y: np.ndarray, members: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A regularised linear meta-learner. Returns its cross-fitted predictions, coefficients and intercept."""
    x = np.column_stack([meta_inputs(p, facts.n_classes) for p in members])
    folds = np.random.default_rng(facts.seed).permutation(len(y)) % 5
    out = np.zeros((len(y), max(1, facts.n_classes)))
    for k in range(5):
        inside = folds == k
        coef, intercept = _meta(facts, x[~inside], y[~inside])
        out[inside] = _apply_meta(facts, x[inside], coef, intercept)
    coef, intercept = _meta(facts, x, y)
    return out, coef, intercept


def _meta(facts: Facts, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.linear_model import LogisticRegression, Ridge

    if not facts.n_classes:
        ridge = Ridge(alpha=1e-3 * float(np.var(x)) * len(y)).fit(x, y)
        return ridge.coef_.reshape(1, -1), np.array([ridge.intercept_])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=0.1, max_iter=200).fit(x, y)
    if facts.n_classes == 2 or len(model.classes_) == facts.n_classes:
        return model.coef_, model.intercept_
    # Some class is absent: it gets a margin that makes it impossible.
    coef, intercept = np.zeros((facts.n_classes, x.shape[1])), np.full(facts.n_classes, -30.0)
    pair = len(model.classes_) == 2
    coef[model.classes_] = np.vstack([-model.coef_, model.coef_]) / 2 if pair else model.coef_
    intercept[model.classes_] = (
        np.append(-model.intercept_, model.intercept_) / 2 if pair else model.intercept_
    )
    return coef, intercept


def _apply_meta(facts: Facts, x: np.ndarray, coef: np.ndarray, intercept: np.ndarray) -> np.ndarray:
    from dropml.azureml.automl.fit.models import sigmoid, softmax, two_columns

    margin = x @ coef.T + intercept
    if not facts.n_classes:
        return np.asarray(margin)
    return two_columns(sigmoid(margin[:, 0])) if facts.n_classes == 2 else softmax(margin)


def best_threshold(y: np.ndarray, p: np.ndarray, seed: int) -> float:
    """Threshold on the probability of the second class that gives the rarer class its best F1.

    The mean over bootstrap draws: the single best cut of a small validation set follows its noise.
    """
    rng = np.random.default_rng(seed)
    cuts = []
    for _ in range(DRAWS):
        rows = rng.choice(len(y), min(len(y), MAX_ROWS), replace=True)
        if 0 < y[rows].sum() < len(rows):
            cuts.append(_best_cut(y[rows], p[rows]))
    return float(np.mean(cuts)) if cuts else 0.5


def _best_cut(y: np.ndarray, p: np.ndarray) -> float:
    rare = int(np.bincount(y, minlength=2).argmin())
    score = p if rare == 1 else 1.0 - p
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum((y[order] == rare).astype(float))
    f1 = 2 * hits / (np.arange(1, len(y) + 1) + float(np.sum(y == rare)))
    ordered = score[order]
    last_of_tie = np.append(ordered[1:] != ordered[:-1], True)
    f1[~last_of_tie] = -1.0
    best = int(np.argmax(f1))
    below = ordered[best + 1] if best + 1 < len(ordered) else ordered[best]
    cut = float((ordered[best] + below) / 2)
    return cut if rare == 1 else 1.0 - cut
