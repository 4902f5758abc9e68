"""An emulator that runs pipelines, and their components and nodes in few words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.emulator_support import STANDIN, WS, Emulator, emulator, upload_table

MLTABLE_ID = f"{WS}/data/bank/versions/1"
AUTOML_NODE = {
    "name": "train",
    "type": "automl",
    "task": "classification",
    "target_column_name": "y",
    "primary_metric": "auc_weighted",
    "training_data": "${{parent.inputs.train}}",
    "limits": {"max_trials": 2, "timeout_minutes": 1, "trial_timeout_minutes": 1},
    "properties": {"_standin.trials": "2"},
    "outputs": {"best_model": {"value": "${{parent.outputs.model}}", "type": "literal"}},
}


@contextmanager
def pipeline_emulator(folder: Path, azurite: str, container: str) -> Iterator[Emulator]:
    """Two nodes, the stand-in engine, and the data asset `bank`."""
    upload_table(azurite, container, "bank/train")
    options = ["--automl-command", STANDIN, "--datastore", f"data={container}", "--max-nodes", "2"]
    with emulator(folder, azurite, *options, "--operation-seconds", "0.1") as found:
        body = {"dataType": "mltable", "dataUri": "azureml://datastores/data/paths/bank/train"}
        assert found.arm("PUT", "/data/bank/versions/1", {"properties": body}).status_code == 201
        yield found


def command_component(running: Emulator, name: str, command: str, **spec: Any) -> str:
    spec = {"name": name, "version": "1", "type": "command", "command": command} | spec
    body = {
        "properties": {"componentSpec": spec | {"environment": "azureml:AzureML-any:1"}, "isAnonymous": False}
    }
    answer = running.arm("PUT", f"/components/{name}/versions/1", body)
    assert answer.status_code in (200, 201), answer.text
    return str(answer.json()["id"])


def pipeline_component(running: Emulator, name: str, jobs: dict[str, Any], inputs: dict[str, Any]) -> str:
    spec = {"name": name, "version": "1", "type": "pipeline", "jobs": jobs, "inputs": inputs}
    body = {"properties": {"componentSpec": spec, "isAnonymous": False}}
    answer = running.arm("PUT", f"/components/{name}/versions/1", body)
    assert answer.status_code in (200, 201), answer.text
    return str(answer.json()["id"])


def pipeline(jobs: dict[str, Any], inputs: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    settings = {"default_compute": f"{WS}/computes/cpu-cluster"} | more.pop("settings", {})
    own = {"jobType": "Pipeline", "jobs": jobs, "inputs": inputs or {}, "settings": settings}
    return {"properties": own | more}


def node(component: str, **inputs: str) -> dict[str, Any]:
    bound = {k: {"job_input_type": "literal", "value": v} for k, v in inputs.items()}
    return {"type": "command", "componentId": component, "inputs": bound}


def children(running: Emulator, job: str) -> dict[str, dict[str, Any]]:
    return {c["name"]: c for c in running.history(f"runs/{job}/children")["value"]}


def log_of(running: Emulator, run: str) -> str:
    return (running.folder / "jobs" / run / "user_logs" / "std_log.txt").read_text()
