"""Writes the MLflow model folder: MLmodel, model.pkl, input example, environment, and the compiled form."""

from __future__ import annotations

import json
import pickle
import sys
import uuid
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from dropml.azureml.automl.data.table import Table
from dropml.azureml.automl.model.code import CODE, copy_code
from dropml.azureml.automl.model.compile import NotCompilableError, compile_pipeline
from dropml.azureml.automl.model.pipeline import AutoMLPipeline
from dropml.azureml.automl.model.run_files import write_run_files
from scorer import PARITY_LIMIT, check_parity

EXAMPLE_ROWS = 5
PARITY_ROWS = 200
MEAN_ROWS = 1_000
MLFLOW_VERSION = "3.1.0"  # of the format written here
PANDAS_VERSION = (
    "2.3.3"  # MLflow installs with no pandas 3, whose texts its signatures refuse; the model reads both
)


def save_best(pipeline: AutoMLPipeline, example: Table, folder: Path, run_id: str) -> None:
    """Save `pipeline` into `folder` in both forms; `dropml/form.json` tells which is to serve, why, and the parity."""
    _save_reference(pipeline, example, folder, run_id)
    _save_compiled(pipeline, example, folder)


def save_other(pipeline: AutoMLPipeline, example: Table, folder: Path, run_id: str) -> None:
    """Save a model that is not the job's best: compiling and checking every trial's would cost it its time."""
    _save_reference(pipeline, example, folder, run_id)
    _write_form(
        folder, {"form": "reference", "reason": "only the best model of a job is compiled", "parity": None}
    )


def _save_reference(pipeline: AutoMLPipeline, example: Table, folder: Path, run_id: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "model.pkl").open("wb") as file:
        pickle.dump(pipeline, file, protocol=5)
    _write_example(example.take(np.arange(min(EXAMPLE_ROWS, len(example)))), folder)
    copy_code(folder)
    write_run_files(folder.parent, _write_environment(folder))
    (folder / "MLmodel").write_text(
        yaml.safe_dump(_mlmodel(pipeline, run_id), sort_keys=False), encoding="utf-8"
    )


def _write_form(folder: Path, status: dict[str, Any]) -> None:
    (folder / "dropml").mkdir(exist_ok=True)
    (folder / "dropml" / "form.json").write_text(json.dumps(status), encoding="utf-8")


def _save_compiled(pipeline: AutoMLPipeline, example: Table, folder: Path) -> None:
    compiled = folder / "dropml"
    compiled.mkdir(exist_ok=True)
    (compiled / "form.json").unlink(missing_ok=True)  # what a trial said of its own model
    rows = example.take(np.arange(min(PARITY_ROWS, len(example))))
    parity_rows = {"columns": rows.names, "data": _rows(rows) + _odd_rows(rows)}
    (compiled / "parity.json").write_text(json.dumps(parity_rows), encoding="utf-8")
    status: dict[str, Any] = {"form": "compiled", "reason": None, "parity": None}
    try:
        compile_pipeline(pipeline, compiled, example.take(np.arange(min(MEAN_ROWS, len(example)))))
        status["parity"] = check_parity(folder)
        if status["parity"] > PARITY_LIMIT:
            status.update(form="reference", reason=f"the compiled form differs by {status['parity']:.2e}")
    except NotCompilableError as error:
        status.update(form="reference", reason=f"no compiled form for {error}")
    _write_form(folder, status)


def _rows(table: Table) -> list[list[Any]]:
    columns = [c.python_values() for c in table.columns.values()]
    return [list(row) for row in zip(*columns, strict=True)]


def _odd_rows(table: Table) -> list[list[Any]]:
    """Rows with a missing value, then an unseen one, in each column in turn."""
    rows = _rows(table)
    odd: list[list[Any]] = []
    strange = {"long": -987654321, "double": 1e12, "string": "never seen before", "boolean": True}
    for i, column in enumerate(table.columns.values()):
        base = rows[i % len(rows)]
        odd.append([*base[:i], None, *base[i + 1 :]])
        value = strange.get(column.type, "2199-12-31T23:59:59")
        odd.append([*base[:i], value, *base[i + 1 :]])
    odd.append([None] * len(table.columns))
    return odd


def _mlmodel(pipeline: AutoMLPipeline, run_id: str) -> dict[str, Any]:
    inputs = [{"type": kind, "name": name, "required": True} for name, kind in pipeline.types.items()]
    dtype = "float64" if pipeline.labels is None else np.array(pipeline.labels).dtype
    output = {"type": "tensor", "tensor-spec": {"dtype": _dtype_name(dtype), "shape": [-1]}}
    environment = {"conda": "conda.yaml", "virtualenv": "python_env.yaml"}
    return {
        "artifact_path": "outputs/mlflow-model",
        "flavors": {
            "python_function": {
                "code": CODE,
                "env": environment,
                "loader_module": "mlflow.sklearn",
                "model_path": "model.pkl",
                "predict_fn": "predict",
                "python_version": _python(),
            },
            "sklearn": {
                "code": CODE,
                "pickled_model": "model.pkl",
                "serialization_format": "cloudpickle",
                "sklearn_version": version("scikit-learn"),
            },
        },
        "mlflow_version": MLFLOW_VERSION,
        "model_uuid": uuid.uuid4().hex,
        "run_id": run_id,
        "saved_input_example_info": {
            "artifact_path": "input_example.json",
            "pandas_orient": "split",
            "type": "dataframe",
        },
        "signature": {"inputs": json.dumps(inputs), "outputs": json.dumps([output])},
        "utc_time_created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
    }


def _dtype_name(dtype: Any) -> str:
    kind = np.dtype(dtype).kind
    return {"i": "int64", "f": "float64", "b": "bool"}.get(kind, "object")


def _write_example(example: Table, folder: Path) -> None:
    document = {"columns": example.names, "index": list(range(len(example))), "data": _rows(example)}
    (folder / "input_example.json").write_text(json.dumps(document), encoding="utf-8")


def _python() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def _write_environment(folder: Path) -> dict[str, Any]:
    packages = [f"{p}=={version(p)}" for p in ("numpy", "scikit-learn", "lightgbm", "xgboost-cpu")]
    packages = [f"mlflow=={MLFLOW_VERSION}", f"pandas=={PANDAS_VERSION}", *packages]
    (folder / "requirements.txt").write_text("\n".join(packages) + "\n", encoding="utf-8")
    python_env = {"python": _python(), "build_dependencies": ["pip"], "dependencies": ["-r requirements.txt"]}
    (folder / "python_env.yaml").write_text(yaml.safe_dump(python_env, sort_keys=False), encoding="utf-8")
    conda = {
        "channels": ["conda-forge"],
        "dependencies": [f"python={_python()}", "pip", {"pip": packages}],
        "name": "mlflow-env",
    }
    (folder / "conda.yaml").write_text(yaml.safe_dump(conda, sort_keys=False), encoding="utf-8")
    return conda
