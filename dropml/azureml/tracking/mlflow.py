"""MLflow's tracking REST API over the runs: reads of any run, writes of jobs that log.

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
from dropml.azureml.jobs.runs import TERMINAL, Runs
from dropml.azureml.tracking.mlflow_shapes import (
    Handler,
    MlflowError,
    asked,
    experiment_shape,
    find,
    guarded,
    metric_shape,
    run_shape,
)
from dropml.azureml.tracking.search import search

_BACK = {"FINISHED": "Completed", "FAILED": "Failed", "KILLED": "Canceled", "RUNNING": "Running"}


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
        return reply({"experiment_id": self._runs.experiment(name)["id"]})

    # -- writes of a job that logs -------------------------------------------------------------------------

    async def log(self, request: Request) -> Response:
        """log-metric, log-parameter, set-tag, log-batch: all of them are parts of a batch."""
        body = await json_body(request)
        run = find(self._runs, body.get("run_id") or body.get("run_uuid"))
        action = request.path_params["action"]
        if action == "log-metric":
            body = {"metrics": [body]}
        elif action == "log-parameter":
            body = {"params": [body]}
        elif action == "set-tag":
            body = {"tags": [body]}
        elif action != "log-batch":
            raise MlflowError(404, "ENDPOINT_NOT_FOUND", f"runs/{action} is not supported.")

        def apply(found: Doc) -> None:
            for m in body.get("metrics") or []:
                value = [float(m["value"]), float(m.get("timestamp") or 0) / 1000, int(m.get("step") or 0)]
                found["metrics"].setdefault(m["key"], []).append(value)
            found["params"] |= {p["key"]: p["value"] for p in body.get("params") or []}
            found["tags"] |= {t["key"]: t["value"] for t in body.get("tags") or []}

        self._runs.edit(run["name"], apply)
        return reply({})

    async def update(self, request: Request) -> Response:
        """A run's own job decides its status; only the name is taken over."""
        body = await json_body(request)
        run = find(self._runs, body.get("run_id") or body.get("run_uuid"))
        wanted = _BACK.get(str(body.get("status")))
        if body.get("run_name"):
            run = self._runs.change(run["name"], display_name=body["run_name"]) or run
        if run["type"] == "Tracked" and wanted:
            if wanted in TERMINAL:
                self._runs.finish(run["name"], wanted)
            else:
                self._runs.status(run["name"], wanted)
            run = self._runs.get(run["name"]) or run
        return reply({"run_info": run_shape(self._runs, run)["info"]})

    async def create(self, request: Request) -> Response:
        """A run that a script tracks without a job."""
        body = await json_body(request)
        wanted = body.get("experiment_id")
        names = [e["name"] for _, _, e in self._c.store.find("experiment") if e["id"] == wanted]
        if not names:
            raise MlflowError(404, "RESOURCE_DOES_NOT_EXIST", f"No Experiment with id={wanted} exists")
        tags = {t["key"]: t["value"] for t in body.get("tags") or []}
        parent = self._runs.get(tags.get("mlflow.parentRunId", ""))
        run_id = self._c.store.meta_once("mlflow.next", lambda: "0")
        self._c.store.set_meta("mlflow.next", str(int(run_id) + 1))
        name = f"tracked_{self._c.guid[:8]}_{run_id}"
        properties = {"displayName": body.get("run_name") or name, "experimentName": names[0], "tags": tags}
        self._runs.create(name, "Tracked", properties, parent=parent)
        self._runs.status(name, "Running")
        return reply({"run": run_shape(self._runs, find(self._runs, name))})

    def routes(self) -> list[Route]:
        base = "/mlflow/api/2.0/mlflow"
        table: list[tuple[str, Handler, str]] = [
            ("/runs/get", self.get, "GET"),
            ("/runs/search", self.search, "POST"),
            ("/runs/create", self.create, "POST"),
            ("/runs/update", self.update, "POST"),
            ("/runs/{action}", self.log, "POST"),
            ("/metrics/get-history", self.metric_history, "GET"),
            ("/experiments/get", self.experiment, "GET"),
            ("/experiments/get-by-name", self.experiment, "GET"),
            ("/experiments/search", self.experiments, "POST"),
            ("/experiments/search", self.experiments, "GET"),
            ("/experiments/list", self.experiments, "GET"),
            ("/experiments/create", self.create_experiment, "POST"),
        ]
        return [Route(base + path, guarded(handler), methods=[verb]) for path, handler, verb in table]
