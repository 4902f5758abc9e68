"""The reference form: `model.pkl` on a DataFrame, as MLflow's own scoring would run it."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path
from typing import Any

from scorer.signature import Signature


def read_signature(model_dir: Path) -> Signature:
    """The input columns that `MLmodel` declares."""
    import yaml

    document = yaml.safe_load((model_dir / "MLmodel").read_text(encoding="utf-8"))
    inputs = json.loads(document["signature"]["inputs"])
    return Signature({column["name"]: column["type"] for column in inputs})


class ReferenceScorer:
    """Scores through the pickled pipeline; imports what it was trained with."""

    def __init__(self, model_dir: Path) -> None:
        import pandas as pd

        self._signature = read_signature(model_dir)
        self.types = self._signature.types
        self.columns = self._signature.columns
        with (model_dir / "model.pkl").open("rb") as file:
            self._pipeline = pickle.load(file)  # noqa: S301 - the model that the deployment names
        self.labels: list[Any] | None = self._pipeline.labels
        self.threshold: float | None = self._pipeline.threshold
        self._frame_type = pd.DataFrame

    def frame(self, rows: list[list[Any]]) -> Any:
        """Rows in the signature's order as a DataFrame; datetimes are seconds since 1970."""
        import numpy as np

        frame = self._frame_type(rows, columns=self.columns, dtype=object)
        for i, (name, kind) in enumerate(self.types.items()):
            if kind == "datetime":
                micros = np.array([math.nan if r[i] is None else r[i] for r in rows], dtype="float64") * 1e6
                stamps = np.full(len(rows), "NaT", dtype="datetime64[us]")
                known = ~np.isnan(micros)
                stamps[known] = np.round(micros[known]).astype("int64").astype("datetime64[us]")
                frame[name] = stamps
        return frame

    def scores(self, rows: list[list[Any]]) -> Any:
        """Probabilities (rows, labels), or (rows, 1); types are not checked."""
        frame = self.frame(rows)
        if self.labels is None:
            return self._pipeline.predict(frame).reshape(-1, 1)
        return self._pipeline.predict_proba(frame)

    def predict(self, columns: list[str], data: list[list[Any]]) -> list[Any]:
        rows = self._signature.rows(columns, data)
        return self._pipeline.predict(self.frame(rows)).tolist() if rows else []

    def predict_proba(self, columns: list[str], data: list[list[Any]]) -> list[list[float]]:
        if self.labels is None:
            raise TypeError("a regression model has no probabilities")
        rows = self._signature.rows(columns, data)
        return self._pipeline.predict_proba(self.frame(rows)).tolist() if rows else []
