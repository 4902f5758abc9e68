"""The workspace, discovery of its data planes, and the cloud's metadata."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.core.arm import reply, resource_type, system_data
from dropml.azureml.core.clock import stamp
from dropml.azureml.core.context import Context
from dropml.azureml.core.store import Doc

_AREAS = (
    "api", "catalog", "experimentation", "gallery", "history", "hyperdrive", "inference", "labeling",
    "modelmanagement", "pipelines", "studio",
)  # fmt: skip

#: What a workspace that was made with the defaults says.
_AS_MADE: Doc = {
    "description": "",
    "hbiWorkspace": False,
    "imageBuildCompute": None,
    "provisioningState": "Succeeded",
    "managedNetwork": {
        "changeableIsolationModes": ["AllowInternetOutbound", "AllowOnlyApprovedOutbound"],
        "isolationMode": "Disabled",
        "enableNetworkMonitor": False,
        "enableFirewallLog": False,
    },
    "allowRoleAssignmentOnRG": True,
    "v1LegacyMode": False,
    "softDeleteEnabled": False,
    "storageHnsEnabled": False,
    "linkedModelInventoryArmId": None,
    "privateLinkCount": 0,
    "publicNetworkAccess": "Enabled",
    "ipAllowlist": [],
    "networkAcls": {"defaultAction": "Allow", "bypass": "", "ipRules": [], "resourceAccessRules": []},
    "serverlessComputeSettings": None,
    "EnableSoftwareBillOfMaterials": False,
    "sdkTelemetryAppInsightsKey": None,
    "enableDataIsolation": False,
    "systemDatastoresAuthMode": "accesskey",
    "enableServiceSideCMKEncryption": False,
}


class Workspace:
    def __init__(self, context: Context) -> None:
        self._c = context
        now = repr(context.clock.now())
        self._created = float(context.store.meta_once("workspace.created", lambda: now))

    def _properties(self) -> Doc:
        s = self._c.settings
        resources = f"/subscriptions/{s.subscription}/resourceGroups/{s.resource_group}/providers"
        registry = s.workspace.replace("-", "")
        return {
            "friendlyName": s.workspace,
            "storageAccount": f"{resources}/Microsoft.Storage/storageAccounts/{s.workspace}",
            "keyVault": f"{resources}/Microsoft.Keyvault/vaults/{s.workspace}",
            "applicationInsights": f"{resources}/Microsoft.insights/components/{s.workspace}",
            "containerRegistry": f"{resources}/Microsoft.ContainerRegistry/registries/{registry}",
            "tenantId": s.tenant,
            "creationTime": stamp(self._created),
            "notebookInfo": {
                "resourceId": self._c.guid.replace("-", ""),
                "fqdn": "localhost",
                "isPrivateLinkEnabled": False,
                "notebookPreparationError": None,
            },
            "workspaceId": self._c.guid,
            "discoveryUrl": f"{s.base_url}/discovery",
            "mlFlowTrackingUri": f"azureml://localhost:{s.port}/mlflow/v1.0{s.workspace_id}",
            **_AS_MADE,
        }

    def _resource(self) -> Doc:
        s, identity = self._c.settings, self._c.identity
        return {
            "id": s.workspace_id,
            "name": s.workspace,
            "type": resource_type(),
            "location": s.location,
            "tags": {},
            "etag": None,
            "properties": self._properties(),
            "identity": {
                "type": "SystemAssigned",
                "principalId": identity.principal,
                "tenantId": identity.tenant,
            },
            "kind": "Default",
            "sku": {"name": "Basic", "tier": "Basic"},
            "systemData": system_data({"created": self._created, "modified": self._created}),
        }

    async def get(self, _request: Request) -> Response:
        return reply(self._resource())

    async def all(self, _request: Request) -> Response:
        return reply({"value": [self._resource()]})

    async def keys(self, _request: Request) -> Response:
        """The workspace's secrets. Its account's key stands in the datastores; there is no registry and no notebook."""
        return reply(
            {
                "userStorageKey": None,
                "userStorageResourceId": self._properties()["storageAccount"],
                "appInsightsInstrumentationKey": None,
                "containerRegistryCredentials": None,
                "notebookAccessKeys": None,
            }
        )

    async def connections(self, _request: Request) -> Response:
        """There are none: what they lead to lies outside."""
        return reply({"value": []})

    async def discovery(self, _request: Request) -> Response:
        return reply(dict.fromkeys(_AREAS, self._c.settings.base_url))

    async def metadata(self, _request: Request) -> Response:
        """The cloud's addresses, for `ARM_CLOUD_METADATA_URL`."""
        base = self._c.settings.base_url
        cloud = {
            "name": "AzureMLEmulator",
            "portal": f"{base}/portal",
            "resourceManager": f"{base}/",
            "authentication": {"loginEndpoint": base, "audiences": ["https://management.azure.com/"]},
            "suffixes": {"storage": "core.windows.net"},
        }
        return reply([cloud])

    def routes(self) -> list[Route]:
        return [
            Route("/ws", self.get, methods=["GET"]),
            Route("/ws/listKeys", self.keys, methods=["POST"]),
            Route("/ws/connections", self.connections, methods=["GET"]),
            Route("/workspaces", self.all, methods=["GET"]),
            Route("/discovery", self.discovery, methods=["GET"]),
            Route("/metadata/endpoints", self.metadata, methods=["GET"]),
        ]
