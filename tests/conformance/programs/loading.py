"""MLflow, unmodified, where this project is not installed: a trained model loads and scores, its signature enforced.

`python loading.py TRACKING_URI FOLDER`; MODEL_FOLDER in the environment is the model's folder.
"""

from __future__ import annotations

import importlib.util
import os

import mlflow.pyfunc
import mlflow.sklearn
import pandas as pd


def main() -> None:
    assert importlib.util.find_spec("dropml") is None
    folder = os.environ["MODEL_FOLDER"]
    rows = pd.DataFrame([[65, 800, "student"], [20, 0, "admin"]], columns=["age", "balance", "job"])
    assert list(mlflow.pyfunc.load_model(folder).predict(rows)) == ["yes", "no"]
    chances = mlflow.sklearn.load_model(folder).predict_proba(rows)
    assert chances.shape == (2, 2)
    print("passed")


if __name__ == "__main__":
    main()
