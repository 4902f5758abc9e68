"""Managed online endpoints: create, traffic, keys, tokens, delete."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

import jwt
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.assets.models import Models
from dropml.azureml.core.arm import ArmError, bad_request, not_found, reply
from dropml.azureml.core.context import Context
from dropml.azureml.core.fields import ENDPOINT_NAME, check_name, json_body, one_of, properties_of, seconds
from dropml.azureml.core.listing import Fits, Of, conditions
from dropml.azureml.core.operations import Form, Kind, OperationFailedError
from dropml.azureml.core.resources import LongRunning
from dropml.azureml.core.store import Doc
from dropml.azureml.online.ordered import ordered_answers
from dropml.azureml.online.process import EndpointDownError, EndpointProcesses
from dropml.azureml.online.scripts import Scripts
from dropml.azureml.online.shapes import endpoint_properties, endpoint_resource

#: Recorded: a token lives 12 hours past the moment from which it should be refreshed, less 31 s.
_TOKEN_SECONDS, _REFRESH_SECONDS = 24 * 3600, 24 * 3600 - 43169


def _key() -> str:
    return secrets.token_urlsafe(24)


class OnlineEndpoints(LongRunning):
    kind, label, segments = "endpoint", "endpoint", ("onlineEndpoints",)
    verbs = ("GET", "PUT", "PATCH", "DELETE")
    put_form = delete_form = Form("oeidp")

    def __init__(self, context: Context, models: Models, scripts: Scripts) -> None:
        super().__init__(context)
        self._models, self.scripts = models, scripts
        self.processes = EndpointProcesses(context, self.served)
        context.operations.register("endpoint.keys", Kind(self.put_form, self.work_put, self.settle_put))

    def filters(self, query: Mapping[str, str]) -> list[Fits]:
        values: dict[str, Of] = {"name": lambda doc: doc["name"], "computeType": lambda _: "Managed"}
        pairs: dict[str, Of] = {
            "tags": lambda doc: doc["tags"], "properties": lambda doc: doc["properties"]["properties"],
        }  # fmt: skip
        return conditions(query, values, pairs)

    # -- state ---------------------------------------------------------------------------------------------

    def missing(self, key: str) -> ArmError:
        return not_found(f"Online endpoint {key} does not exist.", "NotFound", "OnlineEndpointNotFound")

    def deployments(self, endpoint: str) -> list[Doc]:
        return [d for _, _, d in self.c.store.find("deployment", parent=endpoint, oldest_first=True)]

    def served(self, endpoint: Doc) -> Doc:
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
        found = self._models.by_id(properties["model"]) if properties["model"] else None
        name, version = (found["name"], found["version"]) if found else ("absent", "0")
        model_dir = self._models.folder(name, version) if properties["model"] else None
        mounts = self.processes.folder(endpoint) / "app"
        settings = properties["requestSettings"]
        timeout = seconds(settings["requestTimeout"], "requestTimeout")
        return {
            **self.scripts.served(properties, found, mounts),
            **ordered_answers(self.c, endpoint, doc["name"]),
            "model_dir": str(model_dir) if model_dir else None,
            "models_dir": str(self.c.folder("models")),
            "model": f"{name}:{version}" if properties["model"] else "",
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
        before = self.get_doc(name)
        self.idle(before)
        states = {d["name"]: d["state"] for d in self.deployments(name)}
        properties = endpoint_properties(given, states)
        if before and before["properties"]["authMode"] != properties["authMode"]:
            raise bad_request(
                "The authMode of an existing endpoint can't be changed.", "BadArgument", "Immutable"
            )
        for own in ("azureml.onlineendpointid", "AzureAsyncOperationUri"):
            properties["properties"].pop(own, None)
        doc = before or {
            "name": name,
            "keys": [_key(), _key()],
            "token_secret": _key(),
            "admin_secret": _key(),
            "port": None,
            "location": body.get("location") or self.c.settings.location,
        }
        doc |= {
            "properties": properties,
            "tags": body.get("tags") or {},
            **self.dated(before),
            "fresh": before is None,
            "state": "Updating" if before else "Creating",
        }
        headers = self.begin("put", doc, request)
        return reply(endpoint_resource(self.c, doc, None, answer_to_put=True), 201, headers)

    async def work_put(self, operation: Doc) -> None:
        try:
            await self.processes.reload(operation["target"])
        except EndpointDownError as error:
            raise OperationFailedError(str(error), "ResourceNotReady") from None

    def settle_put(self, operation: Doc, failure: OperationFailedError | None) -> None:
        state = "Failed" if failure else "Succeeded"
        self.c.store.update(self.kind, operation["target"], lambda d: d.update(state=state, fresh=False))

    # -- reads ---------------------------------------------------------------------------------------------

    def shape(self, doc: Doc) -> Doc:
        return endpoint_resource(self.c, doc, self.processes.url(doc))

    async def patch(self, request: Request) -> Response:
        """Tags only; everything else goes through PUT."""
        doc = self.find(self.key(request))
        self.idle(doc)
        body = await json_body(request)
        doc = doc | {"tags": doc["tags"] | (body.get("tags") or {}), "modified": self.c.clock.now()}
        self.put_doc(doc)
        return reply(self.shape(doc))

    # -- keys and tokens -----------------------------------------------------------------------------------

    async def list_keys(self, request: Request) -> Response:
        doc = self.find(self.key(request))
        if doc["properties"]["authMode"] != "Key":
            raise bad_request(f"The endpoint's authMode is {doc['properties']['authMode']}: it has no keys.")
        return reply({"primaryKey": doc["keys"][0], "secondaryKey": doc["keys"][1]})

    async def regenerate_keys(self, request: Request) -> Response:
        """One key anew, at random or as given; in force when the operation has succeeded."""
        doc = self.find(self.key(request))
        self.idle(doc)
        if doc["properties"]["authMode"] != "Key":
            raise bad_request(f"The endpoint's authMode is {doc['properties']['authMode']}: it has no keys.")
        body = await json_body(request)
        kind = one_of(body.get("keyType"), ("Primary", "Secondary"), "keyType")
        index = 0 if kind == "Primary" else 1
        given = body.get("keyValue")
        # azure-ai-ml sends the present key as keyValue and means a new one.
        doc["keys"][index] = given if given and given != doc["keys"][index] else _key()
        doc["state"] = "Updating"
        return reply(None, 202, self.begin("keys", doc, request))

    async def token(self, request: Request) -> Response:
        doc = self.find(self.key(request))
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

    async def work_delete(self, operation: Doc) -> None:
        await self.processes.stop(operation["target"])
        shutil.rmtree(self.processes.folder(operation["target"]), ignore_errors=True)

    def remove(self, key: str) -> bool:
        for _, deployment, _ in self.c.store.find("deployment", parent=key):
            self.c.store.delete("deployment", deployment)
        return super().remove(key)

    async def hold(self) -> None:
        """Take in every endpoint that no operation is about to make or to end; `processes.resume` brings them back."""
        rows = self.c.store.find(self.kind, oldest_first=True)
        await self.processes.hold([n for _, n, doc in rows if doc["state"] not in ("Creating", "Deleting")])

    async def get(self, request: Request) -> Response:
        self.processes.comeback.first(self.key(request))
        return await super().get(request)

    def routes(self) -> list[Route]:
        one = "/ws/onlineEndpoints/{name}"
        return [
            *super().routes(),
            Route(one + "/listKeys", self.list_keys, methods=["POST"]),
            Route(one + "/regenerateKeys", self.regenerate_keys, methods=["POST"]),
            Route(one + "/token", self.token, methods=["POST"]),
        ]
