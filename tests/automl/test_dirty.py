"""Data as people bring it: each kind of dirt either trains and scores, or fails with a sentence that helps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scorer import SignatureError, check_parity, load
from tests.support.automl_jobs import Finished, people, run_here, write_data, write_spec

QUICK = {
    "allowedTrainingAlgorithms": ["DecisionTree", "LogisticRegression"],
    "enableModelExplainability": False,
}
BOOSTED = {"allowedTrainingAlgorithms": ["LightGBM"], "enableModelExplainability": False}


def train(tmp_path: Path, rows: Any, types: dict[str, Any] | None = None, **spec: Any) -> Finished:
    spec = {"n_cross_validations": 2, "training": QUICK, **spec}
    return run_here(write_spec(tmp_path / "job", write_data(tmp_path / "data", rows, types), **spec))


def trained(tmp_path: Path, rows: Any, types: dict[str, Any] | None = None, **spec: Any) -> Any:
    """The compiled scorer of a job that must complete with both forms equal."""
    done = train(tmp_path, rows, types, **spec)
    assert done.failure == ""
    assert check_parity(done.model_dir) <= 1e-6
    return load(done.model_dir, "compiled")


def refused(tmp_path: Path, rows: Any, **spec: Any) -> str:
    done = train(tmp_path, rows, **spec)
    assert done.exit_code == 1
    return done.failure


def test_missing_values_train_and_score(tmp_path: Path) -> None:
    data = people(300)
    data["income"] = np.where(np.arange(300) % 5 == 0, np.nan, data["income"])
    data["job"] = np.where(np.arange(300) % 7 == 0, "", data["job"])
    done = train(tmp_path, data)
    scorer = load(done.model_dir, "compiled")
    answer = scorer.predict(
        ["age", "income", "job", "member", "joined"], [[70, None, None, True, "2021-05-01"]]
    )
    assert answer[0] in ("yes", "no")
    rail = done.guardrail("Missing feature values imputation")
    assert rail["status"] == "Done"
    assert {d["Column name"]: d["Missing value count"] for d in rail["parameters"]["details"]} == {
        "income": "60",
        "job": "43",
    }


def test_a_column_of_numbers_and_words_uses_both(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    number = rng.normal(size=400)
    word = rng.random(400) < 0.1
    value = np.where(word, "refused", np.round(number, 3).astype(str))
    scorer = trained(
        tmp_path, {"x": value, "noise": rng.normal(size=400), "y": (number > 0) & ~word}, training=BOOSTED
    )
    assert scorer.types == {"x": "string", "noise": "double"}
    rows = [["2.0", 0.0], ["-2.0", 0.0], ["refused", 0.0], ["other words", 0.0], [None, 0.0]]
    assert scorer.predict(["x", "noise"], rows)[:3] == [True, False, False]


def test_constant_and_id_columns_are_left_out_but_stay_in_the_signature(tmp_path: Path) -> None:
    data = people(200)
    data = {"customer_id": np.arange(200), "country": ["DE"] * 200, "empty": [""] * 200, **data}
    data["token"] = [f"{i:08x}" for i in np.random.default_rng(0).integers(0, 2**32, 200)]
    done = train(tmp_path, data)
    scorer = load(done.model_dir, "compiled")
    assert {"customer_id", "country", "empty", "token"} <= set(scorer.columns)
    import pickle

    pipeline = pickle.loads((done.model_dir / "model.pkl").read_bytes())
    used = {column for column, _ in pipeline.encoder.feature_names}
    assert used == {"age", "income", "job", "member", "joined"}
    assert {"Column name": "token", "Column Content Type": "hash"} in done.guardrail(
        "High cardinality feature detection"
    )["parameters"]["details"]


def test_only_columns_without_information_is_refused(tmp_path: Path) -> None:
    data = {"id": np.arange(100), "same": [1] * 100, "y": ["a", "b"] * 50}
    assert refused(tmp_path, data).startswith("No column is left to learn from")


@pytest.mark.parametrize(
    ("form", "types"),
    [("%Y-%m-%d", None), ("%Y-%m-%dT%H:%M:%SZ", None), ("%m/%d/%Y", None), ("%d.%m.%Y", {"when": "string"})],
)
def test_dates_are_expanded_whatever_their_form(
    tmp_path: Path, form: str, types: dict[str, Any] | None
) -> None:
    import datetime as dt

    rng = np.random.default_rng(2)
    days = [
        dt.datetime(2019, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=int(d)) for d in rng.integers(0, 1500, 300)
    ]
    when = [d.strftime(form) for d in days]
    scorer = trained(tmp_path, {"when": when, "y": [d.weekday() >= 5 for d in days]}, types)
    assert scorer.types["when"] == ("string" if types else "datetime")
    sunday, monday = dt.datetime(2021, 8, 1, tzinfo=dt.UTC), dt.datetime(2021, 8, 2, tzinfo=dt.UTC)
    assert scorer.predict(["when"], [[sunday.strftime(form)], [monday.strftime(form)], [None]])[:2] == [
        True,
        False,
    ]


def test_long_text_tells_by_its_words(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    filler = ["the", "a", "order", "arrived", "on", "time", "with", "box", "again", "today", "from", "shop"]
    texts, labels = [], []
    for i in range(300):
        angry = i % 2 == 0
        words = [*rng.choice(filler, 12), "terrible refund" if angry else "wonderful thanks"]
        texts.append(" ".join(rng.permutation(words)) + f" nr {i}")
        labels.append("bad" if angry else "good")
    scorer = trained(tmp_path, {"review": texts, "y": labels})
    rows = [["a terrible order, refund it"], ["wonderful, thanks again for the box"], [""], [None]]
    assert scorer.predict(["review"], rows)[:2] == ["bad", "good"]


def test_a_category_never_seen_scores_like_an_average_one(tmp_path: Path) -> None:
    scorer = trained(tmp_path, people(300))
    columns = ["age", "income", "job", "member", "joined"]
    rows = [[50, 3000.0, job, False, "2021-01-01"] for job in ("clerk", "astronaut", "pilot")]
    low, unseen, high = [p[1] for p in scorer.predict_proba(columns, rows)]
    assert low <= unseen <= high


def test_a_column_absent_at_scoring_is_named(tmp_path: Path) -> None:
    scorer = trained(tmp_path, people(150))
    with pytest.raises(SignatureError, match=r"Model is missing inputs \['job'\]"):
        scorer.predict(["age", "income", "member", "joined"], [[40, 1.0, True, "2021-01-01"]])


@pytest.mark.parametrize(
    ("values", "types", "labels"),
    [
        (("yes", "no"), None, ["no", "yes"]),
        (("1", "0"), None, [0, 1]),
        (("true", "false"), None, [False, True]),
        (("True", "False"), {"y": "boolean"}, [False, True]),
        (("7", "3"), {"y": "int"}, [3, 7]),
        (("1.5", "0.5"), None, [0.5, 1.5]),
        (("1", "unknown"), None, ["1", "unknown"]),
        (("1", "0"), {"y": "string"}, ["0", "1"]),
    ],
)
def test_labels_come_back_as_they_were_written(tmp_path: Path, values: Any, types: Any, labels: Any) -> None:
    data = people(120)
    data["y"] = [values[0] if v == "yes" else values[1] for v in data["y"]]
    scorer = trained(tmp_path, data, types)
    assert scorer.labels == labels
    columns = ["age", "income", "job", "member", "joined"]
    answer = scorer.predict(columns, [[80, 3000.0, "pilot", True, "2021-01-01"]])[0]
    assert type(answer) is type(labels[1])


def test_labels_of_mixed_kinds_are_texts(tmp_path: Path) -> None:
    data = people(150)
    data["y"] = np.where(np.arange(150) % 3 == 0, "1", np.where(np.arange(150) % 3 == 1, "true", "x"))
    assert trained(tmp_path, data).labels == ["1", "true", "x"]


def test_rows_without_a_label_are_left_out_and_counted(tmp_path: Path) -> None:
    data = people(200)
    data["y"] = np.where(np.arange(200) < 40, "", data["y"])
    done = train(tmp_path, data)
    assert done.guardrail("Missing label values")["parameters"]["details"] == [{"Missing value count": "40"}]


def test_labels_that_cannot_be_learned_are_refused(tmp_path: Path) -> None:
    data = people(100)
    assert "one class only ('yes')" in refused(tmp_path / "one", {**data, "y": ["yes"] * 100})
    assert "is empty in every row" in refused(tmp_path / "none", {**data, "y": [""] * 100})
    different = [f"name {i}" for i in range(100)]
    assert "100 different values in 100 rows" in refused(tmp_path / "many", {**data, "y": different})
    assert "is not in the data; its columns are age" in refused(tmp_path / "absent", data, target="label")


def test_fifty_classes(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    label = rng.integers(0, 50, 1500)
    data = {
        "a": label % 10 + rng.normal(0, 0.1, 1500),
        "b": label // 10 + rng.normal(0, 0.1, 1500),
        "y": label,
    }
    scorer = trained(tmp_path, data, training=BOOSTED, limits={"timeout_s": 40, "max_trials": 1})
    assert scorer.labels == list(range(50))
    answers = scorer.predict(["a", "b"], [[3.0, 2.0], [0.0, 4.0], [9.0, 0.0]])
    assert sum(a == b for a, b in zip(answers, [23, 40, 9], strict=True)) >= 2


def test_a_class_with_one_row(tmp_path: Path) -> None:
    data = people(120)
    data["y"] = ["rare", *data["y"][1:]]
    scorer = trained(tmp_path, data, n_cross_validations=None)
    assert scorer.labels == ["no", "rare", "yes"]


def test_two_hundred_rows_are_cross_validated_ten_fold(tmp_path: Path) -> None:
    done = train(tmp_path, people(200), n_cross_validations=None)
    assert done.guardrail("Cross validation")["parameters"]["details"] == [{"Number of folds": "10"}]
    assert done.best["metrics"]["AUC_weighted"] > 0.8


def test_regression_target_with_a_word_in_it_is_refused_by_row(tmp_path: Path) -> None:
    data = {"x": np.arange(60.0), "y": [*map(str, range(59)), "twelve"]}
    assert "'twelve' in data row 60" in refused(tmp_path, data, task="Regression", training={})


def test_awkward_names_and_values_survive(tmp_path: Path) -> None:
    data = people(150)
    awkward = {'größe, "in" cm': data["age"], "a\nb": data["job"], " spaced ": data["income"], "y": data["y"]}
    scorer = trained(tmp_path, awkward)
    assert scorer.columns == ['größe, "in" cm', "a\nb", " spaced "]


def test_a_header_without_rows_and_an_empty_file_are_refused(tmp_path: Path) -> None:
    assert "has a header but no rows" in refused(tmp_path / "header", "a,b,y\n")
    assert "is empty" in refused(tmp_path / "empty", "")


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")
def test_numbers_beyond_every_measure(tmp_path: Path) -> None:
    data = people(200)
    data["income"] = np.where(
        np.arange(200) % 9 == 0, 1e300, np.where(np.arange(200) % 10 == 0, -1e200, data["income"])
    )
    training = {"allowedTrainingAlgorithms": ["XGBoostClassifier", "RandomForest", "LightGBM"]}
    done = train(tmp_path, data, training=training, limits={"timeout_s": 40, "max_trials": 5})
    assert {t["status"] for t in done.trials.values()} == {"Completed"}
    assert check_parity(done.model_dir) <= 1e-6
