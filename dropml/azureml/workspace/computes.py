"""Compute clusters: how many nodes there are, and what a job on one of them may use."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.core.arm import EmptyNotFoundError, bad_request, page, reply, resource_type
from dropml.azureml.core.clock import stamp
from dropml.azureml.core.context import Context
from dropml.azureml.core.fields import check_name, json_body, properties_of
from dropml.azureml.core.operations import Kind, OperationFailedError
from dropml.azureml.core.store import Doc

#: (cores, MiB): https://learn.microsoft.com/azure/virtual-machines/sizes
SIZES = {
    "STANDARD_DS1_V2": (1, 3584),
    "STANDARD_DS2_V2": (2, 7168),
    "STANDARD_DS3_V2": (4, 14336),
    "STANDARD_DS4_V2": (8, 28672),
    "STANDARD_D2_V2": (2, 7168),
    "STANDARD_D2S_V3": (2, 8192),
    "STANDARD_D4S_V3": (4, 16384),
    "STANDARD_D8S_V3": (8, 32768),
    "STANDARD_E2S_V3": (2, 16384),
    "STANDARD_E4S_V3": (4, 32768),
    "STANDARD_F2S_V2": (2, 4096),
    "STANDARD_F4S_V2": (4, 8192),
    "STANDARD_F8S_V2": (8, 16384),
}
#: 2 to 16 characters for a cluster would refuse names that the service takes: 3 to 32, as the portal says.
_NAME = re.compile(r"^[a-zA-Z][a-zA-Z0-9\-]{1,30}[a-zA-Z0-9]$")


def size_of(vm_size: str) -> tuple[int, int]:
    """(cores, MiB) of a VM size; 400 for one that the emulator doesn't know."""
    found = SIZES.get(vm_size.upper())
    if found is None:
        raise bad_request(
            f"The VM size '{vm_size}' is not supported. Supported here: {', '.join(sorted(SIZES))}.",
            "BadArgument",
            "VmSizeInvalid",
        )
    return found


class Computes:
    def __init__(self, context: Context) -> None:
        self._c = context
        self.busy: dict[str, int] = {}
        s = context.settings
        if context.store.get("compute", s.compute) is None:
            properties = self._fill({"vmSize": s.vm_size, "scaleSettings": {"maxNodeCount": s.max_nodes}})
            self._save(s.compute, {"properties": properties, "description": None}, s.location, "Succeeded")
        for kind in ("compute.put", "compute.delete"):
            context.operations.register(
                kind,
                Kind(
                    "", "InProgress", self._nothing, self._settle, "compute", True, "computeOperationsStatus"
                ),
            )

    @staticmethod
    def _fill(given: Doc) -> Doc:
        size_of(str(given.get("vmSize") or "STANDARD_DS2_V2"))
        scale = given.get("scaleSettings") or {}
        return {
            "vmSize": str(given.get("vmSize") or "STANDARD_DS2_V2").upper(),
            "vmPriority": given.get("vmPriority") or "Dedicated",
            "scaleSettings": {
                "maxNodeCount": int(scale.get("maxNodeCount", 1)),
                "minNodeCount": int(scale.get("minNodeCount") or 0),
                "nodeIdleTimeBeforeScaleDown": scale.get("nodeIdleTimeBeforeScaleDown") or "PT2M",
            },
        }

    def _save(self, name: str, body: Doc, location: str, state: str, operation: str | None = None) -> Doc:
        now = self._c.clock.now()
        before = self._c.store.get("compute", name)
        doc = {
            "name": name,
            "location": location,
            "state": state,
            "operation": operation,
            "description": body.get("description"),
            "tags": body.get("tags") or {},
            "properties": body["properties"],
            "created": before["created"] if before else now,
            "modified": now,
        }
        self._c.store.put("compute", name, doc)
        return doc

    def spec(self, name: str | None) -> tuple[str, int, int, int]:
        """(name, nodes, cores, MiB) of a cluster; None is serverless, which has the default's shape."""
        found = self._c.store.get("compute", name or self._c.settings.compute)
        properties = found["properties"] if found else self._fill({"vmSize": self._c.settings.vm_size})
        cores, memory = size_of(properties["vmSize"])
        nodes = properties["scaleSettings"]["maxNodeCount"]
        return (name or "serverless", nodes, cores, memory)

    def exists(self, name: str) -> bool:
        return self._c.store.get("compute", name) is not None

    def _resource(self, doc: Doc) -> Doc:
        creating = doc["state"] == "Creating"
        used = min(self.busy.get(doc["name"], 0), doc["properties"]["scaleSettings"]["maxNodeCount"])
        counts = dict.fromkeys(
            ("preparingNodeCount", "runningNodeCount", "idleNodeCount", "unusableNodeCount",
             "leavingNodeCount", "preemptedNodeCount"), 0
        )  # fmt: skip
        counts["runningNodeCount"] = used
        inner: dict[str, Any] = {
            **doc["properties"],
            "subnet": None,
            "currentNodeCount": None if creating else used,
            "targetNodeCount": None if creating else used,
            "nodeStateCounts": None if creating else counts,
            "allocationState": None if creating else "Steady",
            "allocationStateTransitionTime": stamp(doc["modified"]),
            "errors": None,
            "remoteLoginPortPublicAccess": "Disabled",
            "osType": "Linux",
            "virtualMachineImage": None,
            "isolatedNetwork": False,
            "enableNodePublicIp": True,
            "enableBatchPrivateLink": False,
            "propertyBag": {},
        }
        return {
            "id": self._c.arm_id("computes", doc["name"]),
            "name": doc["name"],
            "type": resource_type("computes"),
            "location": doc["location"],
            "tags": doc["tags"],
            "properties": {
                "createdOn": stamp(doc["created"]),
                "modifiedOn": stamp(doc["modified"]),
                "disableLocalAuth": False,
                "description": doc["description"],
                "resourceId": None,
                "computeType": "AmlCompute",
                "computeLocation": doc["location"],
                "provisioningState": doc["state"],
                "provisioningErrors": None,
                "provisioningWarnings": None,
                "isAttachedCompute": False,
                "properties": inner,
            },
        }

    async def get(self, request: Request) -> Response:
        doc = self._c.store.get("compute", request.path_params["name"])
        if doc is None:
            raise EmptyNotFoundError
        return reply(self._resource(doc))

    async def all(self, request: Request) -> Response:
        base = self._c.settings.base_url
        return reply(page(request, self._c.store, "compute", self._resource, base_url=base))

    async def put(self, request: Request) -> Response:
        name = request.path_params["name"]
        check_name("compute", name, _NAME)
        body = await json_body(request)
        given = properties_of(body)
        if str(given.get("computeType", "")).lower() != "amlcompute":
            raise bad_request("Only computes of type AmlCompute are supported by the emulator.")
        given = given | {"properties": self._fill(given.get("properties") or {}), "tags": body.get("tags")}
        version = request.query_params["api-version"]
        with self._c.store.transaction():
            new = not self.exists(name)
            operation = self._c.operations.begin("compute.put", name, version)
            location = body.get("location") or self._c.settings.location
            state = "Creating" if new else "Updating"
            doc = self._save(name, given, location, state, operation["id"])
        return reply(self._resource(doc), 201 if new else 200, self._c.operations.headers(operation))

    async def delete(self, request: Request) -> Response:
        name = request.path_params["name"]
        if not self.exists(name):
            raise EmptyNotFoundError
        operation = self._c.operations.begin("compute.delete", name, request.query_params["api-version"])
        self._c.store.update("compute", name, lambda d: d.update(state="Deleting"))
        return Response(None, 202, self._c.operations.headers(operation))

    async def _nothing(self, _operation: Doc) -> None:
        """Clusters are made of the machine's own cores: there is nothing to allocate."""

    def _settle(self, operation: Doc, failure: OperationFailedError | None) -> None:
        if operation["kind"] == "compute.delete":
            self._c.store.delete("compute", operation["target"])
            return
        state = "Failed" if failure else "Succeeded"
        self._c.store.update("compute", operation["target"], lambda d: d.update(state=state))

    def routes(self) -> list[Route]:
        one = "/ws/computes/{name}"
        return [
            Route("/ws/computes", self.all, methods=["GET"]),
            Route(one, self.get, methods=["GET"]),
            Route(one, self.put, methods=["PUT"]),
            Route(one, self.delete, methods=["DELETE"]),
        ]
