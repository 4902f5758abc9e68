"""Invoking a batch endpoint: `POST /batch/{endpoint}/jobs` starts the deployment's pipeline component as a job."""

from __future__ import annotations

import asyncio
import uuid

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.batch.deployments import BatchDeployments
from dropml.azureml.batch.endpoints import BatchEndpoints
from dropml.azureml.core.arm import bad_request, not_found, reply, resource_type, system_data
from dropml.azureml.core.fields import json_body, properties_of
from dropml.azureml.core.identity import ML_AUDIENCES
from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.command_job import job_inputs
from dropml.azureml.jobs.routes import Jobs
from dropml.azureml.jobs.runs import Runs


class BatchInvoke:
    def __init__(
        self, endpoints: BatchEndpoints, deployments: BatchDeployments, jobs: Jobs, runs: Runs
    ) -> None:
        self._endpoints, self._deployments, self._jobs, self._runs = endpoints, deployments, jobs, runs
        self._c = endpoints.c

    async def invoke(self, request: Request) -> Response:
        """201 with the job; the same repeatability id gives the same job again."""
        self._c.identity.check(request.headers.get("authorization"), ML_AUDIENCES)
        endpoint = self._endpoints.find(request.path_params["endpoint"])
        name = request.headers.get("azureml-model-deployment")
        name = name or endpoint["properties"]["defaults"]["deploymentName"]
        if not name:
            raise bad_request(
                f"The endpoint {endpoint['name']} has no default deployment: name one in azureml-model-deployment."
            )
        deployment = self._deployments.get_doc(f"{endpoint['name']}/{name}")
        if deployment is None or deployment["state"] != "Succeeded":
            state = deployment["state"] if deployment else "absent"
            raise not_found(f"The deployment {name} can't be invoked: it is {state}.")
        given = properties_of(await json_body(request))
        job = self._repeated(endpoint["name"], request) or self._submit(endpoint, deployment, given, request)
        body = self._shape(endpoint, deployment, given, job)
        headers = {"azureml-model-deployment": name, "Location": self._location(body["id"])}
        return reply(body, 201, headers)

    def _location(self, arm_id: str) -> str:
        return f"{self._c.settings.base_url}{arm_id.rpartition('/jobs/')[0]}?api-version=2020-09-01-dataplanepreview"

    @staticmethod
    def _invocation(endpoint: str, request: Request) -> str | None:
        """What a repeated call is found by: its id counts within its endpoint."""
        # azure-ai-ml writes the underscore.
        given = request.headers.get("repeatability_request-id") or request.headers.get(
            "repeatability-request-id"
        )
        return f"{endpoint}/{given}" if given else None

    def _repeated(self, endpoint: str, request: Request) -> Doc | None:
        key = self._invocation(endpoint, request)
        found = self._c.store.get("invocation", key) if key else None
        return self._runs.get(found["job"]) if found else None

    def _submit(self, endpoint: Doc, deployment: Doc, given: Doc, request: Request) -> Doc:
        configuration = deployment["properties"]["deploymentConfiguration"]
        component = configuration["componentId"]["assetId"]
        spec = self._deployments.components.spec(component)
        settings = configuration["settings"]
        own = given.get("properties") or {}
        name = f"batchjob-{uuid.uuid4()}"
        properties = {
            "jobType": "Pipeline",
            "displayName": name,
            "experimentName": own.get("experimentName") or endpoint["name"],
            "componentId": component,
            "inputs": self._inputs(spec, given.get("inputData") or {}),
            "outputs": {
                k: {"jobOutputType": (v or {}).get("type")} for k, v in (spec.get("outputs") or {}).items()
            },
            "settings": {
                **settings,
                "continue_on_step_failure": settings.get("continue_on_step_failure") == "True",
            },
            "tags": {
                "azureml.batchrun": "true",
                "azureml.deploymentname": deployment["name"],
                "azureml.jobtype": "azureml.batchjob",
                "outputType": "output_data",
                "inputType": "input_data",
            },
            "properties": {"azureml.pipelineid": str(uuid.uuid5(uuid.NAMESPACE_URL, component))},
        }
        with self._c.store.transaction():
            job = self._jobs.submit(name, properties, endpoint=endpoint["name"])
            if key := self._invocation(endpoint["name"], request):
                self._c.store.put("invocation", key, {"job": name})
        return job

    @staticmethod
    def _inputs(spec: Doc, given: Doc) -> Doc:
        """The invocation's inputs, completed by the component's defaults; 400 for a missing or unknown one."""
        declared = spec.get("inputs") or {}
        for name in given:
            if name not in declared:
                raise bad_request(
                    f"The component has no input '{name}'; it has {', '.join(declared) or 'none'}."
                )
        found = job_inputs(given)
        for name, value in declared.items():
            if name in found:
                continue
            if value.get("default") is not None:
                found[name] = {
                    "description": None,
                    "jobInputType": "literal",
                    "value": str(value["default"]),
                }
            elif str(value.get("optional")).lower() != "true":
                raise bad_request(f"The input '{name}' of the component is required.")
        return found

    def _shape(self, endpoint: Doc, deployment: Doc, given: Doc, job: Doc) -> Doc:
        arm_id = self._c.arm_id(
            "batchEndpoints", endpoint["name"], "deployments", deployment["name"], "jobs", job["name"]
        )
        target = deployment["properties"]["deploymentConfiguration"]["settings"].get("default_compute")
        compute = self._c.arm_name(target, "computes") if target else None
        services = self._runs.services(job["name"])
        points = {
            name: {"jobEndpointType": name, "port": None, "endpoint": s["endpoint"], "properties": None}
            for name, s in services.items()
        }
        inputs = {
            name: {"description": None, "mode": "ReadOnlyMount", **value}
            for name, value in (given.get("inputData") or {}).items()
        }
        properties = {
            "provisioningState": "Succeeded",
            "inputData": inputs,
            "compute": {
                "target": self._c.arm_id("computes", compute) if compute else None,
                "instanceCount": None,
                "isLocal": False,
                "location": None,
                "instanceType": None,
                "properties": None,
            },
            "output": {"datastoreId": None, "path": None},
            "retrySettings": deployment["properties"]["retrySettings"],
            "status": job["status"],
            "interactionEndpoints": points,
            "tags": job["tags"],
            "properties": job["run_properties"],
            "name": job["display_name"],
        }
        return {
            "id": arm_id,
            "name": job["name"],
            "type": resource_type("batchEndpoints", "deployments", "jobs"),
            "properties": properties,
            "systemData": {
                k: v for k, v in system_data(job, kinds=False).items() if k != "lastModifiedByType"
            },
        }

    async def jobs(self, request: Request) -> Response:
        """The jobs that invocations of this endpoint started, newest first."""
        endpoint = self._endpoints.find(request.path_params["endpoint"])
        rows = await asyncio.to_thread(self._c.store.find, "run", top_level=True)
        mine = [run for _, _, run in rows if run.get("endpoint") == endpoint["name"]]
        return reply({"value": [self._jobs.shape(run) for run in mine]})

    def routes(self) -> list[Route]:
        return [
            Route("/batch/{endpoint}/jobs", self.invoke, methods=["POST"]),
            Route("/ws/batchEndpoints/{endpoint}/jobs", self.jobs, methods=["GET"]),
        ]
