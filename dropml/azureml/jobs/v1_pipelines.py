"""Published pipelines of the first SDK: submit by REST. Publishing is the emulator's own call.

`PUT /_emulator/published_pipelines/{id}` with `{"name", "componentId", "settings"}` publishes a pipeline component.
"""

from __future__ import annotations

import uuid

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.assets.components import Components
from dropml.azureml.core.arm import ArmError, bad_request, not_found, reply
from dropml.azureml.core.clock import stamp
from dropml.azureml.core.fields import json_body
from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.routes import Jobs
from dropml.azureml.jobs.runs import Runs

#: Status words of the pipelines service: https://learn.microsoft.com/python/api/azureml-pipeline-core
_STATUS = {"Completed": "Finished", "NotStarted": "NotStarted", "Preparing": "NotStarted"}


class PublishedPipelines:
    def __init__(self, jobs: Jobs, runs: Runs, components: Components) -> None:
        self._jobs, self._runs, self._components, self._c = jobs, runs, components, runs.c

    async def publish(self, request: Request) -> Response:
        key = request.path_params["pipeline"]
        try:
            key = str(uuid.UUID(key))
        except ValueError:
            raise bad_request(f"The id of a published pipeline is a GUID, not '{key}'.") from None
        body = await json_body(request)
        spec = self._components.spec(str(body.get("componentId")))
        if spec["type"] != "pipeline":
            raise bad_request("A published pipeline needs a pipeline component.")
        doc = {
            "id": key,
            "name": body.get("name") or spec.get("name"),
            "componentId": body["componentId"],
            "settings": body.get("settings") or {},
        }
        new = self._c.store.put("published", key, doc)
        return reply(doc, 201 if new else 200)

    async def submit(self, request: Request) -> Response:
        """`{"ExperimentName", "ParameterAssignments", "DataPathAssignments"}`; the run's id is in `Id`."""
        key = request.path_params["pipeline"].lower()
        found = self._c.store.get("published", key)
        if found is None:
            raise ArmError(
                404, f"Pipeline {key} not found.", "UserError", inner=["NotFound", "PipelineNotFound"]
            )
        body = await json_body(request)
        experiment = body.get("ExperimentName")
        if not experiment:
            raise bad_request("ExperimentName is required.")
        given = {**(body.get("ParameterAssignments") or {}), **(body.get("DataPathAssignments") or {})}
        name = str(uuid.uuid4())
        self._jobs.submit(
            name,
            {
                "jobType": "Pipeline",
                "displayName": found["name"],
                "experimentName": experiment,
                "componentId": found["componentId"],
                "inputs": self._inputs(found, given),
                "settings": found["settings"],
                "tags": dict(body.get("Tags") or {}),
                "properties": {"azureml.pipelineid": key, "azureml.runsource": "azureml.PipelineRun"},
            },
        )
        return reply(self._shape(self._find(name)))

    def _inputs(self, pipeline: Doc, given: Doc) -> Doc:
        declared = self._components.spec(pipeline["componentId"]).get("inputs") or {}
        for name in given:
            if name not in declared:
                raise bad_request(f"The pipeline has no parameter '{name}'.")
        found: Doc = {}
        for name, spec in declared.items():
            value = given.get(name, spec.get("default"))
            if value is None and str(spec.get("optional")).lower() != "true":
                raise bad_request(f"The parameter '{name}' is required.")
            kind = str(spec.get("type") or "string")
            if kind in ("string", "number", "integer", "boolean"):
                found[name] = {"jobInputType": "literal", "value": str(value)}
            else:
                found[name] = {"jobInputType": kind, "uri": str(value)}
        return found

    def _find(self, name: str) -> Doc:
        run = self._runs.get(name)
        if run is None or run["type"] != "Pipeline":
            raise not_found(f"PipelineRun {name} not found.", "NotFound", "PipelineRunNotFound")
        return run

    def _shape(self, run: Doc) -> Doc:
        word = _STATUS.get(run["status"], run["status"])
        return {
            "Id": run["name"],
            "Status": {
                "StatusCode": word,
                "StatusDetail": (run["error"] or {}).get("message"),
                "CreationTime": stamp(run["created"]),
                "EndTime": stamp(run["end"]) if run["end"] else None,
            },
            "ExperimentName": run["experiment"],
            "Description": run["display_name"],
            "PipelineId": run["run_properties"].get("azureml.pipelineid"),
            "RunHistoryExperimentName": run["experiment"],
            "Tags": run["tags"],
        }

    async def get(self, request: Request) -> Response:
        return reply(self._shape(self._find(request.path_params["run"])))

    def routes(self) -> list[Route]:
        return [
            Route("/_emulator/published_pipelines/{pipeline}", self.publish, methods=["PUT"]),
            Route("/pipelines/PipelineRuns/PipelineSubmit/{pipeline}", self.submit, methods=["POST"]),
            Route("/pipelines/PipelineRuns/{run}", self.get, methods=["GET"]),
        ]
