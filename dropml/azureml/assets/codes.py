"""Code assets: snapshots of a folder in blob storage that a command job runs in."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.assets.data import Data
from dropml.azureml.assets.versions import Versions, common, paths_fixed
from dropml.azureml.core.arm import ArmError, bad_request, not_found, reply
from dropml.azureml.core.context import Context
from dropml.azureml.core.fields import json_body, properties_of
from dropml.azureml.workspace.storage import DataError

_CONTAINERS = uuid.UUID("9a0f0d4e-0f0b-5e0c-8f0e-3f7a4a1f6f52")


class Codes(Versions):
    kind, label, segments = "code", "code", ("codes", "versions")
    verbs = ("GET", "PUT")
    container_verbs = ()

    def __init__(self, context: Context, data: Data) -> None:
        super().__init__(context)
        self._data = data

    def download(self, arm_id: str, target: Path) -> None:
        """Blocking."""
        found = self.by_id(arm_id)
        if found is None:
            raise DataError(f"The code asset {arm_id} does not exist.")
        self._data.download(found["properties"]["codeUri"], target)

    def missing(self, key: str) -> ArmError:
        text = f"Code version {key.replace('/', ':')} not found."
        return not_found(text, "NotFound", "CodeVersionNotFound")

    async def put(self, request: Request) -> Response:
        name, version = self.named(request)
        given = properties_of(await json_body(request))
        if not given.get("codeUri"):
            raise bad_request("The field 'codeUri' is required.")
        before = self.get_doc(self.key(request))
        if before and before["properties"]["codeUri"] != given["codeUri"]:
            raise paths_fixed()
        doc, new = self.save(name, version, {**common(given), "codeUri": given["codeUri"]})
        return self.stored(doc, request, new=new)

    async def all(self, request: Request) -> Response:
        """An unknown name has no versions. `hash` finds equal content under any name: azure-ai-ml asks so before it
        uploads, by a name that it has just drawn, and takes name and version of what comes back.
        """
        wanted = request.query_params.get("hash")
        if not wanted:
            return reply(self.page(request))
        codes = (doc for _, _, doc in self.c.store.find(self.kind))
        same = [d for d in codes if d["properties"]["properties"].get("hash_sha256") == wanted]
        return reply({"value": [self.shape(doc) for doc in same]})

    async def pending_upload(self, request: Request) -> Response:
        """A container of its own and a SAS for it; the asset is PUT once the files are there."""
        name, version = self.named(request)
        storage = self._data.storage
        account = storage.account()
        if account is None:
            raise bad_request("The emulator has no storage account: start it with DROPML_STORAGE.")
        container = str(uuid.uuid5(_CONTAINERS, f"{self.c.guid}/{name}/{version}"))
        await asyncio.to_thread(storage.ensure_container, container)
        token, _ = await asyncio.to_thread(storage.sas, 1.0)
        url = f"{account.blob_url}/{container}"
        s = self.c.settings
        reference = {
            "blobUri": url,
            "storageAccountArmId": f"/subscriptions/{s.subscription}/resourceGroups/{s.resource_group}"
            f"/providers/Microsoft.Storage/storageAccounts/{account.name}",
            "credential": {"credentialType": "SAS", "sasUri": f"{url}?{token}"},
        }
        return reply(
            {
                "pendingUploadId": container,
                "pendingUploadType": "TemporaryBlobReference",
                "blobReferenceForConsumption": reference,
            }
        )

    def routes(self) -> list[Route]:
        upload = "/ws/codes/{name}/versions/{version}/startPendingUpload"
        return [*super().routes(), Route(upload, self.pending_upload, methods=["POST"])]
