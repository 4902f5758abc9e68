"""Batch endpoints and deployments on the wire."""

from __future__ import annotations

import json
from typing import Any

from dropml.azureml.core.arm import ArmError, bad_request, resource_type, system_data
from dropml.azureml.core.context import Context
from dropml.azureml.core.fields import one_of
from dropml.azureml.core.store import Doc

_RESOURCES: Doc = {"instanceCount": 1, "instanceType": None, "properties": None}


def invalid(name: str, message: str, code: str) -> ArmError:
    """A deployment's validation error: a list as JSON text inside the message, as recorded."""
    errors = json.dumps([{"PropertyName": name, "ErrorMessage": message, "ErrorCode": code}], indent=2)
    return ArmError(
        400,
        "The Deployment request provided has the following validation errors. Please resolve them and try again."
        f"\nErrors:\n{errors}\n",
        inner=["BadArgument", "ArgumentInvalid", "InvalidInputArguments"],
    )


def endpoint_properties(given: Doc, api_version: str, arm_id: str) -> Doc:
    defaults = given.get("defaults") or {}
    return {
        "description": given.get("description"),
        "properties": {
            **(given.get("properties") or {}),
            "BatchEndpointCreationApiVersion": api_version,
            "azureml.onlineendpointid": arm_id,
        },
        "authMode": one_of(given.get("authMode") or "AADToken", ("AADToken",), "authMode"),
        "defaults": {"deploymentName": defaults.get("deploymentName")},
    }


def endpoint_resource(c: Context, doc: Doc, *, answer_to_put: bool = False) -> Doc:
    base = doc["properties"]
    opened = not answer_to_put and doc["state"] != "Creating"
    url = f"{c.settings.base_url}/batch/{doc['name']}/jobs"
    return {
        "id": c.arm_id("batchEndpoints", doc["name"]),
        "name": doc["name"],
        "type": resource_type("batchEndpoints"),
        "properties": {
            "description": base["description"],
            "properties": base["properties"],
            "scoringUri": url if opened else None,
            "swaggerUri": None,
            "authMode": base["authMode"],
            "defaults": base["defaults"],
            "provisioningState": "Creating" if answer_to_put else doc["state"],
        },
        "systemData": system_data(doc, full=False, kinds=False),
        "tags": doc["tags"],
        "location": doc["location"],
    }


def deployment_properties(given: Doc) -> Doc:
    """Properties of a pipeline component's deployment; the only kind that the emulator runs."""
    found = given.get("deploymentConfiguration")
    if not found:
        if given.get("model"):
            raise bad_request("The emulator runs batch deployments of pipeline components, not of models.")
        raise invalid(
            "ModelConfiguration.ModelReference", "'Model Reference' must not be empty.", "ArgumentNullOrEmpty"
        )
    one_of(found.get("deploymentConfigurationType"), ("PipelineComponent",), "deploymentConfigurationType")
    component = (found.get("componentId") or {}).get("assetId")
    if not component:
        raise invalid(
            "DeploymentConfiguration.ComponentId", "'Component Id' must not be empty.", "ArgumentNullOrEmpty"
        )
    configuration = {
        "deploymentConfigurationType": "PipelineComponent",
        "componentId": {"referenceType": "Id", "assetId": component},
        "description": found.get("description"),
        "tags": found.get("tags"),
        "settings": {k: _text(v) for k, v in (found.get("settings") or {}).items()},
    }
    return {
        "description": given.get("description"),
        "properties": dict(given.get("properties") or {}),
        "codeConfiguration": None,
        "environmentId": None,
        "environmentVariables": given.get("environmentVariables"),
        "compute": given.get("compute"),
        "errorThreshold": given.get("errorThreshold", -1),
        "retrySettings": given.get("retrySettings") or {"maxRetries": 3, "timeout": "PT30S"},
        "miniBatchSize": given.get("miniBatchSize", 10),
        "loggingLevel": given.get("loggingLevel") or "Info",
        "model": None,
        "maxConcurrencyPerInstance": given.get("maxConcurrencyPerInstance", 1),
        "outputAction": given.get("outputAction") or "AppendRow",
        "outputFileName": given.get("outputFileName") or "predictions.csv",
        "resources": _RESOURCES | {k: v or None for k, v in (given.get("resources") or {}).items()},
        "deploymentConfiguration": configuration,
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def deployment_resource(c: Context, doc: Doc) -> Doc:
    return {
        "id": c.arm_id("batchEndpoints", doc["endpoint"], "deployments", doc["name"]),
        "name": doc["name"],
        "type": resource_type("batchEndpoints", "deployments"),
        "properties": {**doc["properties"], "provisioningState": doc["state"]},
        "systemData": system_data(doc, full=False, kinds=False),
        "tags": doc["tags"],
        "location": doc["location"],
    }
