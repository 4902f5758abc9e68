"""Models as MLflow saves those of scikit-learn, LightGBM and XGBoost."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import yaml

COLUMNS = ["a", "b"]
ROWS = [[0.0, 1.0], [1.0, 0.0], [0.2, 0.9], [0.9, 0.1]] * 10
LABELS = [0, 1, 0, 1] * 10
SIGNATURE = {"inputs": json.dumps([{"type": "double", "name": name, "required": True} for name in COLUMNS])}


def save(folder: Path, flavors: dict[str, Any], *, signature: bool = True) -> Path:
    """An MLmodel as MLflow writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {"flavors": flavors} | ({"signature": SIGNATURE} if signature else {})
    (folder / "MLmodel").write_text(yaml.safe_dump(document))
    return folder


def sklearn_model(folder: Path) -> Path:
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(
        pd.DataFrame(ROWS, columns=COLUMNS), ["yes" if label else "no" for label in LABELS]
    )
    save(
        folder,
        {
            "sklearn": {"pickled_model": "model.pkl", "serialization_format": "cloudpickle"},
            "python_function": {"loader_module": "mlflow.sklearn", "model_path": "model.pkl"},
        },
    )
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    return folder


def lightgbm_model(folder: Path) -> Path:
    import lightgbm
    import numpy as np

    data = lightgbm.Dataset(np.array(ROWS), LABELS, params={"verbosity": -1, "min_data_in_leaf": 2})
    booster = lightgbm.train({"objective": "binary", "verbosity": -1, "min_data_in_leaf": 2}, data, 5)
    flavors = {"lightgbm": {"data": "model.lgb", "model_class": "lightgbm.basic.Booster"}}
    save(folder, flavors, signature=False)
    booster.save_model(str(folder / "model.lgb"))
    return folder


def xgboost_model(folder: Path, kind: str) -> Path:
    import numpy as np
    import xgboost

    flavors = {"xgboost": {"data": "model.ubj", "model_class": f"xgboost.{kind}", "model_format": "ubj"}}
    save(folder, flavors, signature=False)
    if kind == "core.Booster":
        data = xgboost.DMatrix(np.array(ROWS), np.array(LABELS))
        xgboost.train({"objective": "binary:logistic"}, data, 5).save_model(folder / "model.ubj")
    else:
        xgboost.XGBClassifier(n_estimators=5).fit(np.array(ROWS), LABELS).save_model(folder / "model.ubj")
    return folder
