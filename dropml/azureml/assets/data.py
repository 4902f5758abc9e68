"""Data assets: uri_file, uri_folder and mltable versions, and reading one into a folder for a job."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Protocol

import requests
from starlette.requests import Request
from starlette.responses import Response

from dropml.azureml.assets.versions import Versions, common, paths_fixed
from dropml.azureml.core.arm import ArmError, bad_request, not_found
from dropml.azureml.core.context import Context
from dropml.azureml.core.fields import json_body, properties_of
from dropml.azureml.core.store import Doc
from dropml.azureml.workspace.datastores import Datastores
from dropml.azureml.workspace.storage import DataError, datastore_path

_TYPES = {"uri_file", "uri_folder", "mltable"}


class JobOutputs(Protocol):
    """What assets take from jobs."""

    def local(self, uri: str) -> Path | None:
        """The file or folder that a URI of a job's output names; None for other URIs, DataError if it isn't there."""

    def stored_uri(self, uri: str) -> str | None:
        """The datastore URI of a job's output; None for other URIs."""

    def publish_uri(self, uri: str) -> None:
        """See that a job's output lies in its datastore."""


class Data(Versions):
    kind, label, segments = "data", "data", ("data", "versions")
    container_verbs = ("GET", "PUT", "DELETE")
    shown_above = ("dataType",)
    unset = None

    def __init__(self, context: Context, datastores: Datastores, jobs: JobOutputs) -> None:
        super().__init__(context)
        self._datastores, self.storage, self.jobs = datastores, datastores.storage, jobs

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
        if (output := self.jobs.local(uri)) is not None:
            return _copy(output, target)
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

    def data_type(self, uri: str) -> str | None:
        asset = self.by_id(uri)
        return str(asset["properties"]["dataType"]) if asset else None

    # -- the wire ------------------------------------------------------------------------------------------

    def missing(self, key: str) -> ArmError:
        text = f"Data version {key.replace('/', ':')} not found."
        return not_found(text, "NotFound", "DataVersionNotFound")

    def missing_container(self, name: str) -> ArmError:
        return not_found(f"Data container {name} not found.", "NotFound", "DataContainerNotFound")

    async def put(self, request: Request) -> Response:
        name, version = self.named(request)
        doc, new = self.register(name, version, properties_of(await json_body(request)))
        return self.stored(doc, request, new=new)

    def register(self, name: str, version: str, given: Doc) -> tuple[Doc, bool]:
        """Store a version; it, and whether it is new. Raises ArmError."""
        properties = self._normal(given)
        before = self.get_doc(f"{name}/{version}")
        if before:
            old = before["properties"]
            if (old["dataUri"], old["dataType"]) != (properties["dataUri"], properties["dataType"]):
                raise paths_fixed()
        return self.save(name, version, properties)

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
            **common(given),
            "autoDeleteSetting": given.get("autoDeleteSetting"),
            "dataUri": self.long_uri(uri, folder=kind != "uri_file"),
            "stage": given.get("stage"),
            "intellectualProperty": None,
            "dataType": kind,
        }
        if kind == "mltable":
            properties["referencedUris"] = given.get("referencedUris")
        return properties

    def shape(self, doc: Doc) -> Doc:
        found = super().shape(doc)
        for key in ("lastModifiedBy", "lastModifiedByType"):
            del found["systemData"][key]
        return found


def _copy(source: Path, target: Path) -> int:
    """Raises DataError for a link that would bring in what lies elsewhere."""
    real = source.resolve()
    for path in (source, *source.rglob("*")):
        if path.is_symlink() and real not in path.resolve().parents:
            raise DataError(f"{path.name} is a link that leaves the job's output.")
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
        return sum(1 for p in target.rglob("*") if p.is_file())
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)
    return 1


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
