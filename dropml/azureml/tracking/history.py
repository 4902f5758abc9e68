"""Run history v1.0: what azure-ai-ml reads of child runs, and the PATCH of its job updates."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dropml.azureml.core.arm import ArmError, bad_request, not_found, reply
from dropml.azureml.core.clock import stamp
from dropml.azureml.core.fields import json_body
from dropml.azureml.core.loops import contained
from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.outputs import JobOutputs
from dropml.azureml.jobs.runs import BUILD_LOG, STD_LOG, TERMINAL
from dropml.common.logs import tail

_TYPES = {"AutoML": "automl", "Pipeline": "azureml.PipelineRun", "Command": "azureml.StepRun"}

#: A run's logs by the last part of their paths.
_LOGS = {path.rpartition("/")[2]: path for path in (STD_LOG, BUILD_LOG)}

#: What run history has fields for, and the emulator nothing to say about.
_EMPTY: Doc = {
    "token": None,
    "tokenExpiryTimeUtc": None,
    "warnings": None,
    "revision": 1,
    "statusRevision": 1,
    "lastStartTimeUtc": None,
    "currentComputeTime": None,
    "computeDuration": None,
    "effectiveStartTimeUtc": None,
    "duration": None,
    "cancelationReason": None,
    "hidden": False,
    "runTypeV2": None,
    "actionUris": {},
    "scriptName": None,
    "uniqueChildRunComputeTargets": [],
    "settings": {},
    "services": {},
    "inputDatasets": [],
    "outputDatasets": [],
    "runDefinition": None,
    "jobSpecification": None,
    "primaryMetricName": None,
    "createdFrom": None,
    "cancelUri": None,
    "completeUri": None,
    "diagnosticsUri": None,
    "computeRequest": None,
    "retainForLifetimeOfWorkspace": False,
    "queueingInfo": None,
    "inputs": None,
}


class History:
    def __init__(self, outputs: JobOutputs) -> None:
        self._outputs, self._runs, self._c = outputs, outputs.runs, outputs.runs.c

    def shape(self, run: Doc) -> Doc:
        """A run as run history tells it."""
        experiment = self._runs.experiment(run["experiment"])
        parent = self._runs.get(run["parent"]) if run["parent"] else None
        root = self._runs.get(run["root"]) or run
        user = {"userObjectId": self._c.identity.principal, "userTenantId": self._c.identity.tenant}
        user |= {"userName": "emulator"}
        error = run["error"]
        return {
            **_EMPTY,
            "runNumber": int(run["created"] * 1000),
            "rootRunId": run["root"],
            "createdUtc": stamp(run["created"]),
            "createdBy": user,
            "userId": self._c.identity.principal,
            "error": {"error": {**error, "messageFormat": None, "details": []}} if error else None,
            "runUuid": run["uuid"],
            "parentRunUuid": parent["uuid"] if parent else None,
            "rootRunUuid": root["uuid"],
            "lastModifiedBy": user,
            "lastModifiedUtc": stamp(run["modified"]),
            "currentAttemptId": run["restarts"] + 1,
            "runId": run["name"],
            "parentRunId": run["parent"],
            "experimentId": experiment["id"],
            "status": run["status"],
            "startTimeUtc": stamp(run["start"]) if run["start"] else None,
            "endTimeUtc": stamp(run["end"]) if run["end"] else None,
            "scheduleId": run.get("schedule"),
            "displayName": run["display_name"],
            "name": run.get("node"),
            "dataContainerId": f"dcid.{run['name']}",
            "description": run["description"],
            "runType": _TYPES.get(run["type"], "azureml.scriptrun"),
            "properties": run["run_properties"],
            "parameters": run["params"],
            "target": self._target(run),
            "tags": run["tags"],
            "outputs": self._outputs.assets(run),
            "compute": {"target": self._target(run), "targetType": "amlcompute", "instanceCount": 1},
        }

    def _target(self, run: Doc) -> str | None:
        target = run["properties"].get("computeId")
        return self._c.arm_name(target, "computes") if target else None

    def _find(self, request: Request) -> Doc:
        name = request.path_params["run"]
        run = self._runs.get(name)
        if run is None:
            raise ArmError(
                404,
                f"Run {name} was not found.",
                inner=["NotFound", "ResourceNotFoundError", "RunNotFound"],
            )
        return run

    async def get(self, request: Request) -> Response:
        return reply(self.shape(self._find(request)))

    async def children(self, request: Request) -> Response:
        """Newest first, by pages: `continuationToken` and an absolute `nextLink` while more follow."""
        run = self._find(request)
        query = request.query_params
        try:
            top = max(1, int(query.get("$top", 500)))
            token = query.get("$continuationToken") or query.get("$continuationtoken")
            before = int(token) if token else None
        except ValueError:
            raise bad_request("$top and $continuationToken must be whole numbers.") from None
        rows = self._c.store.find("run", parent=run["name"], before=before, limit=top + 1)
        more = str(rows[top - 1][0]) if len(rows) > top else None
        link = None
        if more:
            path = request.scope["original_path"]
            link = f"{self._c.settings.base_url}{path}?api-version=v1.0&$top={top}&$continuationToken={more}"
        value = [self.shape(body) for _, _, body in rows[:top]]
        return reply({"value": value, "continuationToken": more, "nextLink": link})

    async def details(self, request: Request) -> Response:
        """Status and log files of a run, as `jobs.stream` polls them; some releases then read the logs' blobs instead."""
        run = self._find(request)
        if run["type"] == "Command" and run["status"] not in TERMINAL:
            with contained(f"the log of {run['name']}"):
                await asyncio.to_thread(self._outputs.publish, run, "user_logs")
        found = self.shape(run)
        keys = (
            "runId", "target", "status", "parentRunId", "createdUtc", "startTimeUtc", "endTimeUtc", "error",
            "warnings", "tags", "properties", "parameters", "services", "inputDatasets", "outputDatasets",
        )  # fmt: skip
        folder = self._runs.folder(run["name"])
        logs = {path: self._log_url(run, name) for name, path in _LOGS.items() if (folder / path).exists()}
        return reply({k: found[k] for k in keys} | {"logFiles": logs, "revision": 1, "runDefinition": None})

    def _log_url(self, run: Doc, name: str) -> str:
        path = f"/_emulator/jobs/{run['name']}/logs/{name}"
        return f"{self._c.settings.base_url}{path}?sig={self._c.secret.signature(path)}"

    async def logs(self, request: Request) -> Response:
        run = self._find(request)
        path = _LOGS.get(request.path_params["log"])
        if path is None:
            raise not_found(f"Run {run['name']} has no log {request.path_params['log']}.")
        return PlainTextResponse(tail(self._runs.folder(run["name"]) / path, 10_000))

    async def service_instances(self, request: Request) -> Response:
        """Interactive services on a node of the job: there are none here."""
        self._find(request)
        return reply({"instances": {}})

    async def patch(self, request: Request) -> Response:
        """Name, tags and properties of a run, merged."""
        run = self._find(request)
        body = await json_body(request)

        def apply(found: Doc) -> None:
            found["display_name"] = body.get("displayName") or found["display_name"]
            found["description"] = body.get("description", found["description"])
            found["tags"] = found["tags"] | (body.get("tags") or {})
            found["run_properties"] = found["run_properties"] | (body.get("properties") or {})
            if body.get("hidden") is not None:
                found["archived"] = bool(body["hidden"])

        done = self._runs.edit(run["name"], apply)
        assert done is not None
        return reply(self.shape(done))

    async def data(self, request: Request) -> Response:
        """POST rundata: metadata and definition of one run."""
        body = await json_body(request)
        run = self._runs.get(str(body.get("runId")))
        if run is None:
            raise not_found(f"Run {body.get('runId')} was not found.", "NotFound", "RunNotFound")
        if run["status"] in TERMINAL:
            # `jobs.download` asks here first, then reads the artifact store itself.
            with contained(f"the artifacts of {run['name']}"):
                await asyncio.to_thread(self._outputs.publish, run)
        definition: dict[str, Any] = {"properties": run["properties"]}
        return reply({"runMetadata": self.shape(run), "runDefinition": definition, "jobSpecification": None})

    def routes(self) -> list[Route]:
        out = [Route("/history/rundata", self.data, methods=["POST"])]
        for base in (
            "/history/runs/{run}",
            "/history/experiments/{experiment}/runs/{run}",
            "/history/experimentids/{experiment}/runs/{run}",
        ):
            out += [
                Route(base, self.get, methods=["GET"]),
                Route(base, self.patch, methods=["PATCH"]),
                Route(base + "/children", self.children, methods=["GET"]),
                Route(base + "/details", self.details, methods=["GET"]),
                Route(base + "/serviceinstances/{node}", self.service_instances, methods=["GET"]),
            ]
        return [*out, Route("/_emulator/jobs/{run}/logs/{log}", self.logs, methods=["GET"])]
