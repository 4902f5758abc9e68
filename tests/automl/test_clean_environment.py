"""A trained model in an environment of its own requirements alone: MLflow loads it, its signature holds, it scores the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scorer import load
from tests.support.automl_jobs import people, run_here, write_data, write_spec

_PROGRAM = """
import importlib.util, json, sys
import mlflow.pyfunc, pandas
assert importlib.util.find_spec("dropml") is None and importlib.util.find_spec("scorer") is None
model = mlflow.pyfunc.load_model(sys.argv[1])
rows = pandas.DataFrame(json.loads(sys.argv[2])).astype({"age": "int64"})
answer = list(model.predict(rows))
try:
    model.predict(rows.drop(columns="age"))
except mlflow.exceptions.MlflowException as error:
    refused = "age" in str(error)
print(json.dumps([answer, refused]))
"""
ROWS: list[dict[str, Any]] = [
    {"age": 70, "income": 2500.0, "job": "pilot", "member": True, "joined": "2021-06-01"},
    {"age": 20, "income": 100.0, "job": "clerk", "member": False, "joined": "2020-01-02"},
]


@pytest.mark.slow  # the requirements are installed
@pytest.mark.parametrize("algorithm", ["LightGBM", "XGBoostClassifier", "VotingEnsemble"])
def test_the_best_model_loads_from_its_requirements_alone(tmp_path: Path, algorithm: str) -> None:
    vote = algorithm == "VotingEnsemble"
    allowed = ["LightGBM", "LogisticRegression"] if vote else [algorithm]
    training = {
        "allowedTrainingAlgorithms": allowed,
        "enableVoteEnsemble": vote,
        "enableStackEnsemble": False,
    }
    spec = {"validation_size": 0.3, "limits": {"timeout_s": 60, "max_trials": 2}, "training": training}
    done = run_here(write_spec(tmp_path / "job", write_data(tmp_path / "data", people(300)), **spec))
    assert done.failure == ""
    folder = tmp_path / "elsewhere" / "model"
    folder.parent.mkdir()
    done.model_dir.rename(folder)
    python = tmp_path / "venv" / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "-r", str(folder / "requirements.txt")]
    for command in ([sys.executable, "-m", "venv", str(tmp_path / "venv")], install):
        subprocess.run(command, check=True, capture_output=True, timeout=900)
    program = [str(python), "-W", "ignore", "-c", _PROGRAM, str(folder), json.dumps(ROWS)]
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    ran = subprocess.run(
        program, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    answer, refused = json.loads(ran.stdout.splitlines()[-1])
    columns = list(ROWS[0])
    ours = load(folder, "compiled").predict(columns, [list(row.values()) for row in ROWS])
    assert (answer, refused) == (ours, True)
