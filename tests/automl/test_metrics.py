"""Metrics by Azure's definitions, held against scikit-learn's and against the service's own figures."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn import metrics as sk

from dropml.azureml.automl.fit.metrics import classification_metrics, metric_name, regression_metrics
from dropml.azureml.automl.model.charts import (
    accuracy_table,
    confusion_matrix,
    predicted_true,
    residuals,
)
from dropml.azureml.automl.search.ensemble import best_threshold
from tests.support.automl_jobs import REFERENCE


def answers(n: int, k: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.choice(k, n, p=np.arange(1, k + 1) / np.arange(1, k + 1).sum())
    score = rng.normal(size=(n, k)) + 1.5 * np.eye(k)[y]
    proba = np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
    return y, np.round(proba, 2) / np.round(proba, 2).sum(axis=1, keepdims=True)  # rounding makes ties


@pytest.mark.parametrize("k", [2, 3, 7])
def test_classification_agrees_with_scikit_learn(k: int) -> None:
    y, p = answers(500, k)
    got, label = classification_metrics(y, p), p.argmax(axis=1)
    onehot = np.eye(k)[y]
    for average in ("macro", "micro", "weighted"):
        # Not `multi_class="ovr"` on labels: for two classes that would look at the second alone.
        assert got[f"AUC_{average}"] == pytest.approx(sk.roc_auc_score(onehot, p, average=average))
        assert got[f"f1_score_{average}"] == pytest.approx(sk.f1_score(y, label, average=average))
        assert got[f"average_precision_score_{average}"] == pytest.approx(
            sk.average_precision_score(onehot, p, average=average)
        )
    assert got["accuracy"] == pytest.approx(sk.accuracy_score(y, label))
    assert got["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(y, label))
    assert got["norm_macro_recall"] == pytest.approx(sk.balanced_accuracy_score(y, label, adjusted=True))
    assert got["log_loss"] == pytest.approx(sk.log_loss(y, p, labels=list(range(k))), abs=1e-3)


def test_the_services_own_figures_fit_together_as_ours_do() -> None:
    """Identities between the recorded metrics of one real trial hold for ours by construction."""
    path = REFERENCE / "data" / "azure_automl_child_metrics.json"
    if not path.exists():
        pytest.skip(f"needs the reference material: {path} is absent (set DROPML_REFERENCE)")
    for trial in json.loads(path.read_text()).values():
        m = {name: values[0] for name, values in trial.items()}
        assert m["norm_macro_recall"] == pytest.approx(2 * m["balanced_accuracy"] - 1)
        # Recall of each class follows from accuracy and balanced accuracy; weighted accuracy from those.
        share = 0.112  # of "yes" in the data
        no = (m["accuracy"] - 2 * share * m["balanced_accuracy"]) / (1 - 2 * share)
        yes = 2 * m["balanced_accuracy"] - no
        weights = (1 - share) ** 2, share**2
        assert m["weighted_accuracy"] == pytest.approx(
            (weights[0] * no + weights[1] * yes) / sum(weights), abs=1e-3
        )


def test_weighted_accuracy_counts_a_row_by_its_classs_size() -> None:
    y = np.array([0] * 8 + [1] * 2)
    p = np.array([[0.9, 0.1]] * 8 + [[0.9, 0.1]] * 2)
    assert classification_metrics(y, p)["weighted_accuracy"] == pytest.approx(64 / 68)


def test_a_class_absent_from_validation_does_not_break_the_means() -> None:
    y, p = answers(100, 3)
    y = np.where(y == 2, 1, y)
    got = classification_metrics(y, p)
    assert 0 <= got["AUC_weighted"] <= 1
    assert np.isfinite(got["f1_score_macro"])


def test_regression_by_azures_definitions() -> None:
    rng = np.random.default_rng(1)
    y = rng.uniform(10, 30, 300)
    predicted = y + rng.normal(0, 2, 300)
    got = regression_metrics(y, predicted, low=0.0, high=40.0)
    rmse = sk.mean_squared_error(y, predicted) ** 0.5
    assert got["root_mean_squared_error"] == pytest.approx(rmse)
    assert got["normalized_root_mean_squared_error"] == pytest.approx(rmse / 40)
    assert got["r2_score"] == pytest.approx(sk.r2_score(y, predicted))
    assert got["explained_variance"] == pytest.approx(sk.explained_variance_score(y, predicted))
    assert got["mean_absolute_percentage_error"] == pytest.approx(
        100 * sk.mean_absolute_percentage_error(y, predicted)
    )
    assert got["root_mean_squared_log_error"] == pytest.approx(sk.root_mean_squared_log_error(y, predicted))
    assert got["spearman_correlation"] == pytest.approx(
        np.corrcoef(y.argsort().argsort(), predicted.argsort().argsort())[0, 1]
    )


def test_r2_is_clipped_at_minus_one() -> None:
    assert (
        regression_metrics(np.array([1.0, 2.0, 3.0]), np.array([90.0, -90.0, 50.0]), 1, 3)["r2_score"] == -1.0
    )


def test_negative_targets_have_no_logarithmic_error() -> None:
    assert "root_mean_squared_log_error" not in regression_metrics(
        np.array([-5.0, 3.0]), np.array([1.0, 1.0]), -5, 3
    )


@pytest.mark.parametrize("wire", ["AUCWeighted", "auc_weighted", "AUC_weighted"])
def test_metric_names_are_taken_in_any_spelling(wire: str) -> None:
    assert metric_name(wire, True) == "AUC_weighted"


def test_confusion_matrix_and_tables_count_every_row() -> None:
    y, p = answers(400, 3)
    matrix = confusion_matrix(["a", "b", "c"], y, p.argmax(axis=1))["data"]["matrix"]
    assert np.array_equal(matrix, sk.confusion_matrix(y, p.argmax(axis=1)))
    table = accuracy_table(["a", "b", "c"], y, p)["data"]
    assert table["probability_tables"][0][0] == [int(np.sum(y == 0)), int(np.sum(y != 0)), 0, 0]
    for rows in table["probability_tables"] + table["percentile_tables"]:
        assert all(sum(row) == 400 for row in rows)
    middle = table["probability_tables"][1][50]
    above = p[:, 1] >= table["probability_thresholds"][50]
    assert middle == [
        int(v)
        for v in (
            sum(above & (y == 1)),
            sum(above & (y != 1)),
            sum(~above & (y != 1)),
            sum(~above & (y == 1)),
        )
    ]


def test_regression_charts_count_every_row() -> None:
    rng = np.random.default_rng(3)
    y, predicted = rng.normal(size=500), rng.normal(size=500)
    assert sum(residuals(y, predicted)["data"]["bin_counts"]) == 500
    assert sum(predicted_true(y, predicted)["data"]["bin_counts"]) == 500


def test_the_threshold_finds_the_best_f1_of_the_rarer_class() -> None:
    rng = np.random.default_rng(4)
    y = (rng.random(4_000) < 0.1).astype(int)
    p = 1 / (1 + np.exp(-(2.0 * y - 3 + rng.normal(0, 1, 4_000))))
    found = sk.f1_score(y, p >= best_threshold(y, p, 0))
    assert found >= max(sk.f1_score(y, p >= t) for t in np.linspace(0.05, 0.6, 56)) - 0.02
    turned = sk.f1_score(1 - y, 1 - p >= best_threshold(1 - y, 1 - p, 0), pos_label=0)
    assert turned == pytest.approx(found, abs=0.01)
