"""Managed online endpoints: create, traffic, keys, tokens, delete."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

import jwt
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.assets.models import Models
from dropml.azureml.core.arm import bad_request, conflict, not_found, page, reply
from dropml.azureml.core.context import Context
from dropml.azureml.core.fields import ENDPOINT_NAME, check_name, json_body, one_of, properties_of, seconds
from dropml.azureml.core.operations import Kind, OperationFailedError
from dropml.azureml.core.store import Doc
from dropml.azureml.online.process import EndpointDownError, EndpointProcesses
from dropml.azureml.online.shapes import endpoint_properties, endpoint_resource

#: Recorded: a token lives 12 hours past the moment from which it should be refreshed, less 31 s.
_TOKEN_SECONDS, _REFRESH_SECONDS = 24 * 3600, 24 * 3600 - 43169


def _key() -> str:
    return secrets.token_urlsafe(24)


class OnlineEndpoints:
    def __init__(self, context: Context, models: Models) -> None:
        self.c, self._models = context, models
        self.processes = EndpointProcesses(context, self.config)
        kinds = {
            "endpoint.put": (self._work_put, self._settle_put),
            "endpoint.delete": (self._work_delete, self._settle_delete),
            "endpoint.keys": (self._work_keys, self._settle_keys),
        }
        for name, (work, settle) in kinds.items():
            context.operations.register(name, Kind("oeidp", "Updating", work, settle))

    # -- state ---------------------------------------------------------------------------------------------

    def find(self, name: str) -> Doc:
        found = self.c.store.get("endpoint", name)
        if found is None:
            raise not_found(f"Online endpoint {name} does not exist.", "NotFound", "OnlineEndpointNotFound")
        return found

    def deployments(self, endpoint: str) -> list[Doc]:
        return [d for _, _, d in self.c.store.find("deployment", parent=endpoint, oldest_first=True)]

    def busy(self, endpoint: Doc) -> None:
        """409 while an operation on this endpoint is in progress."""
        if self.c.operations.pending(endpoint.get("operation")):
            raise conflict(
                f"The endpoint {endpoint['name']} has an operation in progress ({endpoint['state']}): wait for it.",
                "Conflict",
                "OperationInProgress",
            )

    def config(self, endpoint: Doc) -> Doc:
        """`endpoint.json` of docs/seams.md."""
        s = self.c.settings
        deployments = {}
        for d in self.deployments(endpoint["name"]):
            wanted = d["properties"] if d["state"] in ("Creating", "Updating") else d.get("live")
            if wanted and d["state"] != "Deleting":
                deployments[d["name"]] = self._deployment(endpoint["name"], d, wanted)
        traffic = endpoint["properties"]["traffic"]
        mirror = endpoint["properties"]["mirrorTraffic"]
        mode = endpoint["properties"]["authMode"]
        return {
            "name": endpoint["name"],
            "auth_mode": mode,
            "keys": endpoint["keys"],
            "token_secret": self.c.identity.secret if mode == "AADToken" else endpoint["token_secret"],
            "admin_secret": endpoint["admin_secret"],
            "traffic": {n: p for n, p in traffic.items() if n in deployments},
            "mirror_traffic": {n: p for n, p in mirror.items() if n in deployments},
            "swagger_title": endpoint["name"],
            "deployments": deployments,
            "app_insights_url": s.ingestion_url if s.http_port else None,
            "instrumentation_key": self.c.guid,
            "max_request_bytes": 1_572_864,
        }

    def _deployment(self, endpoint: str, doc: Doc, properties: Doc) -> Doc:
        found = self._models.by_id(properties["model"])
        name, version = (found["name"], found["version"]) if found else ("absent", "0")
        settings = properties["requestSettings"]
        timeout = seconds(settings["requestTimeout"], "requestTimeout")
        return {
            "model_dir": str(self._models.folder(name, version)),
            "model": f"{name}:{version}",
            "request_timeout_s": timeout,
            "app_insights": properties["appInsightsEnabled"],
            "log_file": str(self.log_file(endpoint, doc["name"])),
            "max_concurrent_requests": settings["maxConcurrentRequestsPerInstance"] * doc["sku"]["capacity"],
            # maxQueueWait is deprecated: time in the queue counts against the request's timeout.
            "max_queue_wait_s": timeout,
        }

    def log_file(self, endpoint: str, deployment: str) -> Path:
        return self.processes.folder(endpoint) / "logs" / f"{deployment}.log"

    # -- PUT -----------------------------------------------------------------------------------------------

    async def put(self, request: Request) -> Response:
        name = request.path_params["name"]
        check_name("endpoint", name, ENDPOINT_NAME)
        body = await json_body(request)
        given = properties_of(body)
        before = self.c.store.get("endpoint", name)
        if before:
            self.busy(before)
        states = {d["name"]: d["state"] for d in self.deployments(name)}
        properties = endpoint_properties(given, states)
        if before and before["properties"]["authMode"] != properties["authMode"]:
            raise bad_request(
                "The authMode of an existing endpoint can't be changed.", "BadArgument", "Immutable"
            )
        for own in ("azureml.onlineendpointid", "AzureAsyncOperationUri"):
            properties["properties"].pop(own, None)
        now = self.c.clock.now()
        doc = before or {
            "name": name,
            "created": now,
            "keys": [_key(), _key()],
            "token_secret": _key(),
            "admin_secret": _key(),
            "port": None,
            "location": body.get("location") or self.c.settings.location,
        }
        doc |= {
            "properties": properties,
            "tags": body.get("tags") or {},
            "modified": now,
            "fresh": before is None,
            "state": "Updating" if before else "Creating",
        }
        doc = self._begin("endpoint.put", doc, request)
        headers = self.c.operations.headers(
            self._operation(doc["operation"]), self.c.location_header(request)
        )
        return reply(endpoint_resource(self.c, doc, None, answer_to_put=True), 201, headers)

    def _begin(self, kind: str, doc: Doc, request: Request, **payload: object) -> Doc:
        with self.c.store.transaction():
            operation = self.c.operations.begin(
                kind, doc["name"], request.query_params["api-version"], **payload
            )
            doc |= {"operation": operation["id"], "operation_uri": self.c.operations.unsigned_url(operation)}
            self.c.store.put("endpoint", doc["name"], doc)
        return doc

    def _operation(self, key: str) -> Doc:
        found = self.c.store.get("operation", key)
        assert found is not None
        return found

    async def _work_put(self, operation: Doc) -> None:
        try:
            await self.processes.reload(operation["target"])
        except EndpointDownError as error:
            raise OperationFailedError(str(error), "ResourceNotReady") from None

    def _settle_put(self, operation: Doc, failure: OperationFailedError | None) -> None:
        state = "Failed" if failure else "Succeeded"
        self.c.store.update("endpoint", operation["target"], lambda d: d.update(state=state, fresh=False))

    # -- reads ---------------------------------------------------------------------------------------------

    def _shape(self, doc: Doc) -> Doc:
        return endpoint_resource(self.c, doc, self.processes.url(doc))

    async def get(self, request: Request) -> Response:
        return reply(self._shape(self.find(request.path_params["name"])))

    async def all(self, request: Request) -> Response:
        base = self.c.settings.base_url
        return reply(page(request, self.c.store, "endpoint", self._shape, base_url=base))

    async def patch(self, request: Request) -> Response:
        """Tags only; everything else goes through PUT."""
        doc = self.find(request.path_params["name"])
        self.busy(doc)
        body = await json_body(request)
        doc = doc | {"tags": doc["tags"] | (body.get("tags") or {}), "modified": self.c.clock.now()}
        self.c.store.put("endpoint", doc["name"], doc)
        return reply(self._shape(doc))

    # -- keys and tokens -----------------------------------------------------------------------------------

    async def list_keys(self, request: Request) -> Response:
        doc = self.find(request.path_params["name"])
        if doc["properties"]["authMode"] != "Key":
            raise bad_request(f"The endpoint's authMode is {doc['properties']['authMode']}: it has no keys.")
        return reply({"primaryKey": doc["keys"][0], "secondaryKey": doc["keys"][1]})

    async def regenerate_keys(self, request: Request) -> Response:
        """One key anew, at random or as given; in force when the operation has succeeded."""
        doc = self.find(request.path_params["name"])
        self.busy(doc)
        if doc["properties"]["authMode"] != "Key":
            raise bad_request(f"The endpoint's authMode is {doc['properties']['authMode']}: it has no keys.")
        body = await json_body(request)
        kind = one_of(body.get("keyType"), ("Primary", "Secondary"), "keyType")
        index = 0 if kind == "Primary" else 1
        given = body.get("keyValue")
        # azure-ai-ml sends the present key as keyValue and means a new one.
        doc["keys"][index] = given if given and given != doc["keys"][index] else _key()
        doc["state"] = "Updating"
        doc = self._begin("endpoint.keys", doc, request)
        return reply(None, 202, self.c.operations.headers(self._operation(doc["operation"])))

    async def _work_keys(self, operation: Doc) -> None:
        await self._work_put(operation)

    def _settle_keys(self, operation: Doc, failure: OperationFailedError | None) -> None:
        self._settle_put(operation, failure)

    async def token(self, request: Request) -> Response:
        doc = self.find(request.path_params["name"])
        mode = doc["properties"]["authMode"]
        if mode == "Key":
            raise bad_request("The endpoint's authMode is Key: it gives no tokens.")
        now = int(self.c.clock.now())
        if mode == "AADToken":
            text, expires = self.c.identity.issue("https://ml.azure.com", _TOKEN_SECONDS)
        else:
            expires = now + _TOKEN_SECONDS
            claims = {"sub": doc["name"], "iat": now, "nbf": now, "exp": expires}
            text = jwt.encode(claims, doc["token_secret"], algorithm="HS256")
        return reply(
            {
                "accessToken": text,
                "tokenType": "Bearer",
                "expiryTimeUtc": expires,
                "refreshAfterTimeUtc": now + _REFRESH_SECONDS,
            }
        )

    # -- DELETE --------------------------------------------------------------------------------------------

    async def delete(self, request: Request) -> Response:
        name = request.path_params["name"]
        doc = self.c.store.get("endpoint", name)
        if doc is None:
            return Response(None, 204)
        self.busy(doc)
        doc["state"] = "Deleting"
        doc = self._begin("endpoint.delete", doc, request)
        return reply(None, 202, self.c.operations.headers(self._operation(doc["operation"])))

    async def _work_delete(self, operation: Doc) -> None:
        await self.processes.stop(operation["target"])
        shutil.rmtree(self.processes.folder(operation["target"]), ignore_errors=True)

    def _settle_delete(self, operation: Doc, _failure: OperationFailedError | None) -> None:
        name = operation["target"]
        for _, key, _ in self.c.store.find("deployment", parent=name):
            self.c.store.delete("deployment", key)
        self.c.store.delete("endpoint", name)

    async def resume(self) -> None:
        """Start, or find again, the process of every endpoint."""
        for _, name, doc in self.c.store.find("endpoint", oldest_first=True):
            if doc["state"] in ("Creating", "Deleting"):
                continue
            try:
                await self.processes.reload(name)
            except EndpointDownError as error:
                self.c.store.update("endpoint", name, lambda d: d.update(state="Failed"))
                raise OperationFailedError(str(error)) from None

    def routes(self) -> list[Route]:
        one = "/ws/onlineEndpoints/{name}"
        return [
            Route("/ws/onlineEndpoints", self.all, methods=["GET"]),
            Route(one, self.get, methods=["GET"]),
            Route(one, self.put, methods=["PUT"]),
            Route(one, self.patch, methods=["PATCH"]),
            Route(one, self.delete, methods=["DELETE"]),
            Route(one + "/listKeys", self.list_keys, methods=["POST"]),
            Route(one + "/regenerateKeys", self.regenerate_keys, methods=["POST"]),
            Route(one + "/token", self.token, methods=["POST"]),
        ]
