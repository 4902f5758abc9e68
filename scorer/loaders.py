"""Loading a model that scores DataFrames: through MLflow, or from its `model.pkl`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from scorer.folder import PICKLE
from scorer.frames import DTYPES, FrameModel
from scorer.signature import Signature


def load_mlflow(folder: Path) -> FrameModel:
    """Through MLflow, whose own check of the columns stays in force. Raises ImportError where MLflow is not installed."""
    import mlflow.exceptions
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(str(folder))
    try:
        estimator = model.get_raw_model()
    except (AttributeError, NotImplementedError):
        estimator = None
    signature, optional = declared(folder)
    return FrameModel(model.predict, estimator, signature, optional, (mlflow.exceptions.MlflowException,))


def load_pickle(folder: Path) -> FrameModel:
    """`model.pkl`, with the code that an MLflow model carries beside it, where there is any."""
    if (folder / "code").is_dir():
        sys.path.insert(0, str(folder / "code"))
    try:
        from joblib import load
    except ImportError:
        from pickle import load
    with (folder / PICKLE).open("rb") as file:
        model = load(file)  # noqa: S301 - the model that the deployment names
    if not callable(getattr(model, "predict", None)):
        raise TypeError(f"{folder / PICKLE} holds a {type(model).__name__}, which has no method predict.")
    signature, optional = declared(folder) if (folder / "MLmodel").is_file() else (None, frozenset())
    return FrameModel(model.predict, model, signature, optional)


def declared(folder: Path) -> tuple[Signature | None, frozenset[str]]:
    """The signature of an `MLmodel`, and the columns that may be left out; no signature for types other than columns'."""
    import yaml

    document = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    inputs = json.loads((document.get("signature") or {}).get("inputs") or "[]")
    if not inputs or not all(
        column.get("type") in {*DTYPES, "datetime"} and "name" in column for column in inputs
    ):
        return None, frozenset()
    types = {column["name"]: column["type"] for column in inputs}
    optional = frozenset(column["name"] for column in inputs if not column.get("required", True))
    return Signature(types), optional
