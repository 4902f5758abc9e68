"""What AutoML leaves in a run's outputs beside the MLflow model: the pickle, its environment, a scoring script.

https://learn.microsoft.com/azure/machine-learning/how-to-deploy-automl-endpoint
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

MODEL, ENVIRONMENT, SCRIPT = "model.pkl", "conda_env_v_1_0_0.yml", "scoring_file_v_2_0_0.py"
#: Serves the scoring script in a deployment.
_SERVER = "azureml-inference-server-http==1.5.1"

_SCORING = '''"""Scores rows as automated machine learning's own script does, for azureml-inference-server-http.

A request is {"Inputs": {"data": [{"column": value}]}, "GlobalParameters": {"method": "predict"}}; with the method
"predict_proba" the answer holds probabilities.
"""

import json
import os
import pickle
import sys
from pathlib import Path

import pandas as pd

model = None


def init():
    """Load the model: the folder that is deployed holds it, and its code, somewhere below."""
    global model
    folder = Path(os.environ["AZUREML_MODEL_DIR"])
    files = [folder] if folder.is_file() else sorted(folder.rglob("model.pkl"))
    for code in files[0].parent.rglob("code"):
        sys.path.insert(0, str(code))
    with files[0].open("rb") as file:
        model = pickle.load(file)


def run(raw_data):
    request = json.loads(raw_data)
    rows = pd.DataFrame(request["Inputs"]["data"])
    if (request.get("GlobalParameters") or {}).get("method", "predict") == "predict_proba":
        return {"Results": model.predict_proba(rows).tolist()}
    return {"Results": model.predict(rows).tolist()}
'''


def write_run_files(outputs: Path, conda: dict[str, Any]) -> None:
    """Write them into a run's `outputs`, whose `mlflow-model` is there."""
    pickled = outputs / MODEL
    pickled.unlink(missing_ok=True)
    os.link(outputs / "mlflow-model" / MODEL, pickled)  # one file on disk, however large
    packages = [*conda["dependencies"][-1]["pip"], _SERVER]
    own = {
        **conda,
        "name": "project_environment",
        "dependencies": [*conda["dependencies"][:-1], {"pip": packages}],
    }
    (outputs / ENVIRONMENT).write_text(yaml.safe_dump(own, sort_keys=False), encoding="utf-8")
    (outputs / SCRIPT).write_text(_SCORING, encoding="utf-8")
