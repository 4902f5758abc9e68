"""MLflow's writes: runs that a script or a job tracks, what they log, and their end.

https://mlflow.org/docs/latest/rest-api.html
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.core.arm import reply
from dropml.azureml.core.fields import json_body
from dropml.azureml.core.numbers import worded
from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.runs import TERMINAL, TRACKED, Runs
from dropml.azureml.tracking.mlflow_errors import Handler, MlflowError, guarded
from dropml.azureml.tracking.mlflow_shapes import find, run_shape

_BACK = {"FINISHED": "Completed", "FAILED": "Failed", "KILLED": "Canceled", "RUNNING": "Running"}
_HISTORY = "mlflow.log-model.history"


class MlflowWrites:
    def __init__(self, runs: Runs) -> None:
        self._runs, self._c = runs, runs.c

    async def _asked(self, request: Request) -> tuple[Doc, Doc]:
        body = await json_body(request)
        return find(self._runs, body.get("run_id") or body.get("run_uuid")), body

    async def create(self, request: Request) -> Response:
        """A run that a script tracks without a job."""
        body = await json_body(request)
        wanted = body.get("experiment_id")
        names = [e["name"] for _, _, e in self._c.store.find("experiment") if e["id"] == wanted]
        if not names:
            raise MlflowError(404, "RESOURCE_DOES_NOT_EXIST", f"No Experiment with id={wanted} exists")
        tags = {t["key"]: t["value"] for t in body.get("tags") or []}
        parent = self._runs.get(tags.get("mlflow.parentRunId", ""))
        name = str(uuid.uuid4())
        properties = {"displayName": body.get("run_name") or name, "experimentName": names[0], "tags": tags}
        self._runs.create(name, TRACKED, properties, parent=parent)
        self._runs.status(name, "Running")
        return reply({"run": run_shape(self._runs, find(self._runs, name))})

    async def update(self, request: Request) -> Response:
        """A run's own job decides its status; only the name is taken over."""
        run, body = await self._asked(request)
        wanted = _BACK.get(str(body.get("status")))
        if body.get("run_name"):
            run = self._runs.change(run["name"], display_name=body["run_name"]) or run
        if run["type"] == TRACKED and wanted:
            if wanted in TERMINAL:
                self._runs.finish(run["name"], wanted)
            else:
                self._runs.status(run["name"], wanted)
            run = self._runs.get(run["name"]) or run
        return reply({"run_info": run_shape(self._runs, run)["info"]})

    async def log(self, request: Request) -> Response:
        """log-metric, log-parameter, set-tag, log-batch: all of them are parts of a batch."""
        run, body = await self._asked(request)
        parts = {"log-metric": "metrics", "log-parameter": "params", "set-tag": "tags"}
        if part := parts.get(request.path_params["action"]):
            body = {part: [body]}
        elif request.path_params["action"] not in ("log-batch", "log-batch-async"):
            action = request.path_params["action"]
            raise MlflowError(404, "ENDPOINT_NOT_FOUND", f"runs/{action} is not supported.")
        for param in body.get("params") or []:
            before = run["params"].get(param["key"], param["value"])
            if before != param["value"]:
                text = (
                    f"Changing param values is not allowed. Param with key='{param['key']}' was '{before}'."
                )
                raise MlflowError(400, "INVALID_PARAMETER_VALUE", text)

        metrics = [_metric(m) for m in body.get("metrics") or []]

        def apply(found: Doc) -> None:
            for key, value in metrics:
                found["metrics"].setdefault(key, []).append(value)
            found["params"] |= {p["key"]: p["value"] for p in body.get("params") or []}
            found["tags"] |= {t["key"]: t["value"] for t in body.get("tags") or []}

        self._runs.edit(run["name"], apply)
        return reply({})

    async def delete_tag(self, request: Request) -> Response:
        run, body = await self._asked(request)
        key = body.get("key")
        if key not in run["tags"]:
            raise MlflowError(
                404, "RESOURCE_DOES_NOT_EXIST", f"No tag with name: {key} in run with id {run['name']}"
            )
        self._runs.edit(run["name"], lambda found: found["tags"].pop(key, None))
        return reply({})

    async def delete(self, request: Request) -> Response:
        """The run leaves the active view; `runs/restore` brings it back."""
        run, _ = await self._asked(request)
        self._runs.change(run["name"], archived=True)
        return reply({})

    async def restore(self, request: Request) -> Response:
        run, _ = await self._asked(request)
        self._runs.change(run["name"], archived=False)
        return reply({})

    async def log_model(self, request: Request) -> Response:
        """The model's description joins the tag in which MLflow keeps a run's models."""
        run, body = await self._asked(request)
        try:
            model = json.loads(body.get("model_json") or "")
        except (ValueError, TypeError, RecursionError):
            raise MlflowError(
                400, "INVALID_PARAMETER_VALUE", "Malformed model info: it is no JSON."
            ) from None

        def apply(found: Doc) -> None:
            found["tags"][_HISTORY] = json.dumps([*json.loads(found["tags"].get(_HISTORY, "[]")), model])

        self._runs.edit(run["name"], apply)
        return reply({})

    async def log_inputs(self, request: Request) -> Response:
        return await self._append(request, "datasets", "dataset_inputs")

    async def log_outputs(self, request: Request) -> Response:
        return await self._append(request, "models", "model_outputs")

    async def _append(self, request: Request, source: str, target: str) -> Response:
        run, body = await self._asked(request)
        new = body.get(source) or []
        self._runs.edit(run["name"], lambda found: found.update({target: [*(found.get(target) or []), *new]}))
        return reply({})

    def routes(self) -> list[Route]:
        base = "/mlflow/api/2.0/mlflow/runs"
        table: dict[str, Handler] = {
            "create": self.create,
            "update": self.update,
            "delete": self.delete,
            "restore": self.restore,
            "delete-tag": self.delete_tag,
            "log-model": self.log_model,
            "log-inputs": self.log_inputs,
            "outputs": self.log_outputs,
            "{action}": self.log,
        }
        return [
            Route(f"{base}/{path}", guarded(handler), methods=["POST"]) for path, handler in table.items()
        ]


def _metric(given: Doc) -> tuple[str, list[Any]]:
    """Key, and value, moment and step; a value without a JSON notation is kept as protobuf's word, as it came."""
    try:
        value, moment = float(given["value"]), int(given.get("timestamp") or 0) / 1000
        return given["key"], [worded(value), moment, int(given.get("step") or 0)]
    except KeyError as error:
        text = f"Missing value for required parameter {error}."
    except (TypeError, ValueError) as error:
        text = f"Invalid value for the metric '{given.get('key')}': {error}."
    raise MlflowError(400, "INVALID_PARAMETER_VALUE", text)
