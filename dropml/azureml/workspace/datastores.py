"""Datastores: names for containers of the blob account."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.core.arm import ArmError, bad_request, not_found, reply
from dropml.azureml.core.clock import stamp
from dropml.azureml.core.context import Context
from dropml.azureml.core.fields import check_name, json_body, properties_of
from dropml.azureml.core.resources import Resources
from dropml.azureml.core.store import Doc
from dropml.azureml.workspace.blob_proxy import BlobProxy
from dropml.azureml.workspace.storage import Storage

DEFAULT = "workspaceblobstore"
ARTIFACTS = "workspaceartifactstore"


class Datastores(Resources):
    """`workspaceblobstore` always exists, and so does `workspaceartifactstore`."""

    kind, label, segments = "datastore", "datastore", ("datastores",)

    def __init__(self, context: Context, storage: Storage) -> None:
        super().__init__(context)
        self.storage = storage
        self.proxy = BlobProxy(context.settings, storage, context.identity)
        guid = context.guid
        fixed = {DEFAULT: f"azureml-blobstore-{guid}", ARTIFACTS: "azureml"}
        for name, container in {**fixed, **context.settings.datastores}.items():
            self._seed(name, container)

    def _seed(self, name: str, container: str) -> None:
        now = self.c.clock.now()
        found = self.c.store.get("datastore", name) or {"created": now, "tags": None, "description": None}
        self.c.store.put("datastore", name, found | {"name": name, "container": container, "modified": now})

    def ensure_containers(self) -> None:
        """Make the containers of the workspace's own datastores. Blocking."""
        for name in (DEFAULT, ARTIFACTS):
            self.storage.ensure_container(self.container_of(name))

    def missing(self, key: str) -> ArmError:
        text = f"Could not find datastore: {key}."
        return ArmError(
            404, text, details=[("DatastoreNotFound", text)], inner=["NotFound", "DataStoreNotFound"]
        )

    def container_of(self, name: str) -> str:
        """The container of a datastore; 404 if there is no such datastore."""
        return str(self.find(name)["container"])

    def shape(self, doc: Doc) -> Doc:
        s, account = self.c.settings, self.storage.account()
        properties = {
            "description": doc.get("description"),
            "tags": doc.get("tags"),
            "properties": None,
            "isDefault": doc["name"] == DEFAULT,
            "credentials": {"credentialsType": "AccountKey"},
            "subscriptionId": s.subscription,
            "resourceGroup": s.resource_group,
            "datastoreType": "AzureBlob",
            "accountName": self.proxy.account_name() or "none",
            "containerName": doc["container"],
            "endpoint": account.endpoint if account else "core.windows.net",
            "protocol": "https" if account is None or account.local else account.protocol,
            "serviceDataAccessAuthIdentity": "WorkspaceSystemAssignedIdentity",
        }
        data = {
            "createdAt": stamp(doc["created"]),
            "lastModifiedAt": stamp(doc["modified"]),
            "lastModifiedBy": "emulator",
            "lastModifiedByType": "Application",
        }
        return self.envelope(doc, properties, data)

    def page(self, request: Request) -> Doc:
        found = super().page(request)
        wanted = request.query_params.get("isDefault")
        if wanted:
            default = wanted.lower() == "true"
            found["value"] = [d for d in found["value"] if d["properties"]["isDefault"] == default]
        return found

    async def put(self, request: Request) -> Response:
        """An AzureBlob datastore on a container of the emulator's own account."""
        name = request.path_params["name"]
        check_name("datastore", name)
        properties = properties_of(await json_body(request))
        if str(properties.get("datastoreType", "")).lower() != "azureblob":
            raise bad_request("Only datastores of type AzureBlob are supported by the emulator.")
        account, wanted = self.storage.account(), properties.get("accountName")
        if account is None or wanted not in (account.name, self.proxy.account_name()):
            have = account.name if account else "none"
            raise bad_request(f"The storage account '{wanted}' is not the emulator's: it has '{have}'.")
        if not properties.get("containerName"):
            raise bad_request("The field 'containerName' is required.")
        doc = {
            "name": name,
            "container": properties["containerName"],
            "tags": properties.get("tags"),
            "description": properties.get("description"),
            **self.dated(self.get_doc(name)),
        }
        new = self.put_doc(doc)
        return reply(self.shape(doc), 201 if new else 200)

    async def delete(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name in (DEFAULT, ARTIFACTS):
            raise bad_request(f"The datastore {name} belongs to the workspace and cannot be deleted.")
        return await super().delete(request)

    async def secrets(self, request: Request) -> Response:
        """The account's key, or a SAS where an expirable secret is asked for."""
        self.find(self.key(request))
        account = self.storage.account()
        if account is None:
            raise not_found("The emulator has no storage account: start it with DROPML_STORAGE.")
        body = await json_body(request)
        if not body.get("expirableSecret"):
            return reply({"secretsType": "AccountKey", "key": account.key})
        token, _ = await asyncio.to_thread(self.storage.sas, float(body.get("expireAfterHours") or 1))
        self.proxy.given.append(f"?{token}")
        return reply({"secretsType": "Sas", "sasToken": f"?{token}"})

    async def described(self, request: Request) -> Response:
        """The data plane's own form of a datastore, with what opens it, as mltable and azureml-fsspec ask for it."""
        doc, account = self.find(request.path_params["name"]), self.storage.account()
        if account is None:
            raise not_found("The emulator has no storage account: start it with DROPML_STORAGE.")
        shown = self.shape(doc)["properties"]
        section = {
            "accountName": shown["accountName"],
            "containerName": doc["container"],
            "endpoint": shown["endpoint"],
            "protocol": shown["protocol"],
            "credentialType": "AccountKey",
            "credential": account.key,
            "subscriptionId": shown["subscriptionId"],
            "resourceGroup": shown["resourceGroup"],
            "areWorkspaceManagedIdentitiesAllowed": False,
            "blobCacheTimeout": 0,
            "isSas": False,
            "accountKey": account.key,
            "sasToken": None,
            "clientCredentials": None,
        }
        return reply(
            {
                "name": doc["name"],
                "dataStoreType": "AzureBlob",
                "isDefault": shown["isDefault"],
                "hasBeenValidated": True,
                "tags": doc.get("tags") or {},
                "azureStorageSection": section,
                "createdTime": stamp(doc["created"]),
                "modifiedTime": stamp(doc["modified"]),
            }
        )

    def routes(self) -> list[Route]:
        described = Route("/datastore/datastores/{name}", self.described, methods=["GET"])
        secrets = Route("/ws/datastores/{name}/listSecrets", self.secrets, methods=["POST"])
        return [*self.proxy.routes(), *super().routes(), secrets, described]
