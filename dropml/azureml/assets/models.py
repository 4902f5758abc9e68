"""Registered models: artifacts copied out of jobs or storage into DIR/models/name/version."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import yaml
from starlette.requests import Request
from starlette.responses import Response

from dropml.azureml.assets.data import Data
from dropml.azureml.assets.versions import Versions, common, paths_fixed
from dropml.azureml.core.arm import ArmError, bad_request
from dropml.azureml.core.context import Context
from dropml.azureml.core.fields import json_body, one_of, properties_of
from dropml.azureml.core.store import Doc
from dropml.azureml.workspace.storage import DataError

_TYPES = ("mlflow_model", "custom_model", "triton_model")


class Models(Versions):
    kind, label, segments = "model", "model", ("models", "versions")
    container_verbs = ("GET", "PUT")

    def __init__(self, context: Context, data: Data) -> None:
        super().__init__(context)
        self._data = data
        self._locks: dict[str, asyncio.Lock] = {}

    def folder(self, name: str, version: str) -> Path:
        return self.c.folder("models", name, version)

    def folder_of(self, arm_id: str) -> Path | None:
        """The files of a registered model, or None if the id names none."""
        found = self.by_id(arm_id)
        return self.folder(found["name"], found["version"]) if found else None

    # -- artifacts -----------------------------------------------------------------------------------------

    def _fetch(self, uri: str, target: Path) -> None:
        """Copy the artifacts; whole or not at all. Blocking."""
        scratch = target.with_name(target.name + ".part")
        shutil.rmtree(scratch, ignore_errors=True)
        self._data.download(uri, scratch)
        self._data.jobs.publish_uri(uri)
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch.rename(target)

    @staticmethod
    def _flavors(folder: Path) -> Doc:
        """What the MLmodel file says, in the service's shape: every value inside `data`."""
        path = folder / "MLmodel"
        if not path.is_file():
            raise DataError("The folder holds no file named MLmodel, so it is no MLflow model.")
        try:
            flavors = (yaml.safe_load(path.read_text()) or {}).get("flavors") or {}
        except yaml.YAMLError as error:
            raise DataError(f"The MLmodel file is not YAML: {error}") from error
        if not flavors:
            raise DataError("The MLmodel file names no flavor.")
        return {
            name: {"data": {k: v if isinstance(v, str) else str(v) for k, v in (values or {}).items()}}
            for name, values in flavors.items()
        }

    # -- the wire ------------------------------------------------------------------------------------------

    async def put(self, request: Request) -> Response:
        name, version = self.named(request)
        given = properties_of(await json_body(request))
        doc, new = await self.register(name, version, given)
        return self.stored(doc, request, new=new)

    async def register(self, name: str, version: str, given: Doc) -> tuple[Doc, bool]:
        """Store a version with its files; it, and whether it is new. Raises ArmError."""
        key = f"{name}/{version}"
        # Two PUTs of one version must not copy into the same folder at once.
        async with self._locks.setdefault(key, asyncio.Lock()):
            found = await self._register(name, version, given)
        self._locks.pop(key, None)
        return found

    async def _register(self, name: str, version: str, given: Doc) -> tuple[Doc, bool]:
        uri = asked = given.get("modelUri")
        before = self.get_doc(f"{name}/{version}")
        if before is None and (not isinstance(uri, str) or not uri):
            raise bad_request("The field 'modelUri' is required.")
        kind = one_of(given.get("modelType") or "custom_model", _TYPES, "modelType")
        if uri:
            uri = self._data.jobs.stored_uri(uri) or self._data.long_uri(uri, group="resourceGroups")
        if before is None:
            flavors = await self._take(name, version, asked, kind, given.get("flavors"))
        else:
            old = before["properties"]
            if (uri or old["modelUri"]).rstrip("/") != old["modelUri"].rstrip("/"):
                raise paths_fixed()
            uri, kind, flavors = old["modelUri"], old["modelType"], old["flavors"]
        properties = {
            **common(given),
            "autoDeleteSetting": given.get("autoDeleteSetting"),
            "flavors": flavors,
            "modelType": kind,
            "modelUri": uri,
            "jobName": given.get("jobName"),
            "provisioningState": "Succeeded",
            "stage": given.get("stage") or ("Logged" if given.get("isAnonymous") else "Development"),
            "intellectualProperty": None,
        }
        return self.save(name, version, properties)

    async def _take(self, name: str, version: str, uri: Any, kind: str, flavors: Doc | None) -> Doc:
        target = self.folder(name, version)
        try:
            await asyncio.to_thread(self._fetch, uri, target)
            if kind != "mlflow_model":
                return flavors or {}
            return flavors or self._flavors(target)
        except DataError as error:
            shutil.rmtree(target, ignore_errors=True)
            raise bad_request(
                f"The model {name}:{version} can't be registered from {uri}: {error}",
                "BadArgument",
                "ArtifactNotFound",
            ) from None

    def missing_container(self, name: str) -> ArmError:
        return ArmError(
            404,
            "The specified resource was not found.",
            details=[("ModelNotFound", f"Model container with name: {name} not found.")],
        )

    def missing(self, key: str) -> ArmError:
        s = self.c.settings
        text = (
            f"There is no registered model in Account Subscription: {s.subscription}, ResourceGroup: "
            f"{s.resource_group}, Workspace: {s.workspace} with id {key.replace('/', ':')}"
        )
        return ArmError(
            404, "The specified resource was not found.", details=[("NoSuchModelRegistered", text)]
        )

    def remove(self, key: str) -> bool:
        found = super().remove(key)
        if found:
            shutil.rmtree(self.c.folder("models", key), ignore_errors=True)
        return found
