"""The artifacts of a run: their list, and each as a file."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from dropml.azureml.core.arm import reply
from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.runs import Runs
from dropml.azureml.tracking.mlflow_shapes import MlflowError, asked, guarded, run_shape


class Artifacts:
    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    async def all(self, request: Request) -> Response:
        run, path = asked(self._runs, request), request.query_params.get("path", "")
        base = self._runs.artifacts(run)
        folder = _inside(base, path)
        files = []
        if folder.is_dir():
            # A job's folder also holds its inputs and the engine's files, which are no artifacts.
            hidden = folder == base.resolve() and run["type"] != "Trial"
            for item in sorted(folder.iterdir()):
                if hidden and item.name not in ("outputs", "user_logs"):
                    continue
                entry: Doc = {"path": item.relative_to(base.resolve()).as_posix(), "is_dir": item.is_dir()}
                if item.is_file():
                    entry["file_size"] = item.stat().st_size
                files.append(entry)
        return reply({"root_uri": run_shape(self._runs, run)["info"]["artifact_uri"], "files": files})

    async def get(self, request: Request) -> Response:
        """One file, as MLflow's `get-artifact` gives it."""
        run, path = asked(self._runs, request), request.query_params.get("path", "")
        file = _inside(self._runs.artifacts(run), path)
        if not file.is_file():
            raise MlflowError(404, "RESOURCE_DOES_NOT_EXIST", f"The run has no artifact '{path}'.")
        return FileResponse(file, media_type="application/octet-stream")

    def routes(self) -> list[Route]:
        base = "/mlflow/api/2.0/mlflow"
        return [
            Route(f"{base}/artifacts/list", guarded(self.all), methods=["GET"]),
            Route(f"{base}/get-artifact", guarded(self.get), methods=["GET"]),
        ]


def _inside(base: Path, path: str) -> Path:
    found = (base / path).resolve()
    if not found.is_relative_to(base.resolve()):
        raise MlflowError(400, "INVALID_PARAMETER_VALUE", f"Invalid path: {path}")
    return found
