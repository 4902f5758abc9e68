"""Online endpoints and deployments on the wire: what is refused, what is filled in, what is answered."""

from __future__ import annotations

import re
from typing import Any

from dropml.azureml.core.arm import bad_request, resource_type, system_data
from dropml.azureml.core.context import Context
from dropml.azureml.core.fields import one_of, seconds
from dropml.azureml.core.store import Doc
from dropml.azureml.online.scripts import script_properties, shown_variables

_AUTH = ("Key", "AMLToken", "AADToken")
_PROBE: Doc = {
    "failureThreshold": 30,
    "successThreshold": 1,
    "timeout": "PT2S",
    "period": "PT10S",
    "initialDelay": "PT10S",
}
_REQUEST: Doc = {"maxQueueWait": "PT0S", "requestTimeout": "PT5S", "maxConcurrentRequestsPerInstance": 1}
#: https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas#azure-machine-learning-online-endpoints
MAX_TIMEOUT_SECONDS = 180
MAX_DEPLOYMENTS = 20
_INSTANCE = re.compile(r"^standard_[a-z0-9_]+$", re.IGNORECASE)


def _weights(given: Any, what: str) -> dict[str, int]:
    weights = {}
    for name, percent in (given or {}).items():
        if isinstance(percent, bool) or not isinstance(percent, int) or not 0 <= percent <= 100:
            raise bad_request(f"The {what} of '{name}' must be a whole number from 0 to 100, not {percent}.")
        weights[name] = percent
    return weights


def endpoint_properties(given: Doc, deployments: dict[str, str]) -> Doc:
    """Properties of an endpoint's PUT. `deployments` maps the existing ones to their provisioning state."""
    traffic = _weights(given.get("traffic"), "traffic")
    mirror = _weights(given.get("mirrorTraffic"), "mirror traffic")
    for name in sorted(traffic.keys() | mirror.keys()):
        if name not in deployments:
            raise bad_request(
                f"The traffic names the deployment '{name}', which does not exist under this endpoint.",
                "BadArgument",
                "TrafficDeploymentNotFound",
            )
        if (traffic.get(name) or mirror.get(name)) and deployments[name] in (
            "Creating",
            "Failed",
            "Deleting",
        ):
            raise bad_request(
                f"The deployment '{name}' is {deployments[name]}: it can't take traffic.",
                "BadArgument",
                "DeploymentNotReady",
            )
    if sum(traffic.values()) not in (0, 100):
        raise bad_request(
            f"The sum of the traffic percentages must be 0 or 100, but it is {sum(traffic.values())}.",
            "BadArgument",
            "InvalidTraffic",
        )
    # https://learn.microsoft.com/azure/machine-learning/how-to-safely-rollout-online-endpoints (mirrored traffic)
    mirrored = {n: p for n, p in mirror.items() if p}
    if len(mirrored) > 1 or any(p > 50 for p in mirrored.values()) or any(traffic.get(n) for n in mirrored):
        raise bad_request(
            "Traffic can be mirrored to one deployment that has no live traffic, and 50 percent at most.",
            "BadArgument",
            "InvalidMirrorTraffic",
        )
    return {
        "description": given.get("description"),
        "properties": dict(given.get("properties") or {}),
        "authMode": one_of(given.get("authMode"), _AUTH, "authMode"),
        "compute": None,
        "traffic": traffic,
        "mirrorTraffic": mirror,
        "publicNetworkAccess": given.get("publicNetworkAccess") or "Enabled",
    }


def _identity(context: Context) -> Doc:
    return {
        "type": "SystemAssigned",
        "principalId": context.identity.principal,
        "tenantId": context.identity.tenant,
    }


def endpoint_resource(c: Context, doc: Doc, url: str | None, *, answer_to_put: bool = False) -> Doc:
    """The ARM resource.

    The answer to a PUT says Creating and has no URIs; for an update it also lacks location, identity and creation
    data, as recorded.
    """
    updating = answer_to_put and not doc["fresh"]
    open_ = not answer_to_put and doc["state"] != "Creating" and url
    own = {} if updating else {"azureml.onlineendpointid": _endpoint_id(c, doc["name"]).lower()}
    own["AzureAsyncOperationUri"] = doc["operation_uri"]
    base = doc["properties"]
    properties = {
        "description": base["description"],
        "properties": {**base["properties"], **own},
        "scoringUri": f"{url}/score" if open_ else None,
        "swaggerUri": f"{url}/swagger.json" if open_ else None,
        "authMode": base["authMode"],
        "provisioningState": "Creating" if answer_to_put else doc["state"],
        "compute": None,
        "traffic": base["traffic"],
        "mirrorTraffic": base["mirrorTraffic"],
        "publicNetworkAccess": base["publicNetworkAccess"],
    }
    data = system_data(doc, full=False, kinds=False)
    if updating:
        data = {"lastModifiedAt": data["lastModifiedAt"]}
    resource = {
        "id": _endpoint_id(c, doc["name"]),
        "name": doc["name"],
        "type": resource_type("onlineEndpoints"),
        "properties": properties,
        "systemData": data,
        "tags": doc["tags"],
        "kind": "Managed",
    }
    if not updating:
        resource |= {"location": doc["location"], "identity": _identity(c)}
    return resource


def _endpoint_id(c: Context, name: str) -> str:
    return c.arm_id("onlineEndpoints", name)


def deployment_properties(given: Doc) -> Doc:
    """Properties of a deployment's PUT with the service's defaults; 400 for what Azure or the emulator refuses."""
    one_of(given.get("endpointComputeType"), ("Managed",), "endpointComputeType")
    script = script_properties(given)
    if not given.get("model") and not script["codeConfiguration"]:
        raise bad_request(
            "The field 'model' is required without 'codeConfiguration': the emulator runs no images of one's own."
        )
    instance = given.get("instanceType")
    if not instance or not _INSTANCE.match(str(instance)):
        raise bad_request(
            f"The instance type '{instance}' is invalid: use one such as Standard_D2as_v4.",
            "BadArgument",
            "InvalidInstanceType",
        )
    settings = _REQUEST | {k: v for k, v in (given.get("requestSettings") or {}).items() if v is not None}
    if seconds(settings["requestTimeout"], "requestSettings.requestTimeout") > MAX_TIMEOUT_SECONDS:
        raise bad_request(
            f"requestSettings.requestTimeout must be at most {MAX_TIMEOUT_SECONDS} seconds, not "
            f"{settings['requestTimeout']}."
        )
    if int(settings["maxConcurrentRequestsPerInstance"]) < 1:
        raise bad_request("requestSettings.maxConcurrentRequestsPerInstance must be 1 or more.")
    return {
        "description": given.get("description"),
        "properties": dict(given.get("properties") or {}),
        **script,
        "environmentVariables": dict(given.get("environmentVariables") or {}),
        "scaleSettings": given.get("scaleSettings") or {"scaleType": "Default"},
        "requestSettings": settings,
        "modelMountPath": given.get("modelMountPath"),
        "appInsightsEnabled": bool(given.get("appInsightsEnabled")),
        "livenessProbe": _PROBE | (given.get("livenessProbe") or {}),
        "readinessProbe": _PROBE | (given.get("readinessProbe") or {}),
        "instanceType": instance,
        "model": given.get("model"),
        "egressPublicNetworkAccess": given.get("egressPublicNetworkAccess") or "Enabled",
        "dataCollector": given.get("dataCollector"),
        "endpointComputeType": "Managed",
    }


def sku(given: Any) -> Doc:
    capacity = (given or {}).get("capacity", 1)
    if not isinstance(capacity, int) or capacity < 1:
        raise bad_request(f"sku.capacity must be 1 or more, not {capacity}.")
    return {"name": (given or {}).get("name") or "Default", "tier": "Standard", "capacity": capacity}


def deployment_resource(
    c: Context, doc: Doc, api_version: str | None = None, *, answer_to_put: bool = False
) -> Doc:
    base = dict(doc["properties"])
    if api_version == "2022-02-01-preview":
        del base["dataCollector"]  # the property came later
    variables = base["environmentVariables"]
    if not answer_to_put and doc["state"] == "Succeeded":
        variables = variables | shown_variables(base, doc["model"])
    base.pop("codeName", None)
    properties = {
        **base,
        "properties": {**base["properties"], "AzureAsyncOperationUri": doc["operation_uri"]},
        "environmentVariables": variables,
        "provisioningState": "Creating" if answer_to_put else doc["state"],
    }
    return {
        "id": c.arm_id("onlineEndpoints", doc["endpoint"], "deployments", doc["name"]),
        "name": doc["name"],
        "type": resource_type("onlineEndpoints", "deployments"),
        "properties": properties,
        "systemData": system_data(doc, full=False, kinds=False),
        "tags": doc["tags"],
        "location": doc["location"],
        "kind": "Managed",
        "sku": doc["sku"],
    }
