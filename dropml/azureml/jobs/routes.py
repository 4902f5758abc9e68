"""Jobs in ARM: PUT, GET, list, cancel, delete. A name is used once."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.core.arm import ArmError, bad_request, not_found, reply, system_data
from dropml.azureml.core.fields import check_name, json_body, one_of, properties_of
from dropml.azureml.core.listing import Fits, Of, conditions
from dropml.azureml.core.operations import Form, Kind, OperationFailedError
from dropml.azureml.core.resources import Resources, archived
from dropml.azureml.core.store import Doc
from dropml.azureml.jobs import automl_job
from dropml.azureml.jobs.command_job import command_properties
from dropml.azureml.jobs.output_uris import container
from dropml.azureml.jobs.pipeline_job import PipelineSpec
from dropml.azureml.jobs.runner import JobRunner
from dropml.azureml.jobs.runs import TERMINAL, TRACKED, Runs
from dropml.azureml.workspace.computes import Computes
from dropml.azureml.workspace.datastores import ARTIFACTS

_UNSUBMITTED: Doc = {"command": "(tracked)", "environmentId": "azureml:none:1"}
_MUTABLE = ("description", "tags", "displayName", "properties", "isArchived")


class Jobs(Resources):
    kind, label, segments = "run", "job", ("jobs",)
    verbs = ("GET", "PUT", "PATCH", "DELETE")

    def __init__(self, runs: Runs, runner: JobRunner, computes: Computes, pipelines: PipelineSpec) -> None:
        super().__init__(runs.c)
        self._runs, self._runner, self._computes, self._pipelines = runs, runner, computes, pipelines
        cancel = Kind(Form("jc", signed=False), self._cancelling, self._settle)
        self.c.operations.register("job.cancel", cancel)

    # -- submission ----------------------------------------------------------------------------------------

    def normal(self, given: Doc) -> Doc:
        """A job's properties as the service stores them; 4xx for what it refuses."""
        kind = one_of(given.get("jobType"), ("AutoML", "Command", "Pipeline"), "jobType")
        self._computes.required(given.get("computeId"))
        if kind == "AutoML":
            return automl_job.properties(given)
        if kind == "Command":
            properties = command_properties(given)
            self._pipelines.components.environments.required(properties["environmentId"])
            return properties
        return self._pipelines.properties(given)

    def submit(self, name: str, given: Doc, **extra: Any) -> Doc:
        """Store a job and start it; the answer never waits for the job."""
        properties = self.normal(given)
        kind = properties["jobType"]
        own = {k: given.get(k) for k in _MUTABLE}
        body = own | properties
        if kind == "Pipeline":
            body["properties"] = self._pipelines.run_properties(properties) | (own["properties"] or {})
        with self.c.store.transaction():
            run = self._runs.create(name, kind, body, request=_identity(given), **extra)
        self._runner.submit(name)
        return run

    async def put(self, request: Request) -> Response:
        name = request.path_params["name"]
        check_name("job", name)
        given = properties_of(await json_body(request))
        before = self._runs.get(name)
        if before is not None:
            return reply(self.shape(self._update(before, given)))
        run = self.submit(name, given)
        return self.stored(run, request, new=True)

    def _update(self, run: Doc, given: Doc) -> Doc:
        """A repeated PUT: what may change does; any other difference is refused, as the service's text says."""
        if run["type"] == "Pipeline" and given.get("jobType") == "Pipeline":
            # The SDK's round trip adds nulls and defaults to the nodes; compare what was asked for.
            before, now = run.get("request") or {}, _identity(given)
            now = {k: v for k, v in now.items() if k in before}
        else:
            # Both with the service's defaults: what a GET answered is the same job.
            before, now = _identity(run["properties"]), _identity(self.normal(given))
        changed = [k for k in sorted(before.keys() | now.keys()) if before.get(k) != now.get(k)]
        if changed:
            names = ", ".join(f" {k[0].upper()}{k[1:]}" for k in changed)
            raise ArmError(
                400,
                "A job with this name already exists. If you are trying to create a new job, use a different name. "
                f"If you are trying to update an existing job, the existing job's{names} cannot be changed. "
                "Only description, tags, displayName, properties, and isArchived can be updated.",
                inner=["BadArgument", "Immutable", "JobPropertyImmutable"],
            )
        return self._patched(run["name"], given)

    def _patched(self, name: str, given: Doc) -> Doc:
        def apply(found: Doc) -> None:
            found["tags"] = found["tags"] | (given.get("tags") or {})
            found["run_properties"] = found["run_properties"] | (given.get("properties") or {})
            found["display_name"] = given.get("displayName") or found["display_name"]
            found["description"] = given.get("description", found["description"])
            found["archived"] = bool(given.get("isArchived", found["archived"]))

        done = self._runs.edit(name, apply)
        assert done is not None
        return done

    # -- reads ---------------------------------------------------------------------------------------------

    def missing(self, key: str) -> ArmError:
        return ArmError(
            404,
            f"Job {key} not found.",
            details=[("RunNotFound", f"Run {key} was not found in the workspace.")],
            inner=["NotFound", "JobNotFound"],
        )

    def shape(self, doc: Doc) -> Doc:
        """Trials and command nodes have null properties: run history tells about those.

        azure-ai-ml relies on it: "Child jobs are no longer available through MFE" (JobOperations.get).
        """
        properties: Doc | None = None
        if doc["parent"] is None or doc["type"] in ("AutoML", "Pipeline"):
            properties = {
                **doc["properties"],
                "description": doc["description"],
                "tags": doc["tags"],
                "properties": doc["run_properties"],
                "displayName": doc["display_name"],
                "isArchived": doc["archived"],
                "status": doc["status"],
                "services": self._runs.services(doc["name"]),
            }
            if doc["type"] == TRACKED:
                # A run of a script is shown as a command without a command line.
                properties = command_properties(_UNSUBMITTED) | properties
            if doc["type"] in ("Command", TRACKED):
                properties["outputs"] = {"default": _default_output(doc["name"]), **properties["outputs"]}
        data = system_data(doc, full=False)
        del data["lastModifiedAt"]
        return self.envelope(doc, properties, data)

    def where(self, request: Request) -> dict[str, Any]:
        """Runs that MLflow made are no jobs: run history and MLflow list them."""
        return {"top_level": True, "except_type": TRACKED, **archived(request)}

    def filters(self, query: Mapping[str, str]) -> list[Fits]:
        """`tag` is one key; `scheduleId` is a schedule's name or id."""
        values: dict[str, Of] = {
            "jobType": lambda run: run["type"],
            "scheduled": lambda run: run.get("schedule") is not None,
            "scheduleId": lambda run: run.get("schedule"),
        }
        asked = dict(query) | {"scheduleId": query.get("scheduleId", "").rpartition("/")[2]}
        found = conditions(asked, values, {"properties": lambda run: run["run_properties"]})
        if tag := query.get("tag"):
            found.append(lambda run: tag in run["tags"])
        if asset := query.get("assetName"):
            found.append(lambda run: asset in _registered(run))
        return found

    async def patch(self, request: Request) -> Response:
        run = self.find(self.key(request))
        given = properties_of(await json_body(request))
        return reply(self.shape(self._patched(run["name"], given)))

    # -- ends ----------------------------------------------------------------------------------------------

    async def cancel(self, request: Request) -> Response:
        """202 with a Location only; the job itself shows CancelRequested, then Canceled."""
        run = self.find(self.key(request))
        version = request.query_params["api-version"]
        key = f"jc:{self.c.guid}:{run['name']}"
        operation = self.c.store.get("operation", key)
        if operation is None or operation["status"] != "pending":
            operation = self.c.operations.begin("job.cancel", run["name"], version)
        headers = {
            "Location": self.c.operations.unsigned_url(operation, "mfeOperationResults"),
            "x-ms-async-operation-timeout": "PT1H",
        }
        return reply(None, 202, headers | self.c.operations.retry_after())

    async def _cancelling(self, operation: Doc) -> None:
        await self._runner.cancel(operation["target"])
        await self._runner.wait(operation["target"])

    def _settle(self, _operation: Doc, _failure: OperationFailedError | None) -> None:
        """The job's own status tells how its cancellation ended."""

    async def delete(self, request: Request) -> Response:
        name = request.path_params["name"]
        run = self._runs.get(name)
        if run is None:
            return Response(None, 204)
        if run["status"] not in TERMINAL:
            raise bad_request(f"Job {name} is {run['status']}: cancel it before it is deleted.")
        with self.c.store.transaction():
            for child in self._runs.children(name):
                self.c.store.delete("run", child["name"])
            self.c.store.delete("run", name)
        shutil.rmtree(self._runs.folder(name), ignore_errors=True)
        return Response(None, 200)

    async def debug(self, request: Request) -> Response:
        """The emulator's own view of a run, for people: `/_emulator/jobs/{name}`."""
        run = self._runs.get(request.path_params["name"])
        if run is None:
            raise not_found(f"Job {request.path_params['name']} not found.")
        return reply(run | {"folder": str(self._runs.folder(run["name"]))})

    def routes(self) -> list[Route]:
        return [
            *super().routes(),
            Route("/ws/jobs/{name}/cancel", self.cancel, methods=["POST"]),
            Route("/_emulator/jobs/{name}", self.debug, methods=["GET"]),
        ]


def _registered(run: Doc) -> set[str | None]:
    """The names of the assets that a job's outputs become."""
    return {(output or {}).get("assetName") for output in (run["properties"].get("outputs") or {}).values()}


def _default_output(name: str) -> Doc:
    """Where a command job's artifacts lie, in the form that the service still answers, without `paths/`."""
    return {
        "description": None,
        "uri": f"azureml://datastores/{ARTIFACTS}/{container(name)}",
        "mode": "ReadWriteMount",
        "assetName": None,
        "assetVersion": None,
        "jobOutputType": "uri_folder",
    }


def _identity(given: Doc) -> Doc:
    """What a job is, without what may change later and without what the service adds."""
    skip = (*_MUTABLE, "services", "status", "notificationSetting", "secretsConfiguration", "componentId")
    return {k: v for k, v in given.items() if k not in skip and v not in (None, {}, [])}
