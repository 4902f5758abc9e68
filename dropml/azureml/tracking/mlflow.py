"""MLflow's tracking REST API over the runs: reads of runs and experiments.

https://mlflow.org/docs/latest/rest-api.html
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.core.arm import reply
from dropml.azureml.core.fields import json_body
from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.runs import Runs
from dropml.azureml.tracking.mlflow_errors import Handler, MlflowError, guarded
from dropml.azureml.tracking.mlflow_shapes import (
    asked,
    experiment_shape,
    metric_shape,
    run_shape,
)
from dropml.azureml.tracking.search import search, search_experiments


class Mlflow:
    def __init__(self, runs: Runs) -> None:
        self._runs, self._c = runs, runs.c

    async def get(self, request: Request) -> Response:
        return reply({"run": run_shape(self._runs, asked(self._runs, request))})

    async def metric_history(self, request: Request) -> Response:
        key = request.query_params.get("metric_key", "")
        values = asked(self._runs, request)["metrics"].get(key) or []
        return reply({"metrics": [metric_shape(key, v) for v in values]})

    async def search(self, request: Request) -> Response:
        body = await json_body(request)
        return reply(await asyncio.to_thread(search, self._runs, body))

    # -- experiments ---------------------------------------------------------------------------------------

    async def experiment(self, request: Request) -> Response:
        query = request.query_params
        for _, _, found in self._c.store.find("experiment"):
            if query.get("experiment_id") == found["id"] or query.get("experiment_name") == found["name"]:
                return reply({"experiment": experiment_shape(found)})
        asked = query.get("experiment_id") or query.get("experiment_name")
        raise MlflowError(404, "RESOURCE_DOES_NOT_EXIST", f"Could not find experiment {asked}")

    async def experiments(self, request: Request) -> Response:
        body = await json_body(request)
        if request.method == "GET":
            query = request.query_params
            body = dict(query) | {"order_by": query.getlist("order_by")}
        return reply(await asyncio.to_thread(search_experiments, self._runs, body))

    async def create_experiment(self, request: Request) -> Response:
        body = await json_body(request)
        name = body.get("name")
        if not name:
            raise MlflowError(400, "INVALID_PARAMETER_VALUE", "Missing value for required parameter 'name'.")
        if self._c.store.get("experiment", name):
            raise MlflowError(400, "RESOURCE_ALREADY_EXISTS", f"Experiment '{name}' already exists.")
        made = self._runs.experiment(name)
        if tags := {tag["key"]: tag["value"] for tag in body.get("tags") or []}:
            self._c.store.update("experiment", name, lambda found: found.update(tags=tags))
        return reply({"experiment_id": made["id"]})

    async def tag_experiment(self, request: Request) -> Response:
        body = await json_body(request)
        wanted = body.get("experiment_id")
        name = next((n for _, n, e in self._c.store.find("experiment") if e["id"] == wanted), None)
        if name is None:
            raise MlflowError(404, "RESOURCE_DOES_NOT_EXIST", f"Could not find experiment {wanted}")

        def apply(found: Doc) -> None:
            found["tags"] = (found.get("tags") or {}) | {str(body.get("key")): body.get("value")}
            found["modified"] = self._c.clock.now()

        self._c.store.update("experiment", name, apply)
        return reply({})

    def routes(self) -> list[Route]:
        base = "/mlflow/api/2.0/mlflow"
        table: list[tuple[str, Handler, str]] = [
            ("/runs/get", self.get, "GET"),
            ("/runs/search", self.search, "POST"),
            ("/metrics/get-history", self.metric_history, "GET"),
            ("/experiments/get", self.experiment, "GET"),
            ("/experiments/get-by-name", self.experiment, "GET"),
            ("/experiments/search", self.experiments, "POST"),
            ("/experiments/search", self.experiments, "GET"),
            ("/experiments/list", self.experiments, "GET"),
            ("/experiments/create", self.create_experiment, "POST"),
            ("/experiments/set-experiment-tag", self.tag_experiment, "POST"),
        ]
        return [Route(base + path, guarded(handler), methods=[verb]) for path, handler, verb in table]
