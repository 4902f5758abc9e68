"""The ways in which a program names what a job has written."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dropml.azureml.workspace.datastores import ARTIFACTS, DEFAULT
from dropml.azureml.workspace.storage import DataError, datastore_path

DEFAULT_OUTPUT = "artifacts"
#: `paths/` may be left out, as in the documentation's `azureml://jobs/{job}/outputs/artifacts/outputs/mlflow-model/`.
_JOB = re.compile(r"^azureml://jobs/([^/]+)/outputs/([^/]+)(?:/paths)?(?:/(.*))?$")
_RUNS = re.compile(r"^runs:/([^/]+)/(.*)$")
#: How SDKs name a run's artifacts in the workspace's artifact store, with or without `paths/`.
_STORED = re.compile(
    rf"^azureml://(?:datastores/{ARTIFACTS}|artifacts)/(?:paths/)?ExperimentRun/dcid\.([^/]+)/?(.*)$"
)
_CONTAINER = re.compile(r"^ExperimentRun/dcid\.([^/]+)/?(.*)$")
_TRACKED = re.compile(r"^azureml://[^/]+/.*/experiments/[^/]+/runs/([^/]+)/artifacts/?(.*)$")
_FILLED = re.compile(r"\$\{\{\s*(name|output_name|default_datastore)\s*\}\}")
_ASSET = re.compile(
    r"^azureml://locations/[^/]+/workspaces/[^/]+/(?:data|models)/azureml_(.+)_output_data_(.+)/versions/1$"
)


@dataclass(frozen=True)
class OutputPath:
    """A path inside one output of a job; the output `artifacts` holds what a run logs."""

    job: str
    output: str
    path: str


def output_path(uri: str) -> OutputPath | None:
    """What a URI names of a job's output; None for a URI of another kind."""
    if found := _JOB.match(uri):
        job, output, path = found.groups()
        return OutputPath(job, DEFAULT_OUTPUT if output == "default" else output, (path or "").strip("/"))
    if found := _ASSET.match(uri):
        return OutputPath(found.group(1), found.group(2), "")
    for pattern in (_RUNS, _STORED, _TRACKED):
        if found := pattern.match(uri):
            return OutputPath(found.group(1), DEFAULT_OUTPUT, found.group(2).strip("/"))
    stored = datastore_path(uri)
    if stored and stored[0] == ARTIFACTS and (found := _CONTAINER.match(stored[1])):
        return OutputPath(found.group(1), DEFAULT_OUTPUT, found.group(2).strip("/"))
    return None


def chosen_place(uri: str, job: str, output: str) -> tuple[str, str]:
    """Datastore and path of an output's own `path`, its placeholders filled. Raises DataError.

    https://learn.microsoft.com/azure/machine-learning/how-to-manage-inputs-outputs-pipeline#path-for-outputs
    """
    values = {"name": job, "output_name": output, "default_datastore": DEFAULT}
    filled = _FILLED.sub(lambda found: values[found.group(1)], uri)
    place = datastore_path(filled)
    if place is None:
        raise DataError(f"The output '{output}' can't be written to {uri}: a datastore's path is needed.")
    return place[0], place[1].rstrip("/")


def container(job: str) -> str:
    """The folder of a run's artifacts in the artifact store."""
    return f"ExperimentRun/dcid.{job}"


def asset_id(location: str, guid: str, job: str, output: str, *, model: bool) -> str:
    """The id of the asset that a job's named output becomes."""
    kind = "models" if model else "data"
    return f"azureml://locations/{location}/workspaces/{guid}/{kind}/azureml_{job}_output_data_{output}/versions/1"
