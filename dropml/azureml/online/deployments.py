"""Managed online deployments: a model behind an endpoint, its logs, its end."""

from __future__ import annotations

import asyncio
import logging
import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.assets.models import Models
from dropml.azureml.core.arm import ArmError, bad_request, not_found, reply
from dropml.azureml.core.fields import ENDPOINT_NAME, check_name, json_body, one_of, properties_of
from dropml.azureml.core.operations import Form, OperationFailedError
from dropml.azureml.core.resources import LongRunning
from dropml.azureml.core.store import Doc
from dropml.azureml.online.endpoints import OnlineEndpoints
from dropml.azureml.online.process import EndpointDownError
from dropml.azureml.online.shapes import MAX_DEPLOYMENTS, deployment_properties, deployment_resource, sku
from dropml.azureml.workspace.storage import DataError
from dropml.common.logs import tail

log = logging.getLogger(__name__)
_LOAD_SECONDS = 180.0
#: How often a deployment's process may end while the model loads before the deployment fails.
_STARTS = 3
_PAUSE_SECONDS = 1.0
_GUIDE = "Please see troubleshooting guide, available here: https://aka.ms/oe-tsg#error-resourcenotready"


class OnlineDeployments(LongRunning):
    kind, label, segments = "deployment", "deployment", ("onlineEndpoints", "deployments")
    names = ("endpoint", "name")
    verbs = ("GET", "PUT", "PATCH", "DELETE")
    put_form = delete_form = Form("odidp")

    def __init__(self, endpoints: OnlineEndpoints, models: Models) -> None:
        super().__init__(endpoints.c)
        self._endpoints, self._models = endpoints, models

    def find(self, key: str) -> Doc:
        self._endpoints.find(key.partition("/")[0])
        return super().find(key)

    def missing(self, key: str) -> ArmError:
        endpoint, _, name = key.partition("/")
        return not_found(
            f"Online deployment {name} does not exist under the endpoint {endpoint}.",
            "NotFound",
            "OnlineDeploymentNotFound",
        )

    # -- PUT -----------------------------------------------------------------------------------------------

    async def put(self, request: Request) -> Response:
        name = request.path_params["name"]
        endpoint = self._endpoints.find(request.path_params["endpoint"])
        check_name("deployment", name, ENDPOINT_NAME)
        body = await json_body(request)
        properties = deployment_properties(properties_of(body))
        self._endpoints.idle(endpoint)
        model = self._model(properties)
        if code := properties["codeConfiguration"]:
            properties["codeName"] = self._endpoints.scripts.code_name(code["codeId"])
        if properties["environmentId"]:
            self._endpoints.scripts.environments.required(properties["environmentId"])
        before = self.get_doc(self.key(request))
        self.idle(before)
        if before is None and self.c.store.count("deployment", endpoint["name"]) >= MAX_DEPLOYMENTS:
            raise bad_request(f"The endpoint has {MAX_DEPLOYMENTS} deployments already, which is the most.")
        doc = (before or {"endpoint": endpoint["name"], "name": name, "live": None}) | {
            "properties": properties,
            "model": f"{model['name']}:{model['version']}" if model else None,
            "tags": body.get("tags") or {},
            "location": body.get("location") or self.c.settings.location,
            "sku": sku(body.get("sku")),
            **self.dated(before),
            "state": "Updating" if before else "Creating",
        }
        doc["properties"]["properties"].pop("AzureAsyncOperationUri", None)
        headers = self.begin("put", doc, request)
        return reply(deployment_resource(self.c, doc, answer_to_put=True), 201, headers)

    def _model(self, properties: Doc) -> Doc | None:
        """The registered model; None for a script without one. ArmError for a model that can't be served."""
        if not properties["model"]:
            return None
        model = self._models.by_id(properties["model"])
        if model is None:
            text = properties["model"].rpartition("/models/")[2].replace("/versions/", ":")
            raise self._models.missing(_key(text))
        if model["properties"]["modelType"] != "mlflow_model" and not properties["codeConfiguration"]:
            raise bad_request(
                f"The model is a {model['properties']['modelType']}: without environmentId and codeConfiguration "
                "only an mlflow_model can be deployed.",
                "BadArgument",
                "ModelNotMlflow",
            )
        return model

    async def work_put(self, operation: Doc) -> None:
        """A process that ends while it loads is started again, as the service starts a container again."""
        await self._fetch_code(operation["target"])
        for attempt in range(1, _STARTS + 1):
            try:
                await self._load(operation)
            except EndpointDownError as error:
                if attempt == _STARTS:
                    raise OperationFailedError(f"{error} {_GUIDE}", "ResourceNotReady") from None
                log.warning("deployment %s: start %d: %s", operation["target"], attempt, error)
                await asyncio.sleep(attempt * _PAUSE_SECONDS)
            else:
                return

    async def _fetch_code(self, key: str) -> None:
        doc = self.get_doc(key)
        try:
            if doc is not None:
                await self._endpoints.scripts.fetch(doc["properties"])
        except DataError as error:
            raise OperationFailedError(
                f"The deployment's code can't be had: {error}", "BadArgument"
            ) from None

    async def _load(self, operation: Doc) -> None:
        """Raises OperationFailedError for the model's fault, EndpointDownError for the process' end."""
        endpoint, _, name = operation["target"].partition("/")
        deadline = time.monotonic() + _LOAD_SECONDS
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
        raise OperationFailedError(
            f"The model was not loaded within {_LOAD_SECONDS:.0f} s. {_GUIDE}", "ResourceNotReady"
        )

    def settle_put(self, operation: Doc, failure: OperationFailedError | None) -> None:
        def apply(doc: Doc) -> None:
            doc["state"] = "Failed" if failure else "Succeeded"
            if not failure:
                doc["live"] = doc["properties"]

        self.c.store.update("deployment", operation["target"], apply)

    # -- reads ---------------------------------------------------------------------------------------------

    def shape(self, doc: Doc) -> Doc:
        return deployment_resource(self.c, doc)

    def shown(self, doc: Doc, request: Request) -> Doc:
        return deployment_resource(self.c, doc, request.query_params["api-version"])

    async def all(self, request: Request) -> Response:
        self._endpoints.find(request.path_params["endpoint"])
        return await super().all(request)

    async def patch(self, request: Request) -> Response:
        """Tags and the number of instances."""
        doc = self.find(self.key(request))
        self.idle(doc)
        body = await json_body(request)
        doc |= {"tags": doc["tags"] | (body.get("tags") or {}), "modified": self.c.clock.now()}
        if body.get("sku"):
            doc["sku"] = sku(doc["sku"] | body["sku"])
        self.put_doc(doc)
        return reply(self.shape(doc))

    async def logs(self, request: Request) -> Response:
        doc = self.find(self.key(request))
        body = await json_body(request)
        kind = body.get("containerType") or "InferenceServer"
        one_of(kind, ("InferenceServer", "StorageInitializer"), "containerType")
        lines = int(body.get("tail") or 5000)
        if str(kind).lower() == "storageinitializer":
            return reply({"content": f"Model {doc['model']} is in place.\n" if doc["model"] else ""})
        path = self._endpoints.log_file(doc["endpoint"], doc["name"])
        return reply({"content": await asyncio.to_thread(tail, path, lines)})

    # -- DELETE --------------------------------------------------------------------------------------------

    async def delete(self, request: Request) -> Response:
        self._endpoints.find(request.path_params["endpoint"])
        return await super().delete(request)

    def removable(self, doc: Doc) -> None:
        endpoint = self._endpoints.find(doc["endpoint"])
        self._endpoints.idle(endpoint)
        share = endpoint["properties"]["traffic"].get(doc["name"])
        mirrored = endpoint["properties"]["mirrorTraffic"].get(doc["name"])
        if share or mirrored:
            raise bad_request(
                f"Deployment {doc['name']} has {share or mirrored} percent of the endpoint's traffic and cannot be "
                "deleted: set its traffic to 0 first.",
                "BadArgument",
                "DeploymentHasTraffic",
            )

    async def work_delete(self, operation: Doc) -> None:
        try:
            await self._endpoints.processes.reload(operation["target"].partition("/")[0])
        except EndpointDownError as error:
            raise OperationFailedError(str(error), "ResourceNotReady") from None

    def settle_delete(self, operation: Doc, failure: OperationFailedError | None) -> None:
        if failure:
            self.c.store.update("deployment", operation["target"], lambda d: d.update(state="Failed"))
            return
        endpoint, _, name = operation["target"].partition("/")
        self.c.store.delete("deployment", operation["target"])

        def forget(doc: Doc) -> None:
            for weights in ("traffic", "mirrorTraffic"):
                doc["properties"][weights].pop(name, None)

        self.c.store.update("endpoint", endpoint, forget)

    def routes(self) -> list[Route]:
        logs = "/ws/onlineEndpoints/{endpoint}/deployments/{name}/getLogs"
        return [*super().routes(), Route(logs, self.logs, methods=["POST"])]


def _key(text: str) -> str:
    name, _, version = text.removeprefix("azureml:").partition(":")
    return f"{name}/{version or '?'}"
