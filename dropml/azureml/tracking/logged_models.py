"""MLflow 3's logged models: documents of their own, whose files are artifacts of the run that logged them.

https://mlflow.org/docs/latest/rest-api.html#create-logged-model
"""

from __future__ import annotations

import uuid

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.core.arm import reply
from dropml.azureml.core.fields import json_body
from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.runs import Runs
from dropml.azureml.tracking.mlflow_errors import Handler, MlflowError, guarded
from dropml.azureml.tracking.mlflow_shapes import find, run_shape

_KIND = "logged-model"
_PENDING = "LOGGED_MODEL_PENDING"


class LoggedModels:
    def __init__(self, runs: Runs) -> None:
        self._runs, self._store, self._clock = runs, runs.c.store, runs.c.clock

    def _find(self, request: Request) -> Doc:
        key = request.path_params["model"]
        model = self._store.get(_KIND, key)
        if model is None:
            raise MlflowError(404, "RESOURCE_DOES_NOT_EXIST", f"Logged model with ID '{key}' not found.")
        return model

    def _save(self, model: Doc) -> Response:
        model["modified"] = self._clock.now()
        self._store.put(_KIND, model["id"], model)
        return reply({"model": self._shape(model)})

    def _shape(self, model: Doc) -> Doc:
        uri = run_shape(self._runs, find(self._runs, model["run"]))["info"]["artifact_uri"]
        info = {
            "model_id": model["id"],
            "experiment_id": model["experiment"],
            "name": model["name"],
            "creation_timestamp_ms": int(model["created"] * 1000),
            "last_updated_timestamp_ms": int(model["modified"] * 1000),
            "artifact_uri": f"{uri}/{model['name']}",
            "status": model["status"],
            "model_type": model["type"],
            "source_run_id": model["run"],
            "tags": [{"key": k, "value": v} for k, v in model["tags"].items()],
        }
        return {
            "info": info,
            "data": {"params": [{"key": k, "value": v} for k, v in model["params"].items()]},
        }

    async def create(self, request: Request) -> Response:
        body = await json_body(request)
        if not body.get("source_run_id"):
            text = "A logged model needs the run that logs it: start a run first."
            raise MlflowError(400, "INVALID_PARAMETER_VALUE", text)
        run = find(self._runs, body["source_run_id"])
        identity = f"m-{uuid.uuid4().hex}"
        return self._save(
            {
                "id": identity,
                "name": body.get("name") or identity,
                "experiment": self._runs.experiment(run["experiment"])["id"],
                "run": run["name"],
                "type": body.get("model_type"),
                "status": _PENDING,
                "params": {p["key"]: p["value"] for p in body.get("params") or []},
                "tags": {t["key"]: t["value"] for t in body.get("tags") or []},
                "created": self._clock.now(),
            }
        )

    async def get(self, request: Request) -> Response:
        return reply({"model": self._shape(self._find(request))})

    async def finish(self, request: Request) -> Response:
        """Its files are there, or never will be."""
        model = self._find(request)
        return self._save(
            model | {"status": (await json_body(request)).get("status") or "LOGGED_MODEL_READY"}
        )

    async def params(self, request: Request) -> Response:
        model, body = self._find(request), await json_body(request)
        self._save(
            model | {"params": model["params"] | {p["key"]: p["value"] for p in body.get("params") or []}}
        )
        return reply({})

    async def tags(self, request: Request) -> Response:
        model, body = self._find(request), await json_body(request)
        return self._save(
            model | {"tags": model["tags"] | {t["key"]: t["value"] for t in body.get("tags") or []}}
        )

    async def delete_tag(self, request: Request) -> Response:
        model = self._find(request)
        model["tags"].pop(request.path_params["key"], None)
        self._save(model)
        return reply({})

    async def delete(self, request: Request) -> Response:
        self._store.delete(_KIND, self._find(request)["id"])
        return reply({})

    async def search(self, request: Request) -> Response:
        """Models of experiments, newest first; a filter by name or source run is MLflow's commonest."""
        body = await json_body(request)
        wanted = {str(e) for e in body.get("experiment_ids") or []}
        found = [m for _, _, m in self._store.find(_KIND) if not wanted or m["experiment"] in wanted]
        return reply({"models": [self._shape(m) for m in found[: int(body.get("max_results") or 100)]]})

    def routes(self) -> list[Route]:
        base, one = "/mlflow/api/2.0/mlflow/logged-models", "/{model}"
        table: list[tuple[str, Handler, str]] = [
            ("", self.create, "POST"),
            ("/search", self.search, "POST"),
            (one, self.get, "GET"),
            (one, self.finish, "PATCH"),
            (one, self.delete, "DELETE"),
            (f"{one}/params", self.params, "POST"),
            (f"{one}/tags", self.tags, "PATCH"),
            (f"{one}/tags/{{key}}", self.delete_tag, "DELETE"),
        ]
        return [Route(base + path, guarded(handler), methods=[verb]) for path, handler, verb in table]
