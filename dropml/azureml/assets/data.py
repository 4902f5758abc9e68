"""Data assets: uri_file, uri_folder and mltable versions, and reading one into a folder for a job."""

from __future__ import annotations

from pathlib import Path

import requests
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.assets.assets import Assets, paths_fixed
from dropml.azureml.core.arm import ArmError, bad_request, not_found, reply
from dropml.azureml.core.context import Context
from dropml.azureml.core.fields import json_body, properties_of
from dropml.azureml.core.store import Doc
from dropml.azureml.workspace.datastores import DEFAULT, Datastores
from dropml.azureml.workspace.storage import DataError, datastore_path

_TYPES = {"uri_file", "uri_folder", "mltable"}


class Data(Assets):
    def __init__(self, context: Context, datastores: Datastores) -> None:
        super().__init__(context, "data", "data", ("dataType",))
        self._datastores, self.storage = datastores, datastores.storage

    # -- URIs ----------------------------------------------------------------------------------------------

    def long_uri(self, uri: str, *, folder: bool = False, group: str = "resourcegroups") -> str:
        """The service's own form of a datastore URI; http(s) URIs stay. Checks that the datastore exists."""
        found = datastore_path(uri)
        if found is None:
            return uri
        s = self.c.settings
        mine = f"azureml://subscriptions/{s.subscription}/resourcegroups/{s.resource_group}/workspaces/{s.workspace}/"
        if uri.lower().startswith("azureml://subscriptions/") and not uri.lower().startswith(mine.lower()):
            raise bad_request(f"The URI '{uri}' belongs to another workspace.")
        store, path = found
        self._datastores.container_of(store)
        slash = "/" if folder and not path.endswith("/") else ""
        base = f"azureml://subscriptions/{s.subscription}/{group}/{s.resource_group}/workspaces/{s.workspace}"
        return f"{base}/datastores/{store}/paths/{path}{slash}"

    def download(self, uri: str, target: Path) -> int:
        """Files of a URI, data id or datastore path into a folder. Blocking; DataError tells what is wrong."""
        asset = self.by_id(uri)
        if asset is not None:
            uri = asset["properties"]["dataUri"]
        elif uri.lower().startswith("/subscriptions/") or (uri.startswith("azureml:") and "//" not in uri):
            raise DataError(f"The data asset {uri} does not exist.")
        if (found := datastore_path(uri)) is not None:
            try:
                container = self._datastores.container_of(found[0])
            except ArmError as error:
                raise DataError(error.message) from None
            return self.storage.download(container, found[1], target)
        uri = self._datastores.proxy.own_url(uri)
        if (inside := self.storage.locate(uri)) is not None:
            return self.storage.download(inside[0], inside[1], target)
        if uri.startswith(("http://", "https://")):
            return _download_http(uri, target)
        raise DataError(
            f"The URI '{uri}' is of no kind that can be read: use a datastore path or an https URL."
        )

    def upload(self, folder: Path, path: str) -> None:
        """A folder into the default datastore. Blocking."""
        self.storage.upload(folder, self._datastores.container_of(DEFAULT), path)

    def data_type(self, uri: str) -> str | None:
        asset = self.by_id(uri)
        return str(asset["properties"]["dataType"]) if asset else None

    # -- routes --------------------------------------------------------------------------------------------

    async def put_version(self, request: Request) -> Response:
        name, version = request.path_params["name"], request.path_params["version"]
        self.check(name, version)
        given = properties_of(await json_body(request))
        properties = self._normal(given)
        before = self.find(name, version)
        if before:
            old = before["properties"]
            if (old["dataUri"], old["dataType"]) != (properties["dataUri"], properties["dataType"]):
                raise paths_fixed()
        doc, new = self.save(name, version, properties)
        headers = {"Location": self.c.location_header(request)} if new else {}
        return reply(self._shape(doc), 201 if new else 200, headers)

    def _normal(self, given: Doc) -> Doc:
        kind = str(given.get("dataType") or "").lower()
        if kind not in _TYPES:
            raise bad_request(
                f"The dataType '{given.get('dataType')}' is invalid: use uri_file, uri_folder or mltable."
            )
        uri = given.get("dataUri")
        if not isinstance(uri, str) or not uri:
            raise bad_request("The field 'dataUri' is required.")
        properties = {
            "description": given.get("description"),
            "tags": given.get("tags") or {},
            "properties": given.get("properties") or {},
            "isArchived": bool(given.get("isArchived")),
            "isAnonymous": bool(given.get("isAnonymous")),
            "autoDeleteSetting": given.get("autoDeleteSetting"),
            "dataUri": self.long_uri(uri, folder=kind != "uri_file"),
            "stage": given.get("stage"),
            "intellectualProperty": None,
            "dataType": kind,
        }
        if kind == "mltable":
            properties["referencedUris"] = given.get("referencedUris")
        return properties

    def _shape(self, doc: Doc) -> Doc:
        found = self.version_resource(doc)
        for key in ("lastModifiedBy", "lastModifiedByType"):
            del found["systemData"][key]
        return found

    def _version(self, request: Request) -> Doc:
        name, version = request.path_params["name"], request.path_params["version"]
        found = self.find(name, version)
        if found is None:
            raise not_found(f"Data version {name}:{version} not found.", "NotFound", "DataVersionNotFound")
        return found

    async def get_version(self, request: Request) -> Response:
        return reply(self._shape(self._version(request)))

    async def delete_one(self, request: Request) -> Response:
        found = self.delete_version(request.path_params["name"], request.path_params["version"])
        return Response(None, 200 if found else 204)

    async def get_container(self, request: Request) -> Response:
        return reply(self.container_resource(self._container(request)))

    def _container(self, request: Request) -> Doc:
        name = request.path_params["name"]
        found = self.container(name)
        if found is None:
            raise not_found(f"Data container {name} not found.", "NotFound", "DataContainerNotFound")
        return found

    async def put_container(self, request: Request) -> Response:
        name = request.path_params["name"]
        self.check(name, "1")
        doc, new = self.update_container(name, properties_of(await json_body(request)))
        return reply(self.container_resource(doc), 201 if new else 200)

    async def delete_all(self, request: Request) -> Response:
        return Response(None, 200 if self.delete_container(request.path_params["name"]) else 204)

    async def versions(self, request: Request) -> Response:
        self._container(request)
        return reply(self.list_versions(request, request.path_params["name"]))

    async def containers(self, request: Request) -> Response:
        return reply(self.list_containers(request))

    def routes(self) -> list[Route]:
        one, version = "/ws/data/{name}", "/ws/data/{name}/versions/{version}"
        return [
            Route("/ws/data", self.containers, methods=["GET"]),
            Route(one, self.get_container, methods=["GET"]),
            Route(one, self.put_container, methods=["PUT"]),
            Route(one, self.delete_all, methods=["DELETE"]),
            Route(one + "/versions", self.versions, methods=["GET"]),
            Route(version, self.get_version, methods=["GET"]),
            Route(version, self.put_version, methods=["PUT"]),
            Route(version, self.delete_one, methods=["DELETE"]),
        ]


def _download_http(url: str, target: Path) -> int:
    try:
        with requests.get(url, stream=True, timeout=(5, 60)) as answer:
            answer.raise_for_status()
            target.mkdir(parents=True, exist_ok=True)
            with (target / (url.split("?", maxsplit=1)[0].rstrip("/").rpartition("/")[2] or "data")).open(
                "wb"
            ) as file:
                for chunk in answer.iter_content(1 << 20):
                    file.write(chunk)
    except requests.RequestException as error:
        raise DataError(f"The URL {url.split('?', maxsplit=1)[0]} can't be read: {error}") from error
    return 1
