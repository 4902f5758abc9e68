"""Puts a tiny model library in the place of scorer, for tests of the endpoint's process.

Python imports this module at start when the folder is on PYTHONPATH, in the endpoint and in its child alike.
A model is a folder with MLmodel and tiny.json: the label is "yes" where the first column is above
`threshold`. Knobs: `delay` (seconds a row takes), `parity`, `no_compiled`, `terminates` (reading the compiled form ends the
process), `broken`, `load_seconds`, `dies_at` (a value that ends the process), `raises_at`, `suffix` and
`wide` (appended to labels). Who loaded what is noted in loads.txt beside the folder.
"""

import json
import os
import sys
import time
import types
from pathlib import Path
from typing import Any


class SignatureError(ValueError):
    """The input does not fit the model's signature."""


class TinyScorer:
    def __init__(self, knobs: dict[str, Any], form: str) -> None:
        self.knobs = knobs
        self.form = form
        self.columns = ["age", "job"]
        self.types = {"age": "long", "job": "string"}
        self.labels = ["no", "yes"]

    def predict(self, columns: list[str], data: list[list[Any]]) -> list[Any]:
        knobs = self.knobs
        missing = [column for column in self.columns if column not in columns]
        if missing:
            raise SignatureError(f"Model is missing inputs {missing}.")
        place = columns.index("age")
        if knobs.get("delay"):
            time.sleep(knobs["delay"] * len(data))
        labels: list[Any] = []
        for row in data:
            value = row[place]
            if isinstance(value, str):
                raise SignatureError("Incompatible input types for column age. Can not safely convert object")
            if value is not None and value == knobs.get("dies_at"):
                os._exit(3)
            if value is not None and value == knobs.get("raises_at"):
                raise ValueError(f"secret row {row}")
            label = "yes" if (value or 0) > knobs["threshold"] else "no"
            labels.append(label + knobs.get("suffix", "") + (knobs.get("wide", 0) * "x"))
        return labels

    def predict_proba(self, columns: list[str], data: list[list[Any]]) -> list[Any]:
        return [[0.0, 1.0] if label == "yes" else [1.0, 0.0] for label in self.predict(columns, data)]


def _knobs(model_dir: Path) -> dict[str, Any]:
    knobs: dict[str, Any] = json.loads((Path(model_dir) / "tiny.json").read_text())
    return knobs


def load(model_dir: Path, form: str) -> TinyScorer:
    knobs = _knobs(model_dir)
    time.sleep(knobs.get("load_seconds", 0))
    if knobs.get("broken"):
        raise OSError("model.pkl is truncated")
    if form == "compiled" and knobs.get("no_compiled"):
        raise FileNotFoundError("dropml/ is absent")
    if form == "compiled" and knobs.get("terminates"):
        os.abort()
    with (Path(model_dir).parent / "loads.txt").open("a") as notes:
        notes.write(f"{Path(model_dir).name} {form} {os.getpid()}\n")
    return TinyScorer(knobs, form)


def check_parity(model_dir: Path) -> float:
    knobs = _knobs(model_dir)
    if knobs.get("broken"):
        raise OSError("model.pkl is truncated")
    if knobs.get("no_compiled"):
        raise FileNotFoundError("dropml/ is absent")
    if knobs.get("terminates"):
        os.abort()
    with (Path(model_dir).parent / "loads.txt").open("a") as notes:
        notes.write(f"{Path(model_dir).name} parity {os.getpid()}\n")
    return float(knobs.get("parity", 1e-9))


module = types.ModuleType("scorer")
vars(module).update(PARITY_LIMIT=1e-6, SignatureError=SignatureError, load=load, check_parity=check_parity)
sys.modules["scorer"] = module
