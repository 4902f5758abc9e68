"""Azure's metrics by Azure's names, on labels and probabilities.

Definitions: learn.microsoft.com/azure/machine-learning/how-to-understand-automated-ml. They rest on scikit-learn's;
those that do not are spelled out below.
"""

from __future__ import annotations

import warnings

import numpy as np

from dropml.azureml.automl.spec import UserError

CLASSIFICATION_METRICS = {
    "accuracy": "Accuracy",
    "AUC_weighted": "AUCWeighted",
    "norm_macro_recall": "NormMacroRecall",
    "average_precision_score_weighted": "AveragePrecisionScoreWeighted",
    "precision_score_weighted": "PrecisionScoreWeighted",
}
REGRESSION_METRICS = {
    "spearman_correlation": "SpearmanCorrelation",
    "normalized_root_mean_squared_error": "NormalizedRootMeanSquaredError",
    "r2_score": "R2Score",
    "normalized_mean_absolute_error": "NormalizedMeanAbsoluteError",
}
LOWER_IS_BETTER = {"normalized_root_mean_squared_error", "normalized_mean_absolute_error", "log_loss"}


def metric_name(wire: str | None, classification: bool) -> str:
    """Azure's metric name for the wire's primary metric (the service's default where it is null)."""
    known = CLASSIFICATION_METRICS if classification else REGRESSION_METRICS
    if wire is None:
        return "AUC_weighted" if classification else "normalized_root_mean_squared_error"
    plain = wire.replace("_", "").lower()
    for name, spelled in known.items():
        if spelled.lower() == plain:
            return name
    raise UserError(f"Primary metric {wire!r} is none of {', '.join(known.values())}.")


def signed(name: str, value: float) -> float:
    """The metric turned so that more is better."""
    return -value if name in LOWER_IS_BETTER else value


def classification_metrics(
    y: np.ndarray, proba: np.ndarray, threshold: float | None = None
) -> dict[str, float]:
    """All 21 metrics. `y` class indices, `proba` (n, classes); `threshold` for the second of two classes."""
    from sklearn import metrics as sk

    n, k = proba.shape
    predicted = proba.argmax(axis=1) if threshold is None else (proba[:, 1] >= threshold).astype(int)
    classes = np.arange(k)
    present = np.flatnonzero(np.bincount(y, minlength=k))
    onehot = np.zeros((n, k), dtype=int)
    onehot[np.arange(n), y] = 1
    share = onehot.mean(axis=0)[present]
    clipped = np.clip(proba, 1e-15, 1.0)
    out = {
        "accuracy": float(np.mean(predicted == y)),
        "log_loss": float(-np.mean(np.log(clipped[np.arange(n), y] / clipped.sum(axis=1)))),
        "matthews_correlation": float(sk.matthews_corrcoef(y, predicted)),
        "weighted_accuracy": _weighted_accuracy(y, predicted, k),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for average in ("macro", "micro", "weighted"):
            labels = np.union1d(present, np.unique(predicted)) if average != "micro" else classes
            precision, recall, f1, _ = sk.precision_recall_fscore_support(
                y, predicted, labels=labels, average=average, zero_division=0.0
            )
            out[f"precision_score_{average}"] = float(precision)
            out[f"recall_score_{average}"] = float(recall)
            out[f"f1_score_{average}"] = float(f1)
        auc = np.array([_auc(onehot[:, j], proba[:, j]) for j in present])
        ap = np.array([sk.average_precision_score(onehot[:, j], proba[:, j]) for j in present])
        out["AUC_micro"] = _auc(onehot.ravel(), proba.ravel())
        out["average_precision_score_micro"] = float(
            sk.average_precision_score(onehot.ravel(), proba.ravel())
        )
    out["AUC_macro"], out["AUC_weighted"] = _means(auc, share)
    out["average_precision_score_macro"], out["average_precision_score_weighted"] = _means(ap, share)
    recalls = np.array([np.mean(predicted[y == j] == j) for j in present])
    out["balanced_accuracy"] = float(recalls.mean())
    # Macro recall, normalised so that random guessing scores 0 and perfection 1.
    out["norm_macro_recall"] = float((recalls.mean() - 1 / k) / (1 - 1 / k))
    out["recall_score_macro"] = out["balanced_accuracy"]
    return out


def _weighted_accuracy(y: np.ndarray, predicted: np.ndarray, k: int) -> float:
    """Accuracy where each row weighs as much as its class is frequent."""
    weights = np.bincount(y, minlength=k)[y].astype("float64")
    return float(np.average(predicted == y, weights=weights))


def _means(values: np.ndarray, share: np.ndarray) -> tuple[float, float]:
    valid = np.isfinite(values)
    if not valid.any():
        return float("nan"), float("nan")
    return float(values[valid].mean()), float(np.average(values[valid], weights=share[valid]))


def _auc(y: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve by ranks (ties count half), NaN where one class only is present."""
    positives = int(y.sum())
    negatives = len(y) - positives
    if not positives or not negatives:
        return float("nan")
    ranks = mean_ranks(score)
    return float((ranks[y == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1; ties share their mean."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    group = np.cumsum(first) - 1
    starts = np.flatnonzero(first)
    ends = np.append(starts[1:], len(values))
    out = np.empty(len(values))
    out[order] = ((starts + ends + 1) / 2)[group]
    return out


def auc_weighted(y: np.ndarray, proba: np.ndarray) -> float:
    """AUC_weighted alone (quick: used while an ensemble is selected)."""
    k = proba.shape[1]
    if k == 2:
        return _auc(y, proba[:, 1])
    counts = np.bincount(y, minlength=k)
    present = np.flatnonzero(counts)
    auc = np.array([_auc((y == j).astype(int), proba[:, j]) for j in present])
    return _means(auc, counts[present] / len(y))[1]


def regression_metrics(y: np.ndarray, predicted: np.ndarray, low: float, high: float) -> dict[str, float]:
    """All metrics; errors are normalised by the target's range `high - low` over all data, as Azure does."""
    error = predicted - y
    width = (high - low) or 1.0
    rmse, mae, medae = (
        float(np.sqrt(np.mean(error**2))),
        float(np.mean(np.abs(error))),
        float(np.median(np.abs(error))),
    )
    variance = float(np.var(y)) or float("nan")
    nonzero = y != 0
    out = {
        "explained_variance": 1 - float(np.var(error)) / variance,
        # Azure clips R2 at -1, so that one bad model does not make a chart unreadable.
        "r2_score": max(-1.0, 1 - float(np.mean(error**2)) / variance),
        "spearman_correlation": _spearman(y, predicted),
        "mean_absolute_error": mae,
        "median_absolute_error": medae,
        "root_mean_squared_error": rmse,
        "normalized_mean_absolute_error": mae / width,
        "normalized_median_absolute_error": medae / width,
        "normalized_root_mean_squared_error": rmse / width,
        "mean_absolute_percentage_error": float(np.mean(np.abs(error[nonzero] / y[nonzero])) * 100)
        if nonzero.any()
        else float("nan"),
    }
    if low > -1:
        rmsle = float(np.sqrt(np.mean((np.log1p(np.maximum(predicted, -1 + 1e-9)) - np.log1p(y)) ** 2)))
        out["root_mean_squared_log_error"] = rmsle
        out["normalized_root_mean_squared_log_error"] = rmsle / ((np.log1p(high) - np.log1p(low)) or 1.0)
    return out


def _spearman(y: np.ndarray, predicted: np.ndarray) -> float:
    a, b = mean_ranks(y), mean_ranks(predicted)
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
