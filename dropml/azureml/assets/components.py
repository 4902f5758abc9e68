"""Components: command and pipeline specs, anonymous ones addressed by their content."""

from __future__ import annotations

import json
import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.assets.assets import Assets
from dropml.azureml.core.arm import ArmError, bad_request, not_found, reply
from dropml.azureml.core.context import Context
from dropml.azureml.core.fields import json_body, properties_of
from dropml.azureml.core.store import Doc

ANONYMOUS = "azureml_anonymous"
_CONTENT = uuid.UUID("5c6f1f0e-8f3b-5f0a-9d43-0a6a2f8b7f11")
_TYPES = ("command", "pipeline")


def missing_component(arm_id: str) -> ArmError:
    """As recorded for a pipeline job that names a missing component: 404 on the PUT itself, code NotFound."""
    name, _, version = arm_id.rpartition("/components/")[2].partition("/versions/")
    message = f"key: {arm_id}, Message: Not found component {name} (version: {version})."
    return ArmError(404, message, "NotFound")


def _texts(value: Any) -> Any:
    """Booleans and numbers come back as strings."""
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, dict):
        return {k: _texts(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_texts(v) for v in value]
    return value


class Components(Assets):
    def __init__(self, context: Context) -> None:
        super().__init__(context, "component", "components")

    def spec(self, arm_id: str) -> Doc:
        """The full spec of a component; 404 as a pipeline job's PUT answers it."""
        found = self.by_id(arm_id)
        if found is None:
            raise missing_component(arm_id)
        return dict(found["spec"])

    def _shape(self, doc: Doc) -> Doc:
        spec = {k: v for k, v in doc["spec"].items() if k not in ("jobs", "_source", "sourceJobId")}
        spec |= {"name": doc["name"], "version": doc["version"]}
        spec.setdefault("is_deterministic", False)
        resource = self.version_resource(doc)
        resource["properties"] = {**doc["properties"], "componentSpec": _texts(spec)}
        return resource

    async def put(self, request: Request) -> Response:
        name, version = request.path_params["name"], request.path_params["version"]
        self.check(name, version)
        given = properties_of(await json_body(request))
        spec = given.get("componentSpec")
        if not isinstance(spec, dict) or spec.get("type") not in _TYPES:
            raise bad_request(f"The field 'componentSpec' needs a type of {', '.join(_TYPES)}.")
        self._check_spec(spec)
        anonymous = bool(given.get("isAnonymous"))
        if anonymous:
            content = {k: v for k, v in spec.items() if k not in ("name", "version", "_source")}
            version = str(uuid.uuid5(_CONTENT, json.dumps(content, sort_keys=True)))
        before = self.find(name, version)
        if before and not anonymous and before["spec"] != spec:
            raise bad_request(
                f"Component {name}:{version} already exists with another specification. A version can't be "
                "changed: use a new one.",
                "BadArgument",
                "Immutable",
            )
        properties = {
            "description": None,
            "tags": given.get("tags") or {},
            "properties": given.get("properties") or {},
            "isArchived": bool(given.get("isArchived")),
            "isAnonymous": anonymous,
        }
        doc, new = self.save(name, version, properties, spec=spec)
        status = 201 if new or anonymous else 200
        headers = {"Location": self.c.location_header(request)} if status == 201 else {}
        return reply(self._shape(doc), status, headers)

    def _check_spec(self, spec: Doc) -> None:
        if spec["type"] == "command" and not spec.get("command"):
            raise bad_request("A command component needs a 'command'.")
        for node in (spec.get("jobs") or {}).values():
            if node.get("componentId"):
                self.spec(node["componentId"])

    async def get(self, request: Request) -> Response:
        name, version = request.path_params["name"], request.path_params["version"]
        found = self.find(name, version)
        if found is None:
            raise not_found(f"Not found component {name} (version: {version}).")
        return reply(self._shape(found))

    async def versions(self, request: Request) -> Response:
        name = request.path_params["name"]
        if self.container(name) is None:
            raise not_found(f"Not found component {name}.")
        found = self.list_versions(request, name)
        return reply(found)

    async def containers(self, request: Request) -> Response:
        return reply(self.list_containers(request))

    async def get_container(self, request: Request) -> Response:
        found = self.container(request.path_params["name"])
        if found is None:
            raise not_found(f"Not found component {request.path_params['name']}.")
        return reply(self.container_resource(found))

    async def delete_one(self, request: Request) -> Response:
        found = self.delete_version(request.path_params["name"], request.path_params["version"])
        return Response(None, 200 if found else 204)

    def list_versions(self, request: Request, name: str) -> Doc:
        found = super().list_versions(request, name)
        found["value"] = [
            self._shape(doc) for doc in (self.find(name, v["name"]) for v in found["value"]) if doc
        ]
        return found

    def routes(self) -> list[Route]:
        one, version = "/ws/components/{name}", "/ws/components/{name}/versions/{version}"
        return [
            Route("/ws/components", self.containers, methods=["GET"]),
            Route(one, self.get_container, methods=["GET"]),
            Route(one + "/versions", self.versions, methods=["GET"]),
            Route(version, self.get, methods=["GET"]),
            Route(version, self.put, methods=["PUT"]),
            Route(version, self.delete_one, methods=["DELETE"]),
        ]
