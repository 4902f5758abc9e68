"""Batch endpoints: they hold no process, their jobs are the work."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dropml.azureml.batch import shapes
from dropml.azureml.core.arm import ArmError, bad_request, not_found, reply
from dropml.azureml.core.fields import ENDPOINT_NAME, check_name, json_body, properties_of
from dropml.azureml.core.operations import Form
from dropml.azureml.core.resources import LongRunning
from dropml.azureml.core.store import Doc


class BatchEndpoints(LongRunning):
    kind, label, segments = "batch", "endpoint", ("batchEndpoints",)
    verbs = ("GET", "PUT", "PATCH", "DELETE")
    put_form = delete_form = Form("bebes", body="batch", signed=False)

    def missing(self, key: str) -> ArmError:
        return not_found(f"Batch endpoint {key} does not exist.", "NotFound", "BatchEndpointNotFound")

    def shape(self, doc: Doc) -> Doc:
        return shapes.endpoint_resource(self.c, doc)

    async def put(self, request: Request) -> Response:
        name = request.path_params["name"]
        check_name("endpoint", name, ENDPOINT_NAME)
        body = await json_body(request)
        before = self.get_doc(name)
        self.idle(before)
        version = request.query_params["api-version"]
        arm_id = self.c.arm_id("batchEndpoints", name)
        properties = shapes.endpoint_properties(properties_of(body), version, arm_id)
        default = properties["defaults"]["deploymentName"]
        if default and self.c.store.get("batchdep", f"{name}/{default}") is None:
            raise bad_request(
                f"The default deployment '{default}' does not exist under the endpoint {name}.",
                "BadArgument",
                "DeploymentNotFound",
            )
        doc = {
            "name": name,
            "properties": properties,
            "tags": body.get("tags") or {},
            "location": body.get("location") or self.c.settings.location,
            **self.dated(before),
            "state": "Updating" if before else "Creating",
        }
        headers = self.begin("put", doc, request)
        return reply(shapes.endpoint_resource(self.c, doc, answer_to_put=True), 201, headers)

    async def patch(self, request: Request) -> Response:
        """Tags."""
        doc = self.find(self.key(request))
        body = await json_body(request)
        doc |= {"tags": doc["tags"] | (body.get("tags") or {}), "modified": self.c.clock.now()}
        self.put_doc(doc)
        return reply(self.shape(doc))

    def remove(self, key: str) -> bool:
        for _, deployment, _ in self.c.store.find("batchdep", parent=key):
            self.c.store.delete("batchdep", deployment)
        return super().remove(key)
