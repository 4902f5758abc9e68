"""Batch deployments of pipeline components."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dropml.azureml.assets.components import Components
from dropml.azureml.batch import shapes
from dropml.azureml.batch.endpoints import BatchEndpoints
from dropml.azureml.core.arm import ArmError, bad_request, not_found, reply
from dropml.azureml.core.fields import ENDPOINT_NAME, check_name, json_body, properties_of
from dropml.azureml.core.operations import Form
from dropml.azureml.core.resources import LongRunning
from dropml.azureml.core.store import Doc
from dropml.azureml.workspace.computes import Computes


class BatchDeployments(LongRunning):
    kind, label, segments = "batchdep", "deployment", ("batchEndpoints", "deployments")
    names = ("endpoint", "name")
    put_form = delete_form = Form("bdbes", body="batch", signed=False)

    def __init__(self, endpoints: BatchEndpoints, components: Components, computes: Computes) -> None:
        super().__init__(endpoints.c)
        self._endpoints, self.components, self._computes = endpoints, components, computes

    def find(self, key: str) -> Doc:
        self._endpoints.find(key.partition("/")[0])
        return super().find(key)

    def missing(self, key: str) -> ArmError:
        endpoint, _, name = key.partition("/")
        return not_found(
            f"Batch deployment {name} does not exist under the endpoint {endpoint}.",
            "NotFound",
            "BatchDeploymentNotFound",
        )

    def shape(self, doc: Doc) -> Doc:
        return shapes.deployment_resource(self.c, doc)

    async def all(self, request: Request) -> Response:
        self._endpoints.find(request.path_params["endpoint"])
        return await super().all(request)

    async def put(self, request: Request) -> Response:
        endpoint, name = request.path_params["endpoint"], request.path_params["name"]
        self._endpoints.find(endpoint)
        check_name("deployment", name, ENDPOINT_NAME)
        body = await json_body(request)
        properties = shapes.deployment_properties(properties_of(body))
        configuration = properties["deploymentConfiguration"]
        spec = self.components.spec(configuration["componentId"]["assetId"])
        if spec["type"] != "pipeline":
            raise bad_request(f"The component is a {spec['type']}: a pipeline component is needed.")
        self._computes.required(configuration["settings"].get("default_compute"))
        before = self.get_doc(self.key(request))
        self.idle(before)
        doc = {
            "endpoint": endpoint,
            "name": name,
            "properties": properties,
            "tags": body.get("tags") or {},
            "location": body.get("location") or self.c.settings.location,
            **self.dated(before),
            "state": "Updating",
        }
        headers = self.begin("put", doc, request)
        return reply(self.shape(doc), 201, headers)

    async def delete(self, request: Request) -> Response:
        self._endpoints.find(request.path_params["endpoint"])
        return await super().delete(request)

    def removable(self, doc: Doc) -> None:
        endpoint = self._endpoints.find(doc["endpoint"])
        if endpoint["properties"]["defaults"]["deploymentName"] == doc["name"]:
            raise bad_request(
                f"Deployment {doc['name']} is the endpoint's default and cannot be deleted: choose another default first.",
                "BadArgument",
                "DeploymentIsDefault",
            )
