"""Every algorithm of the wire trains, and scores the same in both forms (or says that it has one form only)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dropml.azureml.automl.fit.algorithms import CLASSIFIERS, REGRESSORS
from scorer import CompiledFormError, check_parity, load
from scorer.compiled import CompiledScorer
from scorer.explain import explain
from tests.support.automl_jobs import Finished, people, run_here, write_data, write_spec

ONE_FORM = {"KNN"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One small data set for each task, with missing values and a category."""
    rng = np.random.default_rng(5)
    columns = people(160)
    columns["income"] = np.where(rng.random(160) < 0.1, np.nan, columns["income"])
    number = columns["age"] * 10 + np.where(columns["job"] == "pilot", 300.0, 0.0) + rng.normal(0, 20, 160)
    folder = tmp_path_factory.mktemp("data")
    three = np.where(columns["age"] > 65, "old", np.where(columns["age"] > 40, "middle", "young"))
    return {
        "two": write_data(folder / "two", columns),
        "three": write_data(folder / "three", {**columns, "y": three}),
        "number": write_data(folder / "number", {**columns, "y": number}),
    }


def train(tmp_path: Path, data: Path, name: str, **spec: Any) -> Finished:
    training = {"allowedTrainingAlgorithms": [name], "enableModelExplainability": False}
    limits = {"timeout_s": 40, "max_trials": 1}
    return run_here(
        write_spec(tmp_path, data, validation_size=0.3, **{"training": training, "limits": limits, **spec})
    )


def check(done: Finished, name: str) -> None:
    assert done.failure == ""
    assert done.algorithms == [name]
    form = json.loads((done.model_dir / "dropml" / "form.json").read_text())
    if name in ONE_FORM:
        assert form["form"] == "reference"
        assert "no compiled form for" in form["reason"]
        with pytest.raises(CompiledFormError, match="no compiled form"):
            load(done.model_dir, "compiled")
        load(done.model_dir, "reference")
    else:
        assert form == {"form": "compiled", "reason": None, "parity": form["parity"]}
        assert check_parity(done.model_dir) <= 1e-6
        check_explained(done.model_dir)


def check_explained(model_dir: Path) -> None:
    """Contributions sum to the score, of rows with missing values and unseen categories too, and tell rows apart."""
    scorer = CompiledScorer(model_dir)
    rows = json.loads((model_dir / "dropml" / "parity.json").read_text())
    age = scorer.columns.index("age")
    data = [[row[rows["columns"].index(name)] for name in scorer.columns] for row in rows["data"][-30:]]
    data = [row for row in data if row[age] is not None]
    result = scorer.predict(scorer.columns, data)
    found = explain(scorer, scorer.columns, data, result)
    for number, (base, values) in enumerate(zip(found["base"], found["values"], strict=True)):
        score = result[number]
        if scorer.labels is not None:
            shares = scorer.predict_proba(scorer.columns, [data[number]])[0]
            score = shares[scorer.labels.index(found["of"][number])]
        assert base + sum(values) == pytest.approx(score, rel=1e-9, abs=1e-9)
    assert np.ptp(np.array(found["values"])[:, age]) > 0


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_two_classes(tmp_path: Path, data: dict[str, Path], name: str) -> None:
    done = train(tmp_path, data["two"], name)
    check(done, name)
    assert done.best["metrics"]["AUC_weighted"] > 0.65


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_three_classes(tmp_path: Path, data: dict[str, Path], name: str) -> None:
    done = train(tmp_path, data["three"], name)
    check(done, name)
    assert done.best["metrics"]["AUC_weighted"] > 0.6


@pytest.mark.parametrize("name", REGRESSORS)
def test_numbers(tmp_path: Path, data: dict[str, Path], name: str) -> None:
    done = train(tmp_path, data["number"], name, task="Regression")
    check(done, name)
    assert done.best["metrics"]["r2_score"] > 0.3


@pytest.mark.parametrize("kind", ["two", "three", "number"])
@pytest.mark.parametrize("ensemble", ["Vote", "Stack"])
def test_ensembles_mix_models_of_every_kind(
    tmp_path: Path, data: dict[str, Path], kind: str, ensemble: str
) -> None:
    task = "Regression" if kind == "number" else "Classification"
    linear = "ElasticNet" if kind == "number" else "LogisticRegression"
    training = {
        "allowedTrainingAlgorithms": ["LightGBM", linear, "RandomForest"],
        "enableVoteEnsemble": ensemble == "Vote",
        "enableStackEnsemble": ensemble == "Stack",
    }
    done = train(
        tmp_path, data[kind], "", task=task, training=training, limits={"timeout_s": 40, "max_trials": 4}
    )
    assert done.failure == ""
    assert done.algorithms[-1] == {"Vote": "VotingEnsemble", "Stack": "StackEnsemble"}[ensemble]
    _save_ensemble_and_check(done, tmp_path)


def _save_ensemble_and_check(done: Finished, tmp_path: Path) -> None:
    """The ensemble's own model in compiled form too, whether or not it was the best."""
    import pickle
    import shutil

    import pandas as pd

    from dropml.azureml.automl.data.table import from_frame
    from dropml.azureml.automl.model.compile import compile_pipeline

    folder = done.job_dir / "trials" / str(max(done.trials)) / "outputs" / "mlflow-model"
    pipeline = pickle.loads((folder / "model.pkl").read_bytes())
    shutil.copytree(done.model_dir / "dropml", tmp_path / "copied")
    (folder / "dropml" / "form.json").unlink()
    parity = json.loads((tmp_path / "copied" / "parity.json").read_text())
    rows = from_frame(pd.DataFrame(parity["data"], columns=parity["columns"], dtype=object), pipeline.types)
    compile_pipeline(pipeline, folder / "dropml", rows)
    shutil.copy(tmp_path / "copied" / "parity.json", folder / "dropml" / "parity.json")
    assert len(pipeline.model.members) >= 2
    assert check_parity(folder) <= 1e-6
    check_explained(folder)
