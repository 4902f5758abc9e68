"""The files that describe a deployment: true for what is sent and answered, and written only where they are served."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from scorer.answer import Served, answer
from scorer.forms import load_form
from scorer.request import read
from scorer.swagger import publish
from tests.support.automl_jobs import people, run_here, write_data, write_spec
from tests.support.inference_server import served

NAMES = ["swagger2.json", "swagger3.json", "swagger3.1.json"]


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    training = {"allowedTrainingAlgorithms": ["LogisticRegression"], "enableVoteEnsemble": False}
    training |= {"enableStackEnsemble": False}
    limits = {"timeout_s": 40, "max_trials": 1}
    data = write_data(folder / "data", people(120))
    done = run_here(write_spec(folder / "job", data, validation_size=0.3, training=training, limits=limits))
    assert done.failure == ""
    return done.model_dir


@pytest.fixture
def model(model_dir: Path) -> Served:
    return load_form(model_dir, lambda _: None)


def schemas(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document.get("definitions") or document["components"]["schemas"]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_its_example_can_be_sent_and_the_answer_is_as_it_says(
    name: str, model: Served, model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AML_APP_ROOT", str(tmp_path))
    assert publish(model, model_dir, tmp_path, "people") == NAMES
    document = json.loads((tmp_path / name).read_text())
    assert document["info"]["title"] == "people"
    taken, given = schemas(document)["ServiceInput"], schemas(document)["ServiceOutput"]
    row = taken["properties"]["input_data"]["items"]
    assert list(row["properties"]) == row["required"] == model.columns
    assert row["properties"]["age"] == {"type": "integer", "format": "int64"}
    params = {"explain": True, "method": "predict_proba", "threshold": 0.25}
    body = {**taken["example"], "params": params}
    jsonschema.validate(body, taken)
    found = answer(model, read(json.dumps(body), model))
    jsonschema.validate(found, given)
    assert found.keys() | {"model"} == given["properties"].keys()
    wrong = {**body, "params": {"threshold": 2}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, taken)


def test_what_may_be_missing_may_be_null(
    model: Served, model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AML_APP_ROOT", str(tmp_path))
    publish(model, model_dir, tmp_path, "people")
    said = []
    for name in NAMES:
        taken = schemas(json.loads((tmp_path / name).read_text()))["ServiceInput"]
        said.append(taken["properties"]["input_data"]["items"]["properties"]["job"])
    assert said == [
        {"type": "string", "x-nullable": True},
        {"type": "string", "nullable": True},
        {"type": ["string", "null"]},
    ]


def test_a_model_that_names_its_columns_alone_has_them_without_types(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pandas as pd

    frame = pd.DataFrame({"a": np.arange(6.0), "b": np.ones(6)})
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(LogisticRegression().fit(frame, [0, 0, 0, 1, 1, 2])))
    monkeypatch.setenv("AML_APP_ROOT", str(tmp_path))
    model = load_form(tmp_path, lambda _: None)
    publish(model, tmp_path, tmp_path, "plain")
    found = schemas(json.loads((tmp_path / "swagger2.json").read_text()))
    assert found["ServiceInput"]["properties"]["input_data"]["items"]["properties"] == {"a": {}, "b": {}}
    assert "threshold" not in found["ServiceInput"]["properties"]["params"]["properties"]
    assert found["ServiceOutput"]["properties"]["classes"]["example"] == [0, 1, 2]
    sent = answer(model, read(json.dumps(found["ServiceInput"]["example"]), model))
    jsonschema.validate(sent, found["ServiceOutput"])


def test_nothing_is_written_where_it_would_not_be_served(
    model: Served, model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AML_APP_ROOT", raising=False)
    assert publish(model, model_dir, tmp_path, "people") == []
    monkeypatch.setenv("AML_APP_ROOT", str(tmp_path.parent))
    assert publish(model, model_dir, tmp_path, "people") == []
    assert [*tmp_path.iterdir()] == []


@pytest.mark.slow
def test_the_inference_server_serves_them(model: Served, model_dir: Path, tmp_path: Path) -> None:
    with served(model_dir, tmp_path) as deployment:
        for version in ("2", "3", "3.1"):
            taken = schemas(deployment.swagger(version))["ServiceInput"]
            assert list(taken["properties"]["input_data"]["items"]["properties"]) == model.columns
            assert deployment.post(taken["example"])[0] == 200
