"""A deployment's entry script, in this process, in the emulator and under the real azureml-inference-server-http:
the same tests.
"""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import BayesianRidge, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

from scorer import load
from tests.support.automl_jobs import people, run_here, write_data, write_spec
from tests.support.inference_server import (
    ROOT,
    Deployment,
    ScriptRefusalError,
    emulated,
    in_process,
    save_with_mlflow,
    served,
)

COLUMNS = ["age", "income", "job", "member", "joined"]
ROWS: list[list[Any]] = [[70, 2500.0, "pilot", True, "2021-06-01"], [20, None, "clerk", False, None]]
RECORDS = [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]
SPLIT = {"columns": COLUMNS, "index": [0, 1], "data": ROWS}
START = {"in process": in_process, "emulator": emulated, "inference server": served}
#: The server's packages take a minute or two to install, and each deployment seconds to start.
EVERYWHERE = [
    pytest.param("in process"),
    pytest.param("emulator"),
    pytest.param("inference server", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the engine's job leaves: an MLflow model folder with a compiled form."""
    folder = tmp_path_factory.mktemp("trained")
    data = people(300)
    label = data.pop("y")
    data["income"] = np.where(np.arange(300) % 10 == 0, np.nan, data["income"])
    training = {
        "allowedTrainingAlgorithms": ["LightGBM"],
        "enableVoteEnsemble": False,
        "enableStackEnsemble": False,
    }
    spec = {"validation_size": 0.3, "limits": {"timeout_s": 40, "max_trials": 1}, "training": training}
    done = run_here(write_spec(folder / "job", write_data(folder / "data", {**data, "y": label}), **spec))
    assert done.failure == ""
    mounted = folder / "azureml-models" / "people" / "3"
    shutil.copytree(done.model_dir, mounted / "mlflow-model")
    return mounted


@pytest.fixture(scope="module")
def trained_numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A linear regression of the engine."""
    folder = tmp_path_factory.mktemp("numbers")
    rng = np.random.default_rng(8)
    x, kind = rng.normal(size=200), rng.choice(["a", "b"], 200)
    data = write_data(folder / "data", {"x": x, "kind": kind, "y": 3 * x + (kind == "a")})
    training = {
        "allowedTrainingAlgorithms": ["ElasticNet"],
        "enableVoteEnsemble": False,
        "enableStackEnsemble": False,
    }
    spec = {"task": "Regression", "validation_size": 0.3, "training": training}
    done = run_here(write_spec(folder / "job", data, limits={"timeout_s": 40, "max_trials": 1}, **spec))
    assert done.failure == ""
    return done.model_dir


@pytest.fixture(scope="module")
def reference_only(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model without its compiled form: MLflow's where MLflow is installed."""
    mounted = tmp_path_factory.mktemp("reference") / "azureml-models" / "people" / "4"
    shutil.copytree(trained, mounted)
    shutil.rmtree(mounted / "mlflow-model" / "dropml")
    return mounted


@pytest.fixture(scope="module")
def numbers_reference_only(trained_numbers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As models are that weren't their job's best, or whose two forms differ."""
    mounted = tmp_path_factory.mktemp("reference") / "model"
    shutil.copytree(trained_numbers, mounted)
    shutil.rmtree(mounted / "dropml")
    return mounted


@pytest.fixture(scope="module")
def plain_pickle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scikit-learn pipeline as people pickle one, without any description beside it."""
    data = people(200)
    steps = [
        ("words", OneHotEncoder(handle_unknown="ignore"), ["job"]),
        ("numbers", StandardScaler(), ["age", "income"]),
    ]
    model = make_pipeline(ColumnTransformer(steps), LogisticRegression())
    model.fit(pd.DataFrame(data)[["age", "income", "job"]], data["y"])
    folder = tmp_path_factory.mktemp("pickle")
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    return folder


@pytest.fixture(scope="module")
def unsure_numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A regression that knows how far off it may be, fitted on arrays: its columns have no names."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(300, 2))
    folder = tmp_path_factory.mktemp("numbers")
    model = BayesianRidge().fit(x, x @ [2.0, -1.0] + rng.normal(scale=0.5, size=300))
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    return folder


@pytest.fixture(scope="module")
def three_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Has no second of two classes."""
    x = np.arange(30.0).reshape(-1, 1)
    folder = tmp_path_factory.mktemp("three")
    (folder / "model.pkl").write_bytes(pickle.dumps(LogisticRegression().fit(x, np.arange(30) // 10)))
    return folder


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reads words."""
    table = pd.DataFrame({"note": ["good door", "bad door"] * 10})
    model = make_pipeline(ColumnTransformer([("words", CountVectorizer(), "note")]), LogisticRegression())
    folder = tmp_path_factory.mktemp("notes")
    (folder / "model.pkl").write_bytes(pickle.dumps(model.fit(table, ["yes", "no"] * 10)))
    return folder


@pytest.fixture(scope="module")
def optional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Declares a column that it can do without, and one of 32 bits."""
    table = pd.DataFrame({"a": np.arange(20, dtype="int32"), "b": np.ones(20)})
    model = make_pipeline(ColumnTransformer([("all", "passthrough", ["a", "b"])]), LogisticRegression())
    columns = [{"type": "integer", "name": "a"}, {"type": "double", "name": "b"}]
    inputs = json.dumps([*columns, {"type": "datetime", "name": "when", "required": False}])
    folder = tmp_path_factory.mktemp("optional")
    (folder / "model.pkl").write_bytes(pickle.dumps(model.fit(table, np.arange(20) > 9)))
    (folder / "MLmodel").write_text(json.dumps({"flavors": {}, "signature": {"inputs": inputs}}))
    return folder


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models that MLflow itself saved."""
    folder = tmp_path_factory.mktemp("saved")
    save_with_mlflow(folder)
    return folder


@pytest.fixture(scope="module", params=EVERYWHERE)
def deploy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Path], Deployment]]:
    """Deploys a model folder, once."""
    running: dict[Path, Deployment] = {}
    with ExitStack() as stack:

        def start(model_dir: Path) -> Deployment:
            if model_dir not in running:
                folder = tmp_path_factory.mktemp("deployment")
                running[model_dir] = stack.enter_context(START[request.param](model_dir, folder))
            return running[model_dir]

        yield start


Deploy = Callable[[Path], Deployment]


class TestACompiledModel:
    def test_answers_labels_and_probabilities_of_the_model_itself(
        self, deploy: Deploy, trained: Path
    ) -> None:
        status, answer = deploy(trained).post({"input_data": SPLIT})
        model = load(trained / "mlflow-model", "compiled")
        assert status == 200
        assert answer == {
            "result": model.predict(COLUMNS, ROWS),
            "probabilities": model.predict_proba(COLUMNS, ROWS),
            "classes": ["no", "yes"],
            "model": "people:3",
        }

    @pytest.mark.parametrize(
        "body",
        [
            {"input_data": RECORDS},
            {"input_data": ROWS},
            {"input_data": {"columns": ["extra", *COLUMNS[::-1]], "data": [[1, *row[::-1]] for row in ROWS]}},
            {"input_data": [RECORDS[0], {k: v for k, v in RECORDS[1].items() if v is not None}]},
            {"dataframe_split": SPLIT, "params": {"method": "predict_proba"}},
            {"dataframe_records": RECORDS, "params": {}},
            {"Inputs": {"data": RECORDS}, "GlobalParameters": {"method": "predict_proba"}},
            {"Inputs": {"data": ROWS}},
            {"Inputs": {"data": ROWS}, "GlobalParameters": 1.0},
            {"input_data": ROWS, "params": {"explain": False}},
            {"data": RECORDS},
            RECORDS,
            "\ufeff" + json.dumps(RECORDS),
            json.dumps({"input_data": ROWS}).replace("null", "NaN"),
        ],
    )
    def test_takes_every_shape_and_means_the_same(self, deploy: Deploy, trained: Path, body: Any) -> None:
        deployment = deploy(trained)
        assert deployment.post(body) == deployment.post({"input_data": SPLIT})

    @pytest.mark.parametrize(
        "body",
        [
            {"Inputs": {"data": RECORDS}, "GlobalParameters": {"method": "predict"}},
            {"dataframe_records": RECORDS, "params": {"method": "predict"}},
            {"data": RECORDS, "method": "predict"},
        ],
    )
    def test_answers_labels_alone_where_that_is_asked(self, deploy: Deploy, trained: Path, body: Any) -> None:
        status, answer = deploy(trained).post(body)
        assert (status, set(answer)) == (200, {"result", "model"})

    def test_no_rows_have_no_results(self, deploy: Deploy, trained: Path) -> None:
        status, answer = deploy(trained).post({"input_data": []})
        assert (status, answer["result"], answer["probabilities"]) == (200, [], [])

    def test_nothing_is_unpickled_for_it(self, deploy: Deploy, trained: Path) -> None:
        deployment = deploy(trained)
        assert "nothing is unpickled" in deployment.log
        assert "people:3 is ready" in deployment.log

    def test_a_wrong_value_is_named_by_row_and_column(self, deploy: Deploy, trained: Path) -> None:
        rows = [ROWS[0], ["old", *ROWS[1][1:]], [33, "much", "pilot", None, None], ROWS[0][:4]]
        status, answer = deploy(trained).post({"input_data": {"columns": COLUMNS, "data": rows}})
        sentence = "Incompatible input types for column age. Can not safely convert object to int64."
        assert (status, answer["code"]) == (400, "invalid-rows")
        assert answer["message"] == f"row 1, column 'age', value 'old': {sentence}"
        assert answer["errors"] == [
            {"row": 1, "column": "age", "value": "old", "message": sentence},
            {
                "row": 2,
                "column": "income",
                "value": "much",
                "message": "Incompatible input types for column income. Can not safely convert object to float64.",
            },
            {"row": 3, "message": "5 columns passed, passed data had 4 columns"},
        ]

    @pytest.mark.parametrize("age", [10**30, -(10**400), 70.5, True, None, [70], {"years": 70}])
    def test_what_is_no_whole_number_is_refused(self, deploy: Deploy, trained: Path, age: Any) -> None:
        status, answer = deploy(trained).post({"input_data": [RECORDS[0], {**RECORDS[0], "age": age}]})
        assert (status, answer["errors"][0]["row"], answer["errors"][0]["column"]) == (400, 1, "age")

    def test_a_number_beyond_all_floats_is_refused(self, deploy: Deploy, trained: Path) -> None:
        status, answer = deploy(trained).post({"input_data": [{**RECORDS[0], "income": 10**400}]})
        assert (status, answer["errors"][0]["column"]) == (400, "income")

    @pytest.mark.parametrize("text", ["1e400", "-1e400"])
    @pytest.mark.parametrize("column", ["age", "income", "job", "member", "joined"])
    def test_endlessness_is_told_in_words_that_json_has(
        self, deploy: Deploy, trained: Path, column: str, text: str
    ) -> None:
        body = json.dumps({"input_data": [{**RECORDS[0], column: "here"}]}).replace('"here"', text)
        status, answer = deploy(trained).post(body)
        assert (status, answer["errors"][0]["column"]) == (400, column)
        assert answer["errors"][0]["value"] == text.replace("1e400", "inf")

    @pytest.mark.parametrize(
        "moment",
        ["9999-12-31T23:59:59.9999999", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"],
    )
    def test_a_database_s_last_moment_is_scored(self, deploy: Deploy, trained: Path, moment: str) -> None:
        """SQL Server and .NET write "no end" so; rounded to a float it is in the year 10000."""
        body = {"input_data": [{**RECORDS[0], "joined": moment}], "params": {"explain": True}}
        status, answer = deploy(trained).post(body)
        assert (status, sum(answer["probabilities"][0])) == (200, pytest.approx(1.0))

    def test_a_column_that_no_row_has_is_missing(self, deploy: Deploy, trained: Path) -> None:
        wrong = [{**record, "Age": record["age"]} for record in RECORDS]
        for record in wrong:
            del record["age"]
        table = {"columns": list(wrong[0]), "data": [list(record.values()) for record in wrong]}
        for body in (wrong, table):
            status, answer = deploy(trained).post({"input_data": body})
            assert (status, answer["code"]) == (400, "missing-columns")
            assert answer["message"] == (
                "Model is missing inputs ['age']. Note that there were extra inputs: ['Age']"
            )

    @pytest.mark.parametrize(
        ("body", "sentence"),
        [
            ("", "the body is empty"),
            ("{", "the body is not JSON"),
            ("[" * 100_000, "the body is nested too deeply"),
            ("[[Infinity]]", "Infinity is no value"),
            ("7", "the body is a number"),
            ({}, "the body has the keys []"),
            ({"rows": ROWS}, "the body has the keys ['rows']"),
            ({"input_data": ROWS, "Inputs": {"data": ROWS}}, "has both input_data and Inputs"),
            ({"input_data": ROWS, "param": {}}, "unknown keys ['param'] beside input_data"),
            ({"input_data": 5}, "the rows are a number"),
            ({"input_data": [RECORDS[0], ROWS[0]]}, "row 1 is a list and should be an object of columns"),
            ({"input_data": [ROWS[0], None]}, "row 1 is null and should be a list of values"),
            ({"input_data": {"columns": COLUMNS}}, "a table has columns, data"),
            ({"input_data": {**SPLIT, "index": [0]}}, "index must be a list as long as data, which has 2"),
            ({"input_data": {"columns": ["age", "age"], "data": []}}, "columns are named twice: ['age']"),
            ({"input_data": {"columns": [1], "data": []}}, "columns must be a list of names"),
            ({"input_data": {"columns": COLUMNS, "data": [{}]}}, "row 0 is an object and should be a list"),
            ({"Inputs": ROWS}, 'Inputs must be an object with the one key "data"'),
            ({"Inputs": {"data": ROWS}, "GlobalParameters": True}, "GlobalParameters must be an object"),
            ({"input_data": ROWS, "params": {"explain": "yes"}}, "explain is 'yes': it is true or false"),
            ({"input_data": ROWS, "params": {"method": "forecast"}}, "the method 'forecast' is unknown"),
            (
                {"input_data": ROWS, "params": {"limit": 1}},
                "params must be an object with no other keys than",
            ),
        ],
    )
    def test_a_body_of_no_known_shape_is_told_what_is_wrong(
        self, deploy: Deploy, trained: Path, body: Any, sentence: str
    ) -> None:
        status, answer = deploy(trained).post(body)
        assert (status, answer["code"]) == (400, "invalid-request")
        assert sentence in answer["message"]

    def test_what_is_sent_is_bounded(self, deploy: Deploy, trained: Path) -> None:
        deployment = deploy(trained)
        assert deployment.post({"input_data": [[]] * 50_001})[0] == 413
        assert deployment.post(" " * (8 * 2**20 + 1))[0] == 413

    def test_bytes_that_are_no_text_are_refused(self, deploy: Deploy, trained: Path) -> None:
        assert deploy(trained).post(b'{"input_data": "\xff"}')[0] == 400


class TestACompiledRegression:
    def test_answers_numbers(self, deploy: Deploy, trained_numbers: Path) -> None:
        rows: list[list[Any]] = [[0.5, "a"], [None, "b"]]
        status, answer = deploy(trained_numbers).post({"input_data": rows})
        expected = load(trained_numbers, "compiled").predict(["x", "kind"], rows)
        assert (status, answer) == (200, {"result": expected, "model": None})

    def test_a_number_without_a_finite_answer_is_named(self, deploy: Deploy, trained_numbers: Path) -> None:
        status, answer = deploy(trained_numbers).post('{"input_data": [[0.5, "a"], [1e400, "a"]]}')
        assert (status, answer["code"], answer["errors"][0]["row"]) == (400, "invalid-rows", 1)


class TestAModelWithoutCompiledForm:
    def test_answers_the_same_through_its_data_frames(
        self, deploy: Deploy, trained: Path, reference_only: Path
    ) -> None:
        status, answer = deploy(reference_only).post({"input_data": SPLIT})
        expected = deploy(trained).post({"input_data": SPLIT})[1]
        assert (status, answer["result"], answer["classes"]) == (200, expected["result"], ["no", "yes"])
        assert np.allclose(answer["probabilities"], expected["probabilities"], atol=1e-6)
        assert answer["model"] == "people:4"

    def test_a_regression_answers_numbers(
        self, deploy: Deploy, trained_numbers: Path, numbers_reference_only: Path
    ) -> None:
        rows: list[list[Any]] = [[0.5, "a"], [None, "b"]]
        status, answer = deploy(numbers_reference_only).post({"input_data": rows})
        expected = load(trained_numbers, "compiled").predict(["x", "kind"], rows)
        assert (status, set(answer)) == (200, {"result", "model"})
        assert answer["result"] == pytest.approx(expected, abs=1e-6)

    def test_says_what_it_unpickled(self, deploy: Deploy, reference_only: Path) -> None:
        log = deploy(reference_only).log
        assert "Unpickling, which runs the code put into it: model.pkl (" in log
        assert "sha256" in log
        assert "MLflow's model in" in log or "MLflow is not installed" in log

    def test_names_wrong_values_alike(self, deploy: Deploy, trained: Path, reference_only: Path) -> None:
        body = {"input_data": [RECORDS[0], {**RECORDS[0], "job": 7}]}
        assert deploy(reference_only).post(body) == deploy(trained).post(body)


class TestAPickledEstimator:
    def test_answers_labels_and_probabilities(self, deploy: Deploy, plain_pickle: Path) -> None:
        status, answer = deploy(plain_pickle).post({"input_data": [*RECORDS[:1], RECORDS[0] | {"age": 19}]})
        assert status == 200
        assert answer["result"] == ["yes", "no"]
        assert answer["classes"] == ["no", "yes"]
        assert [sum(shares) for shares in answer["probabilities"]] == pytest.approx([1.0, 1.0])
        assert answer["model"] is None

    def test_a_row_that_it_refuses_is_named(self, deploy: Deploy, plain_pickle: Path) -> None:
        rows = [{"age": 40, "income": 1.0, "job": "pilot"} for _ in range(9)]
        rows[6] = {"age": "forty", "income": 1.0, "job": "pilot"}
        status, answer = deploy(plain_pickle).post({"input_data": rows})
        assert (status, answer["code"], answer["errors"][0]["row"]) == (400, "invalid-rows", 6)

    @pytest.mark.parametrize("age", ["forty", [40], {"years": 40}, pytest.param(-(10**400), id="vast")])
    def test_a_value_that_no_table_can_hold_is_named(
        self, deploy: Deploy, plain_pickle: Path, age: Any
    ) -> None:
        rows = [{"age": 40, "income": 1.0, "job": "pilot"}, {"age": age, "income": 1.0, "job": "pilot"}]
        status, answer = deploy(plain_pickle).post({"input_data": rows})
        assert (status, answer["code"], answer["errors"][0]["row"]) == (400, "invalid-rows", 1)

    @pytest.mark.parametrize("note", [None, 5, True, [], {}])
    def test_a_text_that_is_none_is_named(self, notes: Path, tmp_path: Path, note: Any) -> None:
        """scikit-learn asks it for its small letters and raises AttributeError."""
        with in_process(notes, tmp_path) as deployment:
            status, answer = deployment.post({"input_data": [{"note": "good"}, {"note": note}]})
        assert (status, answer["code"], answer["errors"][0]["row"]) == (400, "invalid-rows", 1)

    def test_a_model_that_is_broken_is_not_taken_for_a_bad_row(self, notes: Path, tmp_path: Path) -> None:
        model = pickle.loads((notes / "model.pkl").read_bytes())
        del model[0].transformers_
        (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
        with in_process(tmp_path, tmp_path) as deployment, pytest.raises(Exception, match="transformers_"):
            deployment.post({"input_data": [{"note": "good"}]})

    @pytest.mark.parametrize(
        ("record", "column"),
        [({"a": 2**31, "b": 0.5}, "a"), ({"a": "x", "b": 0.5}, "a"), ({"a": 1, "b": 0.5, "when": 5}, "when")],
    )
    def test_a_wrong_value_is_named_where_columns_may_be_left_out(
        self, optional: Path, tmp_path: Path, record: dict[str, Any], column: str
    ) -> None:
        with in_process(optional, tmp_path) as deployment:
            assert deployment.post({"input_data": [{"a": 2**31 - 1, "b": 0.5}]})[0] == 200
            status, answer = deployment.post({"input_data": [record]})
        assert (status, answer["code"], answer["errors"][0]["column"]) == (400, "invalid-rows", column)

    def test_a_regression_answers_intervals_where_it_knows_them(
        self, deploy: Deploy, unsure_numbers: Path
    ) -> None:
        status, answer = deploy(unsure_numbers).post({"input_data": [[1.0, 0.0], [0.0, 1.0]]})
        assert (status, answer["coverage"]) == (200, 0.95)
        assert answer["result"] == pytest.approx([2.0, -1.0], abs=0.2)
        for value, (low, high) in zip(answer["result"], answer["intervals"], strict=True):
            assert low < value < high
            assert high - low == pytest.approx(2 * 1.96 * 0.5, rel=0.2)

    def test_a_regression_has_no_probabilities(self, deploy: Deploy, unsure_numbers: Path) -> None:
        body = {"input_data": [[1.0, 0.0]], "params": {"method": "predict_proba"}}
        status, answer = deploy(unsure_numbers).post(body)
        assert (status, answer["code"]) == (400, "no-probabilities")

    def test_what_is_a_threshold_is_known_by_its_kind(self, tmp_path: Path) -> None:
        """scikit-learn's own thresholded classifier says "auto" where it has none."""
        x, y = np.arange(20.0).reshape(-1, 1), np.arange(20) > 9
        for threshold in ("auto", 0.9):
            model = FixedThresholdClassifier(LogisticRegression(), threshold=threshold).fit(x, y)
            (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
            with in_process(tmp_path, tmp_path) as deployment:
                answer = deployment.post({"input_data": [[9.0], [11.0], [19.0]]})[1]
            assert answer["classes"] == [False, True]
            assert answer.get("threshold") == (None if threshold == "auto" else threshold)
            assert answer["result"] == [False, threshold == "auto", True]

    def test_no_other_parameter_is_taken_for_the_threshold_of_an_answer(self, tmp_path: Path) -> None:
        """From SelfTrainingClassifier's, rows are labelled while training; 0.3 is of the first class here."""
        x, y = np.arange(20.0).reshape(-1, 1), np.arange(20) > 9
        known, line = np.where(np.arange(20) % 5, y.astype(int), -1), LogisticRegression()
        others = [
            SelfTrainingClassifier(line, threshold=0.75).fit(x, known),
            FixedThresholdClassifier(line, threshold=0.3, pos_label=False).fit(x, y),
            FixedThresholdClassifier(line, threshold=0.3, response_method="decision_function").fit(x, y),
        ]
        for model in others:
            (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
            with in_process(tmp_path, tmp_path) as deployment:
                assert "threshold" not in deployment.post({"input_data": [[11.0]]})[1]

    def test_rows_of_another_width_are_named(self, deploy: Deploy, unsure_numbers: Path) -> None:
        status, answer = deploy(unsure_numbers).post({"input_data": [[1.0, 0.0], [1.0]]})
        assert (status, answer["errors"][0]["row"]) == (400, 1)


class TestARequestsThreshold:
    @pytest.fixture(params=["trained", "reference_only", "plain_pickle"])
    def form(self, request: pytest.FixtureRequest, deploy: Deploy) -> Deployment:
        """A model of two classes, compiled, MLflow's and pickled."""
        model: Path = request.getfixturevalue(request.param)
        return deploy(model)

    @staticmethod
    def bodies(threshold: object) -> list[dict[str, Any]]:
        asked = {"threshold": threshold}
        return [
            {"input_data": RECORDS[:1], "params": asked},
            {"dataframe_records": RECORDS[:1], "params": {"method": "predict_proba", **asked}},
            {"Inputs": {"data": RECORDS[:1]}, "GlobalParameters": asked},
        ]

    def test_decides_from_itself_on(self, form: Deployment) -> None:
        share = form.post({"input_data": RECORDS[:1]})[1]["probabilities"][0][1]
        for threshold, due in ((0, "yes"), (share, "yes"), (np.nextafter(share, 1), "no"), (1, "no")):
            for body in self.bodies(threshold):
                status, answer = form.post(body)
                assert (status, answer["result"], answer["threshold"]) == (200, [due], threshold)
                assert answer["probabilities"] == [[pytest.approx(1 - share), share]]

    def test_decides_where_results_alone_are_asked(self, form: Deployment) -> None:
        body = {"input_data": RECORDS[:1], "params": {"method": "predict", "threshold": 0}}
        status, answer = form.post(body)
        assert (status, answer["result"], answer["threshold"]) == (200, ["yes"], 0.0)
        assert "probabilities" not in answer

    def test_that_is_null_is_none(self, form: Deployment) -> None:
        assert all(form.post(body)[1].get("threshold") is None for body in self.bodies(None))

    @pytest.mark.parametrize("threshold", [-0.1, 1.1, True, "0.5", [0.5]])
    def test_that_is_no_probability_is_refused(self, form: Deployment, threshold: object) -> None:
        for body in self.bodies(threshold):
            status, answer = form.post(body)
            assert (status, answer["code"]) == (400, "invalid-request")
            assert "is no probability: it is a number from 0 to 1" in answer["message"]

    def test_no_rows_have_no_results(self, form: Deployment) -> None:
        status, answer = form.post({"input_data": [], "params": {"threshold": 0.3}})
        assert (status, answer["result"], answer["threshold"]) == (200, [], 0.3)

    @pytest.mark.parametrize("numbers", ["trained_numbers", "unsure_numbers"])
    def test_means_nothing_to_a_regression(
        self, deploy: Deploy, request: pytest.FixtureRequest, numbers: str
    ) -> None:
        model: Path = request.getfixturevalue(numbers)
        body = {"input_data": [[0.5, "a"]], "params": {"threshold": 0.5}}
        status, answer = deploy(model).post(body)
        assert (status, answer["code"]) == (400, "no-threshold")
        assert answer["message"] == (
            "only a model of two classes has a threshold, and this one has no probabilities."
        )

    def test_means_nothing_to_three_classes(self, deploy: Deploy, three_classes: Path) -> None:
        status, answer = deploy(three_classes).post({"input_data": [[1.0]], "params": {"threshold": 0.5}})
        assert (status, answer["code"]) == (400, "no-threshold")
        assert answer["message"].endswith("this one has 3 classes.")


EXPLAINED = {"input_data": SPLIT, "params": {"explain": True}}


class TestAnExplanation:
    def test_sums_to_the_second_classs_probability(self, deploy: Deploy, trained: Path) -> None:
        status, answer = deploy(trained).post(EXPLAINED)
        found = answer.pop("contributions")
        assert (status, answer) == deploy(trained).post({"input_data": SPLIT})
        assert (found["columns"], found["of"]) == (COLUMNS, ["yes", "yes"])
        for base, values, shares in zip(found["base"], found["values"], answer["probabilities"], strict=True):
            assert base + sum(values) == pytest.approx(shares[1], abs=1e-9)
            assert len(values) == len(COLUMNS)
        assert "TreeSHAP" in found["method"]

    @pytest.mark.parametrize(
        "body",
        [
            {"dataframe_records": RECORDS, "params": {"explain": True, "method": "predict"}},
            {"Inputs": {"data": RECORDS}, "GlobalParameters": {"explain": True}},
            {"input_data": SPLIT, "params": {"explain": True, "threshold": 0.001}},
        ],
    )
    def test_is_the_same_whatever_else_is_asked(self, deploy: Deploy, trained: Path, body: Any) -> None:
        found = deploy(trained).post(body)[1]["contributions"]
        assert found == deploy(trained).post(EXPLAINED)[1]["contributions"]

    def test_of_a_regression_sums_to_the_number(self, deploy: Deploy, trained_numbers: Path) -> None:
        body = {"input_data": [[0.5, "a"], [None, "never seen"]], "params": {"explain": True}}
        status, answer = deploy(trained_numbers).post(body)
        found = answer["contributions"]
        assert (status, found["of"], found["columns"]) == (200, None, ["x", "kind"])
        sums = [base + sum(values) for base, values in zip(found["base"], found["values"], strict=True)]
        assert sums == pytest.approx(answer["result"], abs=1e-9)
        assert found["values"][0][0] > 0.5  # about three times x

    def test_is_of_few_rows_at_once(self, deploy: Deploy, trained: Path) -> None:
        deployment = deploy(trained)
        status, answer = deployment.post({**EXPLAINED, "input_data": [RECORDS[0]] * 21})
        assert (status, answer["code"]) == (400, "too-many-explanations")
        assert answer["message"].startswith("21 rows, and at most 20 are explained at once")
        assert deployment.post({**EXPLAINED, "input_data": [RECORDS[0]] * 20})[0] == 200
        assert deployment.post({**EXPLAINED, "input_data": []})[1]["contributions"]["values"] == []

    def test_names_wrong_values_as_every_request_does(self, deploy: Deploy, trained: Path) -> None:
        status, answer = deploy(trained).post({**EXPLAINED, "input_data": [{**RECORDS[0], "age": "old"}]})
        assert (status, answer["code"], answer["errors"][0]["column"]) == (400, "invalid-rows", "age")

    def test_of_a_pickled_model_there_is_none(
        self, deploy: Deploy, reference_only: Path, unsure_numbers: Path
    ) -> None:
        for model, rows in ((reference_only, RECORDS), (unsure_numbers, [[1.0, 0.0]])):
            status, answer = deploy(model).post({**EXPLAINED, "input_data": rows})
            assert (status, answer["code"]) == (400, "no-explanation")
            assert "pickled" in answer["message"]


class TestADeploymentsThreshold:
    """DROPML_THRESHOLD: after the request's own, before that of the model's card."""

    @pytest.mark.parametrize("name", ["trained", "reference_only", "plain_pickle"])
    def test_decides_unless_the_request_has_its_own(
        self, request: pytest.FixtureRequest, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DROPML_THRESHOLD", " 1.0 ")
        with in_process(request.getfixturevalue(name), tmp_path) as deployment:
            answer = deployment.post({"input_data": RECORDS[:1]})[1]
            assert (answer["result"], answer["threshold"]) == (["no"], 1.0)
            answer = deployment.post({"input_data": RECORDS[:1], "params": {"threshold": 0}})[1]
            assert (answer["result"], answer["threshold"]) == (["yes"], 0.0)

    def test_goes_before_the_models_card(
        self, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mounted = tmp_path / "model"
        shutil.copytree(trained / "mlflow-model", mounted)
        card = mounted / "dropml" / "pipeline.json"
        card.write_text(json.dumps(json.loads(card.read_text()) | {"threshold": 0.0}))
        for said, due in (("1", ["no", "no"]), ("", ["yes", "yes"])):
            monkeypatch.setenv("DROPML_THRESHOLD", said)
            with in_process(mounted, tmp_path) as deployment:
                assert deployment.post({"input_data": ROWS})[1]["result"] == due

    @pytest.mark.parametrize("said", ["half", "1.01", "-0.5", "nan", "50%"])
    def test_that_is_no_probability_fails_it(
        self, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
    ) -> None:
        monkeypatch.setenv("DROPML_THRESHOLD", said)
        with pytest.raises(
            ScriptRefusalError, match=f"DROPML_THRESHOLD is '{said}': it takes a number from 0"
        ):
            in_process(trained, tmp_path).__enter__()

    def test_beside_a_model_of_another_kind_fails_it(
        self, three_classes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DROPML_THRESHOLD", "0.5")
        with pytest.raises(ScriptRefusalError, match=r"DROPML_THRESHOLD is 0\.5: only .* has 3 classes"):
            in_process(three_classes, tmp_path).__enter__()


@pytest.mark.parametrize("how", EVERYWHERE)
class TestWhatCannotBeDeployed:
    def test_an_empty_folder(self, how: str, tmp_path: Path) -> None:
        (tmp_path / "model" / "notes").mkdir(parents=True)
        with pytest.raises(
            ScriptRefusalError, match=r"neither an MLmodel file nor a model.pkl, only \['notes'\]"
        ):
            START[how](tmp_path / "model", tmp_path).__enter__()

    def test_two_models_at_once(self, how: str, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / "model" / name).mkdir(parents=True)
            (tmp_path / "model" / name / "MLmodel").write_text("flavors: {}")
        with pytest.raises(ScriptRefusalError, match="holds 2 models"):
            START[how](tmp_path / "model", tmp_path).__enter__()


@pytest.mark.slow
class TestModelsThatMlflowSaved:
    def test_a_classifier_with_a_signature(self, saved: Path, tmp_path: Path) -> None:
        with served(saved / "tree", tmp_path) as deployment:
            status, answer = deployment.post({"dataframe_records": [{"a": 1, "b": 1}, {"b": 4, "a": 3.5}]})
            refused = deployment.post({"input_data": [[1.0, 1], [1.0, 1.5]]})[1]
        assert status == 200
        assert (answer["result"], answer["classes"]) == (["low", "high"], ["high", "low"])
        assert answer["probabilities"] == [[0.0, 1.0], [1.0, 0.0]]
        assert (refused["errors"][0]["row"], refused["errors"][0]["column"]) == (1, "b")

    def test_a_python_model_that_declares_nothing(self, saved: Path, tmp_path: Path) -> None:
        with served(saved / "doubled", tmp_path) as deployment:
            assert deployment.post({"input_data": [{"b": 0, "a": 1.5}]}) == (
                200,
                {"result": [3.0], "model": None},
            )


_ALONE = """
import json, sys
from pathlib import Path
before = set(sys.modules)
{how}
score.init()
answer = score.run(json.dumps({{"input_data": {records!r}}}))
packages = {{name.partition(".")[0] for name in set(sys.modules) - before}}
assert "scorer.explain" not in sys.modules
print(json.dumps([answer["model"], sorted(packages - set(sys.stdlib_module_names) - {{"score"}})]))
"""


@pytest.mark.parametrize("how", ["from scorer import score", "import score"], ids=["package", "script"])
def test_its_folder_alone_is_enough_and_loads_no_pandas(trained: Path, tmp_path: Path, how: str) -> None:
    where = tmp_path / ("scorer" if "from" in how else "0c1d-code")
    shutil.copytree(ROOT / "scorer", where, ignore=shutil.ignore_patterns("__pycache__"))
    path = where.parent if "from" in how else where
    environment = {"PATH": "/usr/bin", "PYTHONPATH": str(path), "AZUREML_MODEL_DIR": str(trained)}
    done = subprocess.run(
        [sys.executable, "-c", _ALONE.format(how=how, records=[RECORDS[0]])],
        check=False,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == ["people:3", ["numpy", "scorer"]]


def test_a_compiled_form_that_cannot_be_read_leaves_the_reference(trained: Path, tmp_path: Path) -> None:
    mounted = tmp_path / "model"
    shutil.copytree(trained / "mlflow-model", mounted)
    card = mounted / "dropml" / "pipeline.json"
    card.write_text(card.read_text()[:-50])
    with in_process(mounted, tmp_path) as deployment:
        assert deployment.post({"input_data": SPLIT})[1]["classes"] == ["no", "yes"]
    assert "The compiled form cannot be read (JSONDecodeError" in deployment.log


def test_the_threshold_of_the_models_own_card_decides(trained: Path, tmp_path: Path) -> None:
    mounted = tmp_path / "model"
    shutil.copytree(trained / "mlflow-model", mounted)
    card = mounted / "dropml" / "pipeline.json"
    with in_process(trained, tmp_path) as deployment:
        shares = deployment.post({"input_data": ROWS})[1]["probabilities"]
    for threshold, due in ((0.0, ["yes", "yes"]), (shares[1][1], ["yes", "yes"]), (1.0, ["no", "no"])):
        card.write_text(json.dumps(json.loads(card.read_text()) | {"threshold": threshold}))
        with in_process(mounted, tmp_path) as deployment:
            answer = deployment.post({"input_data": ROWS})[1]
        assert (answer["result"], answer["threshold"]) == (due, threshold)
