"""The artifacts of a run: their list, and each as a file."""

from __future__ import annotations

import asyncio
from pathlib import PurePosixPath

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from dropml.azureml.core.arm import reply
from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.outputs import JobOutputs
from dropml.azureml.tracking.mlflow_errors import MlflowError, guarded
from dropml.azureml.tracking.mlflow_shapes import asked, run_shape


class Artifacts:
    def __init__(self, outputs: JobOutputs) -> None:
        self._outputs, self._runs = outputs, outputs.runs

    async def all(self, request: Request) -> Response:
        run, path = asked(self._runs, request), _checked(request.query_params.get("path", ""))
        prefix = f"{path}/" if path else ""
        found: dict[str, Doc] = {}
        for name, size in (await asyncio.to_thread(self._outputs.names, run)).items():
            if name.startswith(prefix):
                head, deeper, _ = name[len(prefix) :].partition("/")
                entry: Doc = {"path": prefix + head, "is_dir": bool(deeper)}
                if not deeper and size is not None:
                    entry["file_size"] = size
                found[head] = entry
        root = run_shape(self._runs, run)["info"]["artifact_uri"]
        return reply({"root_uri": root, "files": [found[name] for name in sorted(found)]})

    async def get(self, request: Request) -> Response:
        """One file, as MLflow's `get-artifact` gives it."""
        run, path = asked(self._runs, request), _checked(request.query_params.get("path", ""))
        if path not in await asyncio.to_thread(self._outputs.names, run):
            raise MlflowError(404, "RESOURCE_DOES_NOT_EXIST", f"The run has no artifact '{path}'.")
        file = await asyncio.to_thread(self._outputs.gathered, run, path) / path
        return FileResponse(file, media_type="application/octet-stream")

    def routes(self) -> list[Route]:
        base = "/mlflow/api/2.0/mlflow"
        return [
            Route(f"{base}/artifacts/list", guarded(self.all), methods=["GET"]),
            Route(f"{base}/get-artifact", guarded(self.get), methods=["GET"]),
        ]


def _checked(path: str) -> str:
    if path.startswith("/") or ".." in PurePosixPath(path).parts:
        raise MlflowError(400, "INVALID_PARAMETER_VALUE", f"Invalid path: {path}")
    return path.strip("/")
