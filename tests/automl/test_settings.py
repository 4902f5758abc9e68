"""The job's settings do what they say: limits, splits, weights, featurization, seed, threshold."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dropml.azureml.automl.data.splits import plan_splits
from dropml.azureml.automl.scratch import Facts
from dropml.azureml.automl.search.clock import Clock
from dropml.azureml.automl.search.early_termination import EarlyTermination
from dropml.azureml.automl.search.ensemble import ENSEMBLE_TREES, trim
from dropml.azureml.automl.search.portfolio import allowed, candidates
from dropml.azureml.automl.spec import JobLimits, JobSpec, UserError
from scorer import load
from tests.support.automl_jobs import Finished, people, run_here, write_data, write_spec

LINEAR = {"allowedTrainingAlgorithms": ["LogisticRegression"], "enableModelExplainability": False}
TWO = {
    "allowedTrainingAlgorithms": ["LogisticRegression", "DecisionTree"],
    "enableModelExplainability": False,
}


def spec(**changes: Any) -> JobSpec:
    return JobSpec("j", changes.pop("task", "Classification"), "y", Path("data"), JobLimits(), **changes)


def train(tmp_path: Path, rows: Any = None, **changes: Any) -> Finished:
    data = write_data(tmp_path / "data", people(240) if rows is None else rows)
    return run_here(
        write_spec(tmp_path / "job", data, **{"validation_size": 0.25, "training": LINEAR, **changes})
    )


class TestSplits:
    @pytest.mark.parametrize(("rows", "folds"), [(999, 10), (1_000, 3), (20_000, 3), (20_001, 1)])
    def test_azures_rule_by_size(self, rows: int, folds: int) -> None:
        splits = plan_splits(spec(), np.arange(rows) % 2)
        assert len(splits) == folds
        if folds == 1:
            assert abs(len(splits[0].valid) - rows / 10) <= 1
        else:
            assert sorted(np.concatenate([s.valid for s in splits])) == list(range(rows))

    def test_every_fold_has_the_classes_shares(self) -> None:
        y = (np.arange(2_000) % 10 == 0).astype(int)
        for split in plan_splits(spec(n_cross_validations=5), y):
            assert abs(y[split.valid].mean() - 0.1) < 0.01
            assert not set(split.train) & set(split.valid)

    def test_a_share_and_folds_together_are_repeated_hold_outs(self) -> None:
        splits = plan_splits(spec(n_cross_validations=4, validation_size=0.2), np.arange(500) % 2)
        assert [len(s.valid) for s in splits] == [100] * 4

    def test_too_few_rows_for_the_folds(self) -> None:
        with pytest.raises(UserError, match="9 labelled rows are too few for 5-fold"):
            plan_splits(spec(n_cross_validations=5), np.arange(9) % 2)

    def test_validation_data_of_its_own(self, tmp_path: Path) -> None:
        valid = write_data(tmp_path / "valid", people(80, seed=9))
        done = train(tmp_path, validation_data=str(valid), validation_size=None)
        chart = done.job_dir / "trials" / "0" / "confusion_matrix"
        matrix = json.loads(chart.read_text())["data"]["matrix"]
        assert sum(map(sum, matrix)) == 80


class TestLimits:
    def test_max_trials_counts_the_ensembles(self, tmp_path: Path) -> None:
        done = train(tmp_path, training=TWO, limits={"timeout_s": 40, "max_trials": 4})
        assert done.algorithms == ["LogisticRegression", "DecisionTree", "VotingEnsemble", "StackEnsemble"]

    def test_one_trial_means_no_ensemble(self, tmp_path: Path) -> None:
        done = train(tmp_path, training=TWO, limits={"timeout_s": 40, "max_trials": 1})
        assert done.algorithms == ["LogisticRegression"]

    def test_ensembles_can_be_switched_off(self, tmp_path: Path) -> None:
        off = {**TWO, "enableVoteEnsemble": False, "enableStackEnsemble": False}
        done = train(tmp_path, training=off, limits={"timeout_s": 40, "max_trials": 3})
        assert len(done.algorithms) == 3
        assert not any("Ensemble" in name for name in done.algorithms)

    def test_the_exit_score_ends_the_search(self, tmp_path: Path) -> None:
        limits = {"timeout_s": 40, "max_trials": 30, "exit_score": 0.5}
        done = train(tmp_path, training=TWO, limits=limits, primary_metric="AUCWeighted")
        assert done.algorithms == ["LogisticRegression"]

    def test_early_termination_waits_for_twenty_trials_then_ten(self) -> None:
        rule = EarlyTermination(True)
        for _ in range(29):
            rule.add(0.9)
        assert not rule.reached
        rule.add(0.9)
        assert rule.reached

    def test_early_termination_starts_anew_with_a_better_score(self) -> None:
        rule = EarlyTermination(True)
        for i in range(40):
            rule.add(0.8 + (i == 25) * 0.1)
        assert rule.reached
        rule = EarlyTermination(True)
        for i in range(35):
            rule.add(0.8 + (i == 25) * 0.1)
        assert not rule.reached

    def test_early_termination_switched_off(self) -> None:
        rule = EarlyTermination(False)
        for _ in range(100):
            rule.add(0.9)
        assert not rule.reached

    @pytest.mark.parametrize("timeout", [15.0, 60.0, 3600.0])
    @pytest.mark.parametrize("refit", [None, 0.5, 5.0, 1e6])
    def test_the_clock_always_leaves_time_after_the_trials(self, timeout: float, refit: float | None) -> None:
        clock = Clock(time.monotonic(), timeout, refit)
        assert clock.start + 0.3 * timeout < clock.trials_end < clock.refit_end < clock.end
        assert clock.end - clock.trials_end >= 0.04 * timeout


class TestEnsembleSize:
    """An ensemble walks no more trees for a row than scoring can afford."""

    FACTS = Facts("j", 2, 1, "AUC_weighted", 7, False, ["no", "yes"], {})

    def members(self, *noise: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        rng = np.random.default_rng(3)
        y = (rng.random(2_000) < 0.3).astype(int)
        found = {}
        for i, spread in enumerate(noise):
            p = 1 / (1 + np.exp(-(2.0 * y - 1 + spread * rng.normal(size=len(y)))))
            found[f"trial{i}"] = np.column_stack([1 - p, p])
        return y, found

    def test_the_member_that_costs_most_for_what_it_brings_goes(self) -> None:
        y, members = self.members(0.8, 0.8, 3.0)
        trees = {"trial0": 1_000, "trial1": 900, "trial2": 2_500}
        weights = trim(self.FACTS, y, members, {"trial0": 0.5, "trial1": 0.3, "trial2": 0.2}, trees)
        assert weights == pytest.approx({"trial0": 0.625, "trial1": 0.375})

    def test_what_can_be_afforded_stays_as_it_is(self) -> None:
        y, members = self.members(1.0, 1.0, 1.0)
        weights = {"trial0": 0.5, "trial1": 0.3, "trial2": 0.2}
        assert trim(self.FACTS, y, members, weights, dict.fromkeys(weights, ENSEMBLE_TREES // 3)) == weights

    def test_two_stay_whatever_they_cost_and_linear_members_cost_nothing(self) -> None:
        y, members = self.members(1.0, 1.0, 1.0, 1.0)
        trees = {"trial0": 5_000, "trial1": 5_000, "trial2": 5_000, "trial3": 0}
        weights = trim(self.FACTS, y, members, dict.fromkeys(members, 0.25), trees)
        assert len(weights) == 2
        assert "trial3" in weights
        assert sum(weights.values()) == pytest.approx(1.0)


class TestAlgorithms:
    def test_names_are_the_wires_whatever_their_case(self) -> None:
        names = allowed(spec(training={"allowedTrainingAlgorithms": ["lightgbm", "RandomForest"]}))
        assert names == ["LightGBM", "RandomForest"]
        blocked = allowed(spec(training={"blockedTrainingAlgorithms": ["LIGHTGBM", "KNN"]}))
        assert "LightGBM" not in blocked
        assert "XGBoostClassifier" in blocked

    def test_the_first_trials_are_of_different_algorithms(self) -> None:
        sequence = candidates(spec())
        first = [next(sequence).algorithm for _ in range(5)]
        assert set(first) == {
            "LightGBM",
            "XGBoostClassifier",
            "LogisticRegression",
            "RandomForest",
            "ExtremeRandomTrees",
        }

    def test_the_sequence_follows_the_seed(self) -> None:
        def draw(seed: str) -> list[Any]:
            sequence = candidates(spec(properties={"_emulator.seed": seed}))
            return [next(sequence) for _ in range(40)]

        assert draw("1") == draw("1")
        assert draw("1") != draw("2")


def test_same_seed_same_result(tmp_path: Path) -> None:
    training = {"allowedTrainingAlgorithms": ["LightGBM", "RandomForest"]}
    limits = {"timeout_s": 600, "max_trials": 4}  # far from where time would shorten a fit
    runs = [train(tmp_path / str(i), training=training, limits=limits) for i in range(2)]
    assert [t["metrics"] for t in runs[0].trials.values()] == [t["metrics"] for t in runs[1].trials.values()]
    rows = people(20, seed=3)
    columns = [name for name in rows if name != "y"]
    data = [
        [rows[c][i].item() if hasattr(rows[c][i], "item") else rows[c][i] for c in columns] for i in range(20)
    ]
    first, second = (load(run.model_dir, "compiled").predict_proba(columns, data) for run in runs)
    assert first == second


def test_the_weight_column_shifts_the_answers_and_is_no_feature(tmp_path: Path) -> None:
    data = people(400)
    rare = np.where(np.random.default_rng(0).random(400) < 0.8, "no", data["y"])
    data["y"] = rare
    plain = train(tmp_path / "plain", data)
    weighted = train(
        tmp_path / "weighted", {**data, "w": np.where(rare == "yes", 5.0, 1.0)}, weight_column="w"
    )
    assert "w" not in load(weighted.model_dir, "compiled").columns
    assert weighted.best["metrics"]["balanced_accuracy"] > plain.best["metrics"]["balanced_accuracy"]


@pytest.mark.parametrize("bad", [["-1"], [""], ["heavy"]])
def test_weights_that_are_none_are_refused(tmp_path: Path, bad: list[str]) -> None:
    data = {**people(100), "w": bad + ["1"] * 99}
    assert "must hold a number of 0 or more in every row" in train(tmp_path, data, weight_column="w").failure


def test_the_decision_threshold_is_an_extension_that_is_off_by_default(tmp_path: Path) -> None:
    data = people(600)
    data["y"] = np.where(np.random.default_rng(1).random(600) < 0.7, "no", data["y"])
    off = train(tmp_path / "off", data)
    on = train(tmp_path / "on", data, properties={"_emulator.decision_threshold": "true"})
    assert on.best["metrics"]["AUC_weighted"] == off.best["metrics"]["AUC_weighted"]
    assert on.best["metrics"]["f1_score_macro"] > off.best["metrics"]["f1_score_macro"]
    threshold = load(on.model_dir, "compiled").threshold
    assert threshold is not None
    assert 0.05 < threshold < 0.5
    assert load(off.model_dir, "compiled").threshold is None


class TestFeaturization:
    def pipeline(self, done: Finished) -> Any:
        import pickle

        assert done.failure == ""
        return pickle.loads((done.model_dir / "model.pkl").read_bytes())

    def test_off_takes_the_columns_as_they_are(self, tmp_path: Path) -> None:
        data = {**people(240), "id": np.arange(240)}
        done = train(tmp_path, data, featurization={"mode": "Off"})
        steps = {s["column"]: s for s in self.pipeline(done).encoder.steps}
        assert set(steps) == {"age", "income", "job", "member", "joined", "id"}
        assert steps["job"]["map"] == {"clerk": 0.0, "nurse": 1.0, "pilot": 2.0, "teacher": 3.0}
        assert steps["joined"]["kind"] == "numeric"
        assert not any(e["guardrails"] for e in done.events if e["type"] == "guardrails")

    def test_custom_purposes_and_imputers(self, tmp_path: Path) -> None:
        data = people(240)
        data["income"] = np.where(np.arange(240) % 4 == 0, np.nan, data["income"])
        featurization = {
            "mode": "Custom",
            "columnNameAndTypes": {"age": "Categorical", "joined": "Ignore"},
            "transformerParams": {"imputer": [{"fields": ["income"], "parameters": {"strategy": "median"}}]},
        }
        steps = {
            s["column"]: s
            for s in self.pipeline(train(tmp_path, data, featurization=featurization)).encoder.steps
        }
        assert steps["age"]["kind"] == "category"
        assert "joined" not in steps
        assert steps["income"]["fill"] == pytest.approx(np.nanmedian(data["income"]))

    def test_blocking_the_target_encoder_orders_categories_by_name(self, tmp_path: Path) -> None:
        featurization = {"mode": "Auto", "blockedTransformers": ["CatTargetEncoder"]}
        steps = {
            s["column"]: s for s in self.pipeline(train(tmp_path, featurization=featurization)).encoder.steps
        }
        assert steps["job"]["map"]["clerk"] == 0.0


@pytest.mark.parametrize(
    ("task", "metric", "name"),
    [
        ("Classification", "Accuracy", "accuracy"),
        ("Classification", "norm_macro_recall", "norm_macro_recall"),
        ("Classification", "AveragePrecisionScoreWeighted", "average_precision_score_weighted"),
        ("Regression", "R2Score", "r2_score"),
        ("Regression", "NormalizedRootMeanSquaredError", "normalized_root_mean_squared_error"),
    ],
)
def test_the_primary_metric_decides(tmp_path: Path, task: str, metric: str, name: str) -> None:
    rows = people(240)
    if task == "Regression":
        rows["y"] = rows["age"] * 2.0 + rows["member"]
    training = {
        "allowedTrainingAlgorithms": ["DecisionTree", "RandomForest"],
        "enableModelExplainability": False,
    }
    done = train(
        tmp_path,
        rows,
        task=task,
        primary_metric=metric,
        training=training,
        limits={"timeout_s": 40, "max_trials": 4},
    )
    values = [t["metrics"][name] for t in done.trials.values()]
    assert done.best["metrics"][name] == (min if name.startswith("normalized") else max)(values)
