"""MLflow, unmodified, where this project is not installed: a trained model loads and scores, its signature enforced.

`python loading.py TRACKING_URI FOLDER`; MODEL_FOLDER in the environment is the model's folder.
"""

from __future__ import annotations

import importlib.util
import os

import flows
import mlflow.pyfunc
import mlflow.sklearn
import pandas as pd
from mlflow.exceptions import MlflowException

FOLDER = os.environ["MODEL_FOLDER"]
ROWS = pd.DataFrame([[65, 800, "student"], [20, 0, "admin"]], columns=["age", "balance", "job"])


def load_model() -> None:
    assert importlib.util.find_spec("dropml") is None
    assert list(mlflow.pyfunc.load_model(FOLDER).predict(ROWS)) == ["yes", "no"]


def its_signature() -> None:
    try:
        mlflow.pyfunc.load_model(FOLDER).predict(ROWS.drop(columns="age"))
    except MlflowException:
        return
    raise AssertionError("a missing column was taken")


def probabilities() -> None:
    assert mlflow.sklearn.load_model(FOLDER).predict_proba(ROWS).shape == (2, 2)


if __name__ == "__main__":
    flows.run(load_model, its_signature, probabilities)
