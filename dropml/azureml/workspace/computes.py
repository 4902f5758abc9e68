"""Compute clusters: how many nodes there are, and what a job on one of them may use."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.core.arm import ArmError, EmptyNotFoundError, bad_request, reply
from dropml.azureml.core.clock import stamp
from dropml.azureml.core.config import PROVIDER
from dropml.azureml.core.context import Context
from dropml.azureml.core.fields import check_name, json_body, properties_of
from dropml.azureml.core.operations import Form
from dropml.azureml.core.resources import LongRunning
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
#: Cores of a family beyond those of its clusters' nodes.
_FREE_CORES = 24
#: 2 to 16 characters for a cluster would refuse names that the service takes: 3 to 32, as the portal says.
#: The compute target that every workspace has.
_SERVERLESS = "serverless"
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


def _family(vm_size: str) -> str:
    """`STANDARD_DS3_V2` and `STANDARD_D2S_V3` are of `standardDSv2Family` and `standardDSv3Family`."""
    _, size, version = vm_size.split("_")
    return f"standard{re.sub('[0-9]', '', size)}{version.lower()}Family"


def _usage(base: str, region: str, name: str, used: int, limit: int) -> Doc:
    return {
        "id": f"{base}/usages",
        "amlWorkspaceLocation": region,
        "type": f"{PROVIDER}/{'totalCores' if name.startswith('Total') else 'vmFamily/dedicatedCores'}/usages",
        "unit": "Count",
        "currentValue": used,
        "limit": limit,
        "name": {"value": name, "localizedValue": name},
    }


class Computes(LongRunning):
    kind, label, segments = "compute", "compute", ("computes",)
    put_form = delete_form = Form("", "InProgress", "compute", path="computeOperationsStatus", empty=True)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.busy: dict[str, int] = {}
        s = context.settings
        if context.store.get("compute", s.compute) is None:
            given = {
                "properties": self._fill(
                    {"vmSize": s.vm_size, "scaleSettings": {"maxNodeCount": s.max_nodes}}
                )
            }
            self.put_doc(self._document(s.compute, given, s.location, None) | {"state": "Succeeded"})

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

    def _document(self, name: str, given: Doc, location: str, before: Doc | None) -> Doc:
        return {
            "name": name,
            "location": location,
            "state": "Updating" if before else "Creating",
            "description": given.get("description"),
            "tags": given.get("tags") or {},
            "properties": given["properties"],
            **self.dated(before),
        }

    def spec(self, name: str | None) -> tuple[str, int, int, int]:
        """(name, nodes, cores, MiB) of a cluster; None is serverless, which has the default's shape."""
        found = self.get_doc(name or self.c.settings.compute)
        properties = found["properties"] if found else self._fill({"vmSize": self.c.settings.vm_size})
        cores, memory = size_of(properties["vmSize"])
        nodes = properties["scaleSettings"]["maxNodeCount"]
        return (name or _SERVERLESS, nodes, cores, memory)

    def required(self, target: str | None, of: str = "") -> None:
        """400 for a compute target that isn't there; none, and `serverless`, always are. `of` names who wants it."""
        name = self.c.arm_name(target, "computes") if target else _SERVERLESS
        if name == _SERVERLESS or (name and self.get_doc(name)):
            return
        raise bad_request(
            f"The compute target '{name or target}'{of} was not found in the workspace.",
            "BadArgument",
            "ComputeNotFound",
        )

    def missing(self, key: str) -> ArmError:
        return EmptyNotFoundError()

    def shape(self, doc: Doc) -> Doc:
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
        properties = {
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
        }
        resource = self.envelope(doc, properties) | {"location": doc["location"], "tags": doc["tags"]}
        del resource["systemData"]
        return resource

    # -- what the region offers ----------------------------------------------------------------------------

    async def sizes(self, _request: Request) -> Response:
        """Sizes of virtual machines that a cluster may have."""
        found = [
            {
                "name": name.replace("STANDARD", "Standard"),
                "family": _family(name),
                "vCPUs": cores,
                "gpus": 0,
                "osVhdSizeMB": 1_047_552,
                "maxResourceVolumeMB": memory * 2,
                "memoryGB": round(memory / 1024, 1),
                "lowPriorityCapable": True,
                "premiumIO": "S" in name.split("_")[1],
                "supportedComputeTypes": ["AmlCompute"],
            }
            for name, (cores, memory) in SIZES.items()
        ]
        return reply({"value": found})

    async def usages(self, _request: Request) -> Response:
        """Cores in use, and how many there may be, in all and by family: those of all clusters' nodes, or what a test has set."""
        documents = [doc for _, _, doc in self.c.store.find(self.kind)]
        used: dict[str, int] = {}
        limit: dict[str, int] = {_family(size): _FREE_CORES for size in SIZES}
        for doc in documents:
            name, nodes, cores, _ = self.spec(doc["name"])
            family = _family(doc["properties"]["vmSize"])
            used[family] = used.get(family, 0) + min(self.busy.get(name, 0), nodes) * cores
            limit[family] = limit[family] + nodes * cores
        limit |= self.c.store.get("quota", "limits") or {}
        s = self.c.settings
        base = f"/subscriptions/{s.subscription}/providers/{PROVIDER}/locations/{s.location}"
        total = "Total Cluster Dedicated Regional vCPUs"
        found = [_usage(base, s.location, total, sum(used.values()), sum(limit.values()))]
        for family, most in limit.items():
            name = f"Standard {family.removeprefix('standard').removesuffix('Family')} Family Cluster Dedicated vCPUs"
            found.append(_usage(base, s.location, name, used.get(family, 0), most))
        return reply({"value": found})

    async def set_quota(self, request: Request) -> Response:
        """The emulator's own: `{"standardDSv2Family": 0}` says how many cores of a family there may be."""
        self.c.store.put("quota", "limits", await json_body(request))
        return Response(None, 204)

    def routes(self) -> list[Route]:
        offers = (("vmsizes", self.sizes), ("usages", self.usages))
        return [
            *super().routes(),
            *(Route(f"/locations/{p}", do, methods=["GET"]) for p, do in offers),
            Route("/_emulator/quota", self.set_quota, methods=["PUT"]),
        ]

    # -- the wire ------------------------------------------------------------------------------------------

    async def put(self, request: Request) -> Response:
        name = request.path_params["name"]
        check_name("compute", name, _NAME)
        body = await json_body(request)
        given = properties_of(body)
        if str(given.get("computeType", "")).lower() != "amlcompute":
            raise bad_request("Only computes of type AmlCompute are supported by the emulator.")
        given = given | {"properties": self._fill(given.get("properties") or {}), "tags": body.get("tags")}
        before = self.get_doc(name)
        self.idle(before)
        doc = self._document(name, given, body.get("location") or self.c.settings.location, before)
        headers = self.begin("put", doc, request)
        return reply(self.shape(doc), 200 if before else 201, headers)

    async def delete(self, request: Request) -> Response:
        self.find(self.key(request))
        return await super().delete(request)
