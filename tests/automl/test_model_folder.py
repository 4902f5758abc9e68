"""What a trained model's folder holds: it loads where this project is not, and AutoML's own files stand beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import yaml

from tests.support.emulator_support import trained_model

COLUMNS, DATA = ["age", "balance", "job"], [[65, 800, "student"], [20, 0, "admin"]]
_LOAD = """
import json, pickle, sys
import pandas as pd
with open(sys.argv[1] + "/model.pkl", "rb") as file:
    model = pickle.load(file)
rows = pd.DataFrame(**json.loads(sys.argv[2]))
print(json.dumps([model.predict(rows).tolist(), sys.modules["dropml"].__file__]))
"""
_SCRIPT = """
import json, runpy, sys
script = runpy.run_path(sys.argv[1])
script["init"]()
print(json.dumps([script["run"](body) for body in sys.argv[2:]]))
"""


def isolated(program: str, *arguments: str, **environment: str) -> str:
    """In a Python that finds installed packages, but neither this project nor the working directory."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        env=os.environ | environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_model_loads_with_the_code_in_its_folder_alone() -> None:
    folder = trained_model()
    flavors = yaml.safe_load((folder / "MLmodel").read_text())["flavors"]
    assert {flavors[name]["code"] for name in ("python_function", "sklearn")} == {"code"}
    code = str(folder / "code")
    program = f"import sys; sys.path.insert(0, {code!r})\n{_LOAD}"
    labels, source = json.loads(
        isolated(program, str(folder), json.dumps({"columns": COLUMNS, "data": DATA}))
    )
    assert labels == ["yes", "no"]
    assert source.startswith(code)


def test_the_script_that_automl_leaves_scores_the_pickle_beside_it() -> None:
    outputs = trained_model().parent
    body = {"Inputs": {"data": [dict(zip(COLUMNS, row, strict=True)) for row in DATA]}}
    asked = [json.dumps(body), json.dumps(body | {"GlobalParameters": {"method": "predict_proba"}})]
    script = str(outputs / "scoring_file_v_2_0_0.py")
    labels, chances = json.loads(isolated(_SCRIPT, script, *asked, AZUREML_MODEL_DIR=str(outputs)))
    assert labels == {"Results": ["yes", "no"]}
    assert [sum(row) for row in chances["Results"]] == pytest.approx([1, 1])


def test_the_environment_that_automl_leaves_has_the_models_packages_and_the_inference_server() -> None:
    folder = trained_model()
    own = yaml.safe_load((folder.parent / "conda_env_v_1_0_0.yml").read_text())
    packages = own["dependencies"][-1]["pip"]
    assert set((folder / "requirements.txt").read_text().split()) < set(packages)
    assert any(p.startswith("azureml-inference-server-http==") for p in packages)


def test_the_models_run_is_the_trial_that_made_it() -> None:
    assert yaml.safe_load((trained_model() / "MLmodel").read_text())["run_id"] == "model_0"
    assert (trained_model().parent / "model.pkl").samefile(trained_model() / "model.pkl")
