"""Runs, metrics and experiments in MLflow's words."""

from __future__ import annotations

import math
from typing import Any

from starlette.requests import Request

from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.runs import Runs
from dropml.azureml.tracking.mlflow_errors import MlflowError

_STATUS = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED", "NotStarted": "SCHEDULED"}
_STATUS |= {"Queued": "SCHEDULED", "Preparing": "SCHEDULED", "Starting": "SCHEDULED"}


def run_shape(runs: Runs, run: Doc) -> Doc:
    experiment = runs.experiment(run["experiment"])
    s = runs.c.settings
    artifacts = (
        f"azureml://localhost:{s.port}/artifact/v2.0{s.workspace_id}/experiments/{experiment['id']}"
        f"/runs/{run['name']}/artifacts"
    )
    info = {
        "run_id": run["name"],
        "run_uuid": run["name"],
        "run_name": run["display_name"],
        "experiment_id": experiment["id"],
        "user_id": "emulator",
        "status": _STATUS.get(run["status"], "RUNNING"),
        "start_time": _ms(run["start"] or run["created"]),
        "artifact_uri": artifacts,
        "lifecycle_stage": "deleted" if run["archived"] else "active",
    }
    if run["end"]:
        info["end_time"] = _ms(run["end"])
    metrics = [metric_shape(key, latest(values)) for key, values in run["metrics"].items() if values]
    data = {
        "tags": [{"key": k, "value": str(v)} for k, v in run_tags(run).items()],
        "metrics": metrics,
        "params": [{"key": k, "value": str(v)} for k, v in run["params"].items()],
    }
    shape: Doc = {"info": info, "data": data}
    if run.get("model_outputs"):
        shape["outputs"] = {"model_outputs": run["model_outputs"]}
    if run.get("dataset_inputs"):
        shape["inputs"] = {"dataset_inputs": run["dataset_inputs"]}
    return shape


def run_tags(run: Doc) -> dict[str, str]:
    tags = {"mlflow.user": "emulator", "mlflow.runName": run["display_name"]}
    tags["mlflow.rootRunId"] = run["root"]
    if run["parent"]:
        tags["mlflow.parentRunId"] = run["parent"]
    return {**tags, **run["tags"]}


def experiment_shape(found: Doc) -> Doc:
    return {
        "experiment_id": found["id"],
        "name": found["name"],
        "artifact_location": "",
        "lifecycle_stage": "active",
        "creation_time": _ms(found["created"]),
        "last_update_time": _ms(found.get("modified") or found["created"]),
        "tags": [{"key": k, "value": str(v)} for k, v in (found.get("tags") or {}).items()],
    }


def _ms(moment: float) -> int:
    return round(moment * 1000)


def latest(values: list[list[Any]]) -> list[Any]:
    """Of a metric's values the one that a run shows: of the largest step, then time, then value, as MLflow's stores do."""

    def rank(value: list[Any]) -> tuple[int, float, float]:
        number = float(value[0])
        return value[2], value[1] or 0, 0.0 if math.isnan(number) else number

    return max(values, key=rank)


def metric_shape(key: str, value: list[Any]) -> Doc:
    return {"key": key, "value": value[0], "timestamp": _ms(value[1] or 0), "step": value[2]}


def find(runs: Runs, name: str | None) -> Doc:
    if not name:
        raise MlflowError(400, "INVALID_PARAMETER_VALUE", "Missing value for required parameter 'run_id'.")
    run = runs.get(name)
    if run is None:
        raise MlflowError(404, "RESOURCE_DOES_NOT_EXIST", f"Run with id={name} not found")
    return run


def asked(runs: Runs, request: Request) -> Doc:
    query = request.query_params
    return find(runs, query.get("run_id") or query.get("run_uuid"))
