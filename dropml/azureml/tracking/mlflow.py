"""MLflow's tracking REST API over the runs: reads of any run, writes of jobs that log.

https://mlflow.org/docs/latest/rest-api.html
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from dropml.azureml.core.arm import reply
from dropml.azureml.core.fields import json_body
from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.runs import TERMINAL, Runs

_STATUS = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED", "NotStarted": "SCHEDULED"}
_STATUS |= {"Queued": "SCHEDULED", "Preparing": "SCHEDULED", "Starting": "SCHEDULED"}
_BACK = {"FINISHED": "Completed", "FAILED": "Failed", "KILLED": "Canceled", "RUNNING": "Running"}
#: `metrics.AUC_weighted > 0.9 and tags.x = 'y'`: the comparisons of MLflow's search syntax.
_TERM = re.compile(
    r"""^\s*(metrics?|tags?|params?|parameters?|attributes?)\.[`"]?([^`"=<>!]+?)[`"]?\s*(!=|>=|<=|=|>|<)\s*(.+?)\s*$"""
)


class MlflowError(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


Handler = Callable[[Request], Awaitable[Response]]


def _guarded(handler: Handler) -> Handler:
    async def call(request: Request) -> Response:
        try:
            return await handler(request)
        except MlflowError as error:
            return reply({"error_code": error.code, "message": str(error)}, error.status)

    return call


class Mlflow:
    def __init__(self, runs: Runs) -> None:
        self._runs, self._c = runs, runs.c

    # -- shapes --------------------------------------------------------------------------------------------

    def _run(self, run: Doc) -> Doc:
        experiment = self._runs.experiment(run["experiment"])
        s = self._c.settings
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
        metrics = [_metric(key, values[-1]) for key, values in run["metrics"].items() if values]
        data = {
            "tags": [{"key": k, "value": str(v)} for k, v in self._tags(run).items()],
            "metrics": metrics,
            "params": [{"key": k, "value": str(v)} for k, v in run["params"].items()],
        }
        return {"info": info, "data": data}

    @staticmethod
    def _tags(run: Doc) -> dict[str, str]:
        tags = {"mlflow.user": "emulator", "mlflow.runName": run["display_name"]}
        tags["mlflow.rootRunId"] = run["root"]
        if run["parent"]:
            tags["mlflow.parentRunId"] = run["parent"]
        return {**tags, **run["tags"]}

    def _experiment(self, found: Doc) -> Doc:
        moment = _ms(found["created"])
        return {
            "experiment_id": found["id"],
            "name": found["name"],
            "artifact_location": "",
            "lifecycle_stage": "active",
            "creation_time": moment,
            "last_update_time": moment,
            "tags": [],
        }

    # -- lookups -------------------------------------------------------------------------------------------

    def _find(self, name: str | None) -> Doc:
        if not name:
            raise MlflowError(
                400, "INVALID_PARAMETER_VALUE", "Missing value for required parameter 'run_id'."
            )
        run = self._runs.get(name)
        if run is None:
            raise MlflowError(404, "RESOURCE_DOES_NOT_EXIST", f"Run with id={name} not found")
        return run

    def _asked(self, request: Request) -> Doc:
        query = request.query_params
        return self._find(query.get("run_id") or query.get("run_uuid"))

    async def get(self, request: Request) -> Response:
        return reply({"run": self._run(self._asked(request))})

    async def metric_history(self, request: Request) -> Response:
        key = request.query_params.get("metric_key", "")
        values = self._asked(request)["metrics"].get(key) or []
        return reply({"metrics": [_metric(key, v) for v in values]})

    async def artifacts(self, request: Request) -> Response:
        run, path = self._asked(request), request.query_params.get("path", "")
        base = self._runs.artifacts(run)
        folder = self._inside(base, path)
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
        return reply({"root_uri": self._run(run)["info"]["artifact_uri"], "files": files})

    async def artifact(self, request: Request) -> Response:
        """One file, as MLflow's `get-artifact` gives it."""
        run, path = self._asked(request), request.query_params.get("path", "")
        file = self._inside(self._runs.artifacts(run), path)
        if not file.is_file():
            raise MlflowError(404, "RESOURCE_DOES_NOT_EXIST", f"The run has no artifact '{path}'.")
        return FileResponse(file, media_type="application/octet-stream")

    @staticmethod
    def _inside(base: Path, path: str) -> Path:
        found = (base / path).resolve()
        if not found.is_relative_to(base.resolve()):
            raise MlflowError(400, "INVALID_PARAMETER_VALUE", f"Invalid path: {path}")
        return found

    async def search(self, request: Request) -> Response:
        body = await json_body(request)
        return reply(await asyncio.to_thread(self._search, body))

    def _search(self, body: Doc) -> Doc:
        wanted = set(body.get("experiment_ids") or [])
        names = {e["name"] for _, _, e in self._c.store.find("experiment") if not wanted or e["id"] in wanted}
        limit = int(body.get("max_results") or 1000)
        terms = _terms(body.get("filter") or body.get("filter_string") or "")
        token = body.get("page_token")
        found: list[Doc] = []
        before = int(token) if token else None
        while len(found) < limit:
            rows = self._c.store.find("run", before=before, limit=500)
            if not rows:
                before = None
                break
            for seq, _, run in rows:
                before = seq
                if run["experiment"] in names and all(self._holds(run, *t) for t in terms):
                    found.append(self._run(run))
                    if len(found) == limit:
                        break
        answer: Doc = {"runs": found}
        if before is not None and len(found) == limit:
            answer["next_page_token"] = str(before)
        return answer

    def _holds(self, run: Doc, kind: str, key: str, operator: str, wanted: str) -> bool:
        if kind == "metric":
            values = run["metrics"].get(key)
            return bool(values) and _compare(float(values[-1][0]), operator, float(wanted))
        if kind == "attribute":
            info = self._run(run)["info"]
            names = {"run_name": "run_name", "status": "status", "run_id": "run_id"}
            return _compare(str(info.get(names.get(key, key))), operator, wanted)
        source = self._tags(run) if kind == "tag" else run["params"]
        return key in source and _compare(str(source[key]), operator, wanted)

    # -- experiments ---------------------------------------------------------------------------------------

    async def experiment(self, request: Request) -> Response:
        query = request.query_params
        for _, _, found in self._c.store.find("experiment"):
            if query.get("experiment_id") == found["id"] or query.get("experiment_name") == found["name"]:
                return reply({"experiment": self._experiment(found)})
        asked = query.get("experiment_id") or query.get("experiment_name")
        raise MlflowError(404, "RESOURCE_DOES_NOT_EXIST", f"Could not find experiment {asked}")

    async def experiments(self, _request: Request) -> Response:
        return reply({"experiments": [self._experiment(e) for _, _, e in self._c.store.find("experiment")]})

    async def create_experiment(self, request: Request) -> Response:
        name = (await json_body(request)).get("name")
        if not name:
            raise MlflowError(400, "INVALID_PARAMETER_VALUE", "Missing value for required parameter 'name'.")
        return reply({"experiment_id": self._runs.experiment(name)["id"]})

    # -- writes of a job that logs -------------------------------------------------------------------------

    async def log(self, request: Request) -> Response:
        """log-metric, log-parameter, set-tag, log-batch: all of them are parts of a batch."""
        body = await json_body(request)
        run = self._find(body.get("run_id") or body.get("run_uuid"))
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
        run = self._find(body.get("run_id") or body.get("run_uuid"))
        wanted = _BACK.get(str(body.get("status")))
        if body.get("run_name"):
            run = self._runs.change(run["name"], display_name=body["run_name"]) or run
        if run["type"] == "Tracked" and wanted:
            if wanted in TERMINAL:
                self._runs.finish(run["name"], wanted)
            else:
                self._runs.status(run["name"], wanted)
            run = self._runs.get(run["name"]) or run
        return reply({"run_info": self._run(run)["info"]})

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
        return reply({"run": self._run(self._find(name))})

    def routes(self) -> list[Route]:
        base = "/mlflow/api/2.0/mlflow"
        table: list[tuple[str, Handler, str]] = [
            ("/runs/get", self.get, "GET"),
            ("/runs/search", self.search, "POST"),
            ("/runs/create", self.create, "POST"),
            ("/runs/update", self.update, "POST"),
            ("/runs/{action}", self.log, "POST"),
            ("/metrics/get-history", self.metric_history, "GET"),
            ("/artifacts/list", self.artifacts, "GET"),
            ("/get-artifact", self.artifact, "GET"),
            ("/experiments/get", self.experiment, "GET"),
            ("/experiments/get-by-name", self.experiment, "GET"),
            ("/experiments/search", self.experiments, "POST"),
            ("/experiments/search", self.experiments, "GET"),
            ("/experiments/list", self.experiments, "GET"),
            ("/experiments/create", self.create_experiment, "POST"),
        ]
        return [Route(base + path, _guarded(handler), methods=[verb]) for path, handler, verb in table]


def _ms(moment: float) -> int:
    return int(moment * 1000)


def _metric(key: str, value: list[Any]) -> Doc:
    return {"key": key, "value": value[0], "timestamp": _ms(value[1] or 0), "step": value[2]}


def _terms(text: str) -> list[tuple[str, str, str, str]]:
    found = []
    for part in re.split(r"\s+and\s+", text.strip(), flags=re.IGNORECASE) if text.strip() else []:
        match = _TERM.match(part)
        if not match:
            raise MlflowError(400, "INVALID_PARAMETER_VALUE", f"Invalid clause in the filter: {part}")
        kind, key, operator, value = match.groups()
        kind = {"m": "metric", "t": "tag", "p": "param", "a": "attribute"}[kind[0]]
        found.append((kind, key.strip(), operator, value.strip("'\"")))
    return found


def _compare(left: Any, operator: str, right: Any) -> bool:
    holds: bool = {
        "=": left == right, "!=": left != right, ">": left > right, "<": left < right,
        ">=": left >= right, "<=": left <= right,
    }[operator]  # fmt: skip
    return holds
