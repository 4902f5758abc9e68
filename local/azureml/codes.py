"""Code assets: snapshots of a folder in blob storage that a command job runs in."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.azureml.arm import bad_request, json_body, not_found, properties_of, reply
from local.azureml.assets import Assets, paths_fixed
from local.azureml.context import Context
from local.azureml.data import Data
from local.azureml.storage import DataError


class Code(Assets):
    def __init__(self, context: Context, data: Data) -> None:
        super().__init__(context, "code", "codes")
        self._data = data

    def download(self, arm_id: str, target: Path) -> None:
        """Blocking."""
        found = self.by_id(arm_id)
        if found is None:
            raise DataError(f"The code asset {arm_id} does not exist.")
        self._data.download(found["properties"]["codeUri"], target)

    async def put(self, request: Request) -> Response:
        name, version = request.path_params["name"], request.path_params["version"]
        self.check(name, version)
        given = properties_of(await json_body(request))
        if not given.get("codeUri"):
            raise bad_request("The field 'codeUri' is required.")
        before = self.find(name, version)
        if before and before["properties"]["codeUri"] != given["codeUri"]:
            raise paths_fixed()
        properties = {
            "description": given.get("description"),
            "tags": given.get("tags") or {},
            "properties": given.get("properties") or {},
            "isArchived": bool(given.get("isArchived")),
            "isAnonymous": bool(given.get("isAnonymous")),
            "codeUri": given["codeUri"],
        }
        doc, new = self.save(name, version, properties)
        headers = {"Location": self.c.location_header(request)} if new else {}
        return reply(self.version_resource(doc), 201 if new else 200, headers)

    async def get(self, request: Request) -> Response:
        name, version = request.path_params["name"], request.path_params["version"]
        found = self.find(name, version)
        if found is None:
            raise not_found(f"Code version {name}:{version} not found.", "NotFound", "CodeVersionNotFound")
        return reply(self.version_resource(found))

    async def versions(self, request: Request) -> Response:
        name = request.path_params["name"]
        if self.container(name) is None:
            raise not_found(f"Code container {name} not found.", "NotFound", "CodeContainerNotFound")
        return reply(self.list_versions(request, name))

    def routes(self) -> list[Route]:
        one = "/ws/codes/{name}/versions/{version}"
        return [
            Route("/ws/codes/{name}/versions", self.versions, methods=["GET"]),
            Route(one, self.get, methods=["GET"]),
            Route(one, self.put, methods=["PUT"]),
        ]
