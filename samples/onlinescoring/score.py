"""The entry script of samples/script_deployment.py: classes, and how sure the model is of each."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import joblib


class _Loaded:
    model: Any = None


def init() -> None:
    """Once, when the deployment's container starts. AZUREML_MODEL_DIR is the registered model's folder."""
    (file,) = Path(os.environ["AZUREML_MODEL_DIR"]).rglob("model.pkl")
    _Loaded.model = joblib.load(file)
    print(f"{type(_Loaded.model).__name__} is ready")  # in the deployment's log


def run(raw_data: str) -> dict[str, Any]:
    """For each request: `{"data": [[...], ...]}`."""
    rows = json.loads(raw_data)["data"]
    model = _Loaded.model
    return {
        "result": model.predict(rows).tolist(),
        "probabilities": model.predict_proba(rows).round(4).tolist(),
        "classes": model.classes_.tolist(),
    }
