"""Models that other tools have made serve, by MLflow where it is installed and without it where their flavor allows."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.ordinary_models import COLUMNS, lightgbm_model, save, sklearn_model, xgboost_model
from tests.support.serving_support import deployment, running, settings, wait_until

pytestmark = pytest.mark.filterwarnings("ignore")
WITHOUT_MLFLOW = pytest.mark.skipif(
    importlib.util.find_spec("mlflow") is not None, reason="MLflow loads every model where it is installed"
)


def own_module(folder: Path, answer: str = '(frame + self.shift)[["a"]]') -> Path:
    """A python_function whose loader comes with it, and which answers a table."""
    save(folder, {"python_function": {"loader_module": "my_loader", "code": "code", "data": "data"}})
    (folder / "code").mkdir()
    (folder / "data").mkdir()
    (folder / "data" / "shift.txt").write_text("10")
    (folder / "code" / "my_loader.py").write_text(
        f"""
import pathlib
class Model:
    def __init__(self, shift): self.shift = shift
    def predict(self, frame): return {answer}
def _load_pyfunc(path): return Model(int((pathlib.Path(path) / "shift.txt").read_text()))
"""
    )
    return folder


def answers(folder: Path, model: Path, body: dict[str, Any]) -> tuple[int, Any, str]:
    """Status and body of a scored request, and the log."""
    entry = deployment(model, folder / "m1.log", models_dir=str(folder / "models"))
    with running(folder, settings({"m1": entry}, {"m1": 100}), tiny=False) as endpoint:
        state = endpoint.settled()["m1"]
        assert (state["status"], state["form"]) == ("ready", "reference"), state
        answer = endpoint.score({"input_data": body})
        wait_until(lambda: "/score" in endpoint.log)
        return answer.status_code, answer.json(), endpoint.log


TWO = {"columns": COLUMNS, "index": [0, 1], "data": [[0.0, 1.0], [1.0, 0.0]]}


def test_a_scikit_learn_pipeline_answers_its_labels_and_the_log_says_how_it_was_loaded(
    tmp_path: Path,
) -> None:
    status, found, log = answers(tmp_path, sklearn_model(tmp_path / "models" / "bank" / "1"), TWO)
    assert (status, found) == (200, ["no", "yes"])
    assert "is loaded by" in log
    assert "another tool has made the model" in log


def test_a_column_too_few_is_refused_as_mlflow_does(tmp_path: Path) -> None:
    body = {"columns": ["a"], "data": [[1.0]]}
    status, _, log = answers(tmp_path, sklearn_model(tmp_path / "models" / "bank" / "1"), body)
    assert status == 424
    assert "Model is missing inputs ['b']." in log


@WITHOUT_MLFLOW
@pytest.mark.parametrize("make", ["lightgbm", "core.Booster", "sklearn.XGBClassifier"])
def test_boosted_trees_are_loaded_from_their_own_files(tmp_path: Path, make: str) -> None:
    folder = tmp_path / "models" / "bank" / "1"
    model = lightgbm_model(folder) if make == "lightgbm" else xgboost_model(folder, make)
    status, (no, yes), log = answers(tmp_path, model, TWO)
    assert status == 200
    assert no < 0.5 < yes
    assert f"loaded by its flavor {'lightgbm' if make == 'lightgbm' else 'xgboost'}" in log


@WITHOUT_MLFLOW
def test_a_python_function_with_its_own_loader_answers_records(tmp_path: Path) -> None:
    status, found, _ = answers(tmp_path, own_module(tmp_path / "models" / "bank" / "1"), TWO)
    assert (status, found) == (200, [{"a": 10.0}, {"a": 11.0}])


@WITHOUT_MLFLOW
@pytest.mark.parametrize(
    ("answer", "due"),
    [
        ('{"a": frame["a"] * 2, "unit": "m"}', {"a": [0.0, 2.0], "unit": "m"}),
        ('[{"a": a} for a in frame["a"]]', [{"a": 0.0}, {"a": 1.0}]),
        ('frame["a"].sum()', 1.0),
    ],
)
def test_a_python_function_answers_what_it_likes(tmp_path: Path, answer: str, due: Any) -> None:
    """Also where its own input example is answered so, which the swagger shows."""
    model = own_module(tmp_path / "models" / "bank" / "1", answer)
    (model / "input_example.json").write_text(json.dumps({"columns": COLUMNS, "data": [[0.0, 1.0]]}))
    status, found, _ = answers(tmp_path, model, TWO)
    assert (status, found) == (200, due)


def test_a_pipeline_saved_to_answer_probabilities_answers_them(tmp_path: Path) -> None:
    """`mlflow.sklearn.save_model(..., pyfunc_predict_fn="predict_proba")`."""
    model = sklearn_model(tmp_path / "models" / "bank" / "1")
    document = yaml.safe_load((model / "MLmodel").read_text())
    document["flavors"]["python_function"]["predict_fn"] = "predict_proba"
    (model / "MLmodel").write_text(yaml.safe_dump(document))
    status, found, _ = answers(tmp_path, model, TWO)
    assert status == 200
    assert [sum(shares) for shares in found] == pytest.approx([1.0, 1.0])
    assert found[0][0] > 0.5 > found[1][0]


@WITHOUT_MLFLOW
def test_a_model_that_needs_mlflow_fails_and_says_so(tmp_path: Path) -> None:
    flavors = {
        "python_function": {"loader_module": "mlflow.pyfunc.model", "python_model": "python_model.pkl"}
    }
    model = save(tmp_path / "models" / "bank" / "1", flavors)
    entry = deployment(model, tmp_path / "m1.log", models_dir=str(tmp_path / "models"), notes=["Note."])
    with running(tmp_path, settings({"m1": entry}, {"m1": 100}), tiny=False) as endpoint:
        state = endpoint.settled()["m1"]
    assert state["status"] == "failed"
    assert "needs MLflow, which is not installed here Note." in state["error"]
