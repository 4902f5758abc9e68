"""Managed online deployments: a model behind an endpoint, its logs, its end."""

from __future__ import annotations

import asyncio
import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.assets.models import Models
from dropml.azureml.core.arm import bad_request, conflict, not_found, page, reply
from dropml.azureml.core.fields import ENDPOINT_NAME, check_name, json_body, one_of, properties_of
from dropml.azureml.core.operations import Kind, OperationFailedError
from dropml.azureml.core.store import Doc
from dropml.azureml.online.endpoints import OnlineEndpoints
from dropml.azureml.online.process import EndpointDownError
from dropml.azureml.online.shapes import MAX_DEPLOYMENTS, deployment_properties, deployment_resource, sku
from dropml.common.logs import tail

_LOAD_SECONDS = 180.0
_GUIDE = "Please see troubleshooting guide, available here: https://aka.ms/oe-tsg#error-resourcenotready"


class OnlineDeployments:
    def __init__(self, endpoints: OnlineEndpoints, models: Models) -> None:
        self._endpoints, self._models, self._c = endpoints, models, endpoints.c
        for name, work, settle in (
            ("deployment.put", self._work_put, self._settle_put),
            ("deployment.delete", self._work_delete, self._settle_delete),
        ):
            self._c.operations.register(name, Kind("odidp", "Updating", work, settle))

    @staticmethod
    def _key(request: Request) -> str:
        return f"{request.path_params['endpoint']}/{request.path_params['name']}"

    def _find(self, request: Request) -> Doc:
        self._endpoints.find(request.path_params["endpoint"])
        found = self._c.store.get("deployment", self._key(request))
        if found is None:
            raise not_found(
                f"Online deployment {request.path_params['name']} does not exist under the endpoint "
                f"{request.path_params['endpoint']}.",
                "NotFound",
                "OnlineDeploymentNotFound",
            )
        return found

    # -- PUT -----------------------------------------------------------------------------------------------

    async def put(self, request: Request) -> Response:
        name = request.path_params["name"]
        endpoint = self._endpoints.find(request.path_params["endpoint"])
        check_name("deployment", name, ENDPOINT_NAME)
        body = await json_body(request)
        properties = deployment_properties(properties_of(body))
        self._endpoints.busy(endpoint)
        model = self._models.by_id(properties["model"])
        if model is None:
            text = properties["model"].rpartition("/models/")[2].replace("/versions/", ":")
            raise self._models.missing_version(*_split(text))
        if model["properties"]["modelType"] != "mlflow_model":
            raise bad_request(
                f"The model is a {model['properties']['modelType']}: without environmentId and codeConfiguration "
                "only an mlflow_model can be deployed.",
                "BadArgument",
                "ModelNotMlflow",
            )
        before = self._c.store.get("deployment", self._key(request))
        if before:
            self._idle(before)
        elif self._c.store.count("deployment", endpoint["name"]) >= MAX_DEPLOYMENTS:
            raise bad_request(f"The endpoint has {MAX_DEPLOYMENTS} deployments already, which is the most.")
        now = self._c.clock.now()
        doc = (before or {"endpoint": endpoint["name"], "name": name, "created": now, "live": None}) | {
            "properties": properties,
            "model": f"{model['name']}:{model['version']}",
            "tags": body.get("tags") or {},
            "location": body.get("location") or self._c.settings.location,
            "sku": sku(body.get("sku")),
            "modified": now,
            "state": "Updating" if before else "Creating",
        }
        doc["properties"]["properties"].pop("AzureAsyncOperationUri", None)
        operation, doc = self._begin("deployment.put", doc, request)
        headers = self._c.operations.headers(operation, self._c.location_header(request))
        return reply(deployment_resource(self._c, doc, answer_to_put=True), 201, headers)

    def _idle(self, doc: Doc) -> None:
        if self._c.operations.pending(doc.get("operation")):
            raise conflict(
                f"The deployment {doc['name']} has an operation in progress ({doc['state']}): wait for it.",
                "Conflict",
                "OperationInProgress",
            )

    def _begin(self, kind: str, doc: Doc, request: Request) -> tuple[Doc, Doc]:
        key = f"{doc['endpoint']}/{doc['name']}"
        with self._c.store.transaction():
            operation = self._c.operations.begin(kind, key, request.query_params["api-version"])
            doc |= {"operation": operation["id"], "operation_uri": self._c.operations.unsigned_url(operation)}
            self._c.store.put("deployment", key, doc, parent=doc["endpoint"])
        return operation, doc

    async def _work_put(self, operation: Doc) -> None:
        endpoint, _, name = operation["target"].partition("/")
        deadline = time.monotonic() + _LOAD_SECONDS
        try:
            status = await self._endpoints.processes.reload(endpoint)
            while time.monotonic() < deadline:
                found = (status.get("deployments") or {}).get(name) or {}
                if found.get("status") == "ready":
                    return
                if found.get("status") == "failed":
                    raise OperationFailedError(
                        f"User container has crashed or terminated: {found.get('error')}. {_GUIDE}",
                        "ResourceNotReady",
                    )
                await asyncio.sleep(0.1)
                status = await self._endpoints.processes.status(endpoint)
        except EndpointDownError as error:
            raise OperationFailedError(f"{error} {_GUIDE}", "ResourceNotReady") from None
        raise OperationFailedError(
            f"The model was not loaded within {_LOAD_SECONDS:.0f} s. {_GUIDE}", "ResourceNotReady"
        )

    def _settle_put(self, operation: Doc, failure: OperationFailedError | None) -> None:
        def apply(doc: Doc) -> None:
            doc["state"] = "Failed" if failure else "Succeeded"
            if not failure:
                doc["live"] = doc["properties"]

        self._c.store.update("deployment", operation["target"], apply)

    # -- reads ---------------------------------------------------------------------------------------------

    async def get(self, request: Request) -> Response:
        return reply(deployment_resource(self._c, self._find(request), request.query_params["api-version"]))

    async def all(self, request: Request) -> Response:
        endpoint = self._endpoints.find(request.path_params["endpoint"])
        found = page(
            request,
            self._c.store,
            "deployment",
            lambda d: deployment_resource(self._c, d, request.query_params["api-version"]),
            base_url=self._c.settings.base_url,
            parent=endpoint["name"],
        )
        return reply(found)

    async def patch(self, request: Request) -> Response:
        """Tags and the number of instances."""
        doc = self._find(request)
        self._idle(doc)
        body = await json_body(request)
        doc |= {"tags": doc["tags"] | (body.get("tags") or {}), "modified": self._c.clock.now()}
        if body.get("sku"):
            doc["sku"] = sku(doc["sku"] | body["sku"])
        self._c.store.put("deployment", self._key(request), doc, parent=doc["endpoint"])
        return reply(deployment_resource(self._c, doc))

    async def logs(self, request: Request) -> Response:
        doc = self._find(request)
        body = await json_body(request)
        kind = body.get("containerType") or "InferenceServer"
        one_of(kind, ("InferenceServer", "StorageInitializer"), "containerType")
        lines = int(body.get("tail") or 5000)
        if str(kind).lower() == "storageinitializer":
            return reply({"content": f"Model {doc['model']} is in place.\n"})
        path = self._endpoints.log_file(doc["endpoint"], doc["name"])
        return reply({"content": await asyncio.to_thread(tail, path, lines)})

    # -- DELETE --------------------------------------------------------------------------------------------

    async def delete(self, request: Request) -> Response:
        endpoint = self._endpoints.find(request.path_params["endpoint"])
        doc = self._c.store.get("deployment", self._key(request))
        if doc is None:
            return Response(None, 204)
        self._endpoints.busy(endpoint)
        self._idle(doc)
        share = endpoint["properties"]["traffic"].get(doc["name"])
        mirrored = endpoint["properties"]["mirrorTraffic"].get(doc["name"])
        if share or mirrored:
            raise bad_request(
                f"Deployment {doc['name']} has {share or mirrored} percent of the endpoint's traffic and cannot be "
                "deleted: set its traffic to 0 first.",
                "BadArgument",
                "DeploymentHasTraffic",
            )
        doc["state"] = "Deleting"
        operation, _ = self._begin("deployment.delete", doc, request)
        return reply(None, 202, self._c.operations.headers(operation))

    async def _work_delete(self, operation: Doc) -> None:
        try:
            await self._endpoints.processes.reload(operation["target"].partition("/")[0])
        except EndpointDownError as error:
            raise OperationFailedError(str(error), "ResourceNotReady") from None

    def _settle_delete(self, operation: Doc, failure: OperationFailedError | None) -> None:
        if failure:
            self._c.store.update("deployment", operation["target"], lambda d: d.update(state="Failed"))
            return
        endpoint, _, name = operation["target"].partition("/")
        self._c.store.delete("deployment", operation["target"])

        def forget(doc: Doc) -> None:
            for weights in ("traffic", "mirrorTraffic"):
                doc["properties"][weights].pop(name, None)

        self._c.store.update("endpoint", endpoint, forget)

    def routes(self) -> list[Route]:
        many = "/ws/onlineEndpoints/{endpoint}/deployments"
        one = many + "/{name}"
        return [
            Route(many, self.all, methods=["GET"]),
            Route(one, self.get, methods=["GET"]),
            Route(one, self.put, methods=["PUT"]),
            Route(one, self.patch, methods=["PATCH"]),
            Route(one, self.delete, methods=["DELETE"]),
            Route(one + "/getLogs", self.logs, methods=["POST"]),
        ]


def _split(text: str) -> tuple[str, str]:
    name, _, version = text.removeprefix("azureml:").partition(":")
    return name, version or "?"
