"""Batch endpoints and deployments of pipeline components."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.assets.components import Components
from dropml.azureml.batch import shapes as model
from dropml.azureml.core.arm import bad_request, conflict, not_found, page, reply
from dropml.azureml.core.context import Context
from dropml.azureml.core.fields import ENDPOINT_NAME, check_name, json_body, properties_of
from dropml.azureml.core.operations import Kind, OperationFailedError
from dropml.azureml.core.store import Doc
from dropml.azureml.workspace.computes import Computes


class BatchEndpoints:
    def __init__(self, context: Context, components: Components, computes: Computes) -> None:
        self.c, self.components, self._computes = context, components, computes
        for name, prefix in (("batch.put", "bebes"), ("batch.delete", "bebes"), ("batchdep.put", "bdbes"),
                             ("batchdep.delete", "bdbes")):  # fmt: skip
            kind = Kind(prefix, "Updating", self._nothing, self._settle, body="batch", signed=False)
            context.operations.register(name, kind)

    async def _nothing(self, _operation: Doc) -> None:
        """A batch endpoint holds no process: its jobs are the work."""

    def _settle(self, operation: Doc, failure: OperationFailedError | None) -> None:
        kind = "batch" if operation["kind"].startswith("batch.") else "batchdep"
        target = operation["target"]
        if operation["kind"].endswith(".put"):
            state = "Failed" if failure else "Succeeded"
            self.c.store.update(kind, target, lambda d: d.update(state=state))
            return
        if kind == "batch":
            for _, key, _ in self.c.store.find("batchdep", parent=target):
                self.c.store.delete("batchdep", key)
        self.c.store.delete(kind, target)

    def find(self, name: str) -> Doc:
        found = self.c.store.get("batch", name)
        if found is None:
            raise not_found(f"Batch endpoint {name} does not exist.", "NotFound", "BatchEndpointNotFound")
        return found

    def deployment(self, endpoint: str, name: str) -> Doc | None:
        return self.c.store.get("batchdep", f"{endpoint}/{name}")

    def _idle(self, doc: Doc, what: str) -> None:
        if self.c.operations.pending(doc.get("operation")):
            raise conflict(
                f"The {what} {doc['name']} has an operation in progress ({doc['state']}): wait for it.",
                "Conflict",
                "OperationInProgress",
            )

    def _begin(
        self, kind: str, key: str, doc: Doc, request: Request, parent: str | None = None
    ) -> dict[str, str]:
        with self.c.store.transaction():
            operation = self.c.operations.begin(kind, key, request.query_params["api-version"])
            doc["operation"] = operation["id"]
            self.c.store.put(kind.partition(".")[0], key, doc, parent=parent)
        put = kind.endswith(".put")
        return self.c.operations.headers(operation, self.c.location_header(request) if put else None)

    # -- endpoints -----------------------------------------------------------------------------------------

    async def put(self, request: Request) -> Response:
        name = request.path_params["name"]
        check_name("endpoint", name, ENDPOINT_NAME)
        body = await json_body(request)
        before = self.c.store.get("batch", name)
        if before:
            self._idle(before, "endpoint")
        version = request.query_params["api-version"]
        arm_id = self.c.arm_id("batchEndpoints", name)
        properties = model.endpoint_properties(properties_of(body), version, arm_id)
        default = properties["defaults"]["deploymentName"]
        if default and self.deployment(name, default) is None:
            raise bad_request(
                f"The default deployment '{default}' does not exist under the endpoint {name}.",
                "BadArgument",
                "DeploymentNotFound",
            )
        now = self.c.clock.now()
        doc = {
            "name": name,
            "properties": properties,
            "tags": body.get("tags") or {},
            "location": body.get("location") or self.c.settings.location,
            "created": before["created"] if before else now,
            "modified": now,
            "state": "Updating" if before else "Creating",
        }
        headers = self._begin("batch.put", name, doc, request)
        return reply(model.endpoint_resource(self.c, doc, answer_to_put=True), 201, headers)

    async def get(self, request: Request) -> Response:
        return reply(model.endpoint_resource(self.c, self.find(request.path_params["name"])))

    async def all(self, request: Request) -> Response:
        found = page(
            request,
            self.c.store,
            "batch",
            lambda d: model.endpoint_resource(self.c, d),
            base_url=self.c.settings.base_url,
        )
        return reply(found)

    async def patch(self, request: Request) -> Response:
        """Tags."""
        doc = self.find(request.path_params["name"])
        body = await json_body(request)
        doc |= {"tags": doc["tags"] | (body.get("tags") or {}), "modified": self.c.clock.now()}
        self.c.store.put("batch", doc["name"], doc)
        return reply(model.endpoint_resource(self.c, doc))

    async def delete(self, request: Request) -> Response:
        name = request.path_params["name"]
        doc = self.c.store.get("batch", name)
        if doc is None:
            return Response(None, 204)
        self._idle(doc, "endpoint")
        doc["state"] = "Deleting"
        return reply(None, 202, self._begin("batch.delete", name, doc, request))

    # -- deployments ---------------------------------------------------------------------------------------

    async def put_deployment(self, request: Request) -> Response:
        endpoint, name = request.path_params["endpoint"], request.path_params["name"]
        self.find(endpoint)
        check_name("deployment", name, ENDPOINT_NAME)
        body = await json_body(request)
        properties = model.deployment_properties(properties_of(body))
        configuration = properties["deploymentConfiguration"]
        spec = self.components.spec(configuration["componentId"]["assetId"])
        if spec["type"] != "pipeline":
            raise bad_request(f"The component is a {spec['type']}: a pipeline component is needed.")
        target = configuration["settings"].get("default_compute")
        if target and not self._computes.exists(self.c.arm_name(target, "computes") or ""):
            raise bad_request(
                f"The compute target '{target}' was not found in the workspace.",
                "BadArgument",
                "ComputeNotFound",
            )
        key = f"{endpoint}/{name}"
        before = self.c.store.get("batchdep", key)
        if before:
            self._idle(before, "deployment")
        now = self.c.clock.now()
        doc = {
            "endpoint": endpoint,
            "name": name,
            "properties": properties,
            "tags": body.get("tags") or {},
            "location": body.get("location") or self.c.settings.location,
            "created": before["created"] if before else now,
            "modified": now,
            "state": "Updating",
        }
        headers = self._begin("batchdep.put", key, doc, request, endpoint)
        return reply(model.deployment_resource(self.c, doc), 201, headers)

    async def get_deployment(self, request: Request) -> Response:
        endpoint, name = request.path_params["endpoint"], request.path_params["name"]
        self.find(endpoint)
        found = self.deployment(endpoint, name)
        if found is None:
            raise not_found(
                f"Batch deployment {name} does not exist under the endpoint {endpoint}.",
                "NotFound",
                "BatchDeploymentNotFound",
            )
        return reply(model.deployment_resource(self.c, found))

    async def deployments(self, request: Request) -> Response:
        endpoint = self.find(request.path_params["endpoint"])
        found = page(
            request,
            self.c.store,
            "batchdep",
            lambda d: model.deployment_resource(self.c, d),
            base_url=self.c.settings.base_url,
            parent=endpoint["name"],
        )
        return reply(found)

    async def delete_deployment(self, request: Request) -> Response:
        endpoint, name = request.path_params["endpoint"], request.path_params["name"]
        found = self.find(endpoint)
        doc = self.deployment(endpoint, name)
        if doc is None:
            return Response(None, 204)
        self._idle(doc, "deployment")
        if found["properties"]["defaults"]["deploymentName"] == name:
            raise bad_request(
                f"Deployment {name} is the endpoint's default and cannot be deleted: choose another default first.",
                "BadArgument",
                "DeploymentIsDefault",
            )
        doc["state"] = "Deleting"
        return reply(None, 202, self._begin("batchdep.delete", f"{endpoint}/{name}", doc, request, endpoint))

    def routes(self) -> list[Route]:
        one = "/ws/batchEndpoints/{name}"
        many = "/ws/batchEndpoints/{endpoint}/deployments"
        return [
            Route("/ws/batchEndpoints", self.all, methods=["GET"]),
            Route(one, self.get, methods=["GET"]),
            Route(one, self.put, methods=["PUT"]),
            Route(one, self.patch, methods=["PATCH"]),
            Route(one, self.delete, methods=["DELETE"]),
            Route(many, self.deployments, methods=["GET"]),
            Route(many + "/{name}", self.get_deployment, methods=["GET"]),
            Route(many + "/{name}", self.put_deployment, methods=["PUT"]),
            Route(many + "/{name}", self.delete_deployment, methods=["DELETE"]),
        ]
