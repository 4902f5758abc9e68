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
from dropml.azureml.jobs.runs import Runs
from dropml.azureml.tracking.mlflow_errors import Handler, MlflowError, guarded
from dropml.azureml.tracking.mlflow_shapes import (
    asked,
    experiment_shape,
    metric_shape,
    run_shape,
)
from dropml.azureml.tracking.search import search


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

    async def experiments(self, _request: Request) -> Response:
        return reply({"experiments": [experiment_shape(e) for _, _, e in self._c.store.find("experiment")]})

    async def create_experiment(self, request: Request) -> Response:
        name = (await json_body(request)).get("name")
        if not name:
            raise MlflowError(400, "INVALID_PARAMETER_VALUE", "Missing value for required parameter 'name'.")
        if self._c.store.get("experiment", name):
            raise MlflowError(400, "RESOURCE_ALREADY_EXISTS", f"Experiment '{name}' already exists.")
        return reply({"experiment_id": self._runs.experiment(name)["id"]})

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
        ]
        return [Route(base + path, guarded(handler), methods=[verb]) for path, handler, verb in table]
