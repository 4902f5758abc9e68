"""Managed online endpoints and their deployments.

Nothing here waits for a long-running operation: `begin_*` sends the request; the next tick reads the resource's state.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

from shared.adapters.arm import explain
from shared.adapters.resource import Resource, mapping, texts
from shared.adapters.scoring_code import ENTRY
from shared.adapters.sdk import translated
from shared.adapters.workspace import Workspace
from shared.domain.errors import DropMLError, NotFound, Transient
from shared.redaction import redact
from shared.services.run.ports import Deployment, DeploymentSpec, Endpoint

ENDPOINT_API = "2023-10-01"
#: Long enough for a cold model server to score a chunk of the holdout.
REQUEST_TIMEOUT_MS = 90_000
#: Requests at a time that an instance takes of a script, which answers one in a fraction of a millisecond; as many more
#: wait, and the rest is refused with 429. The service's default is 1.
SCRIPT_REQUESTS = 32
#: The container that brings model and code; the service's name of it.
_FETCHING = "storage-initializer"


class OnlineEndpoints(Workspace):
    """The half of `shared.services.run.ports.AzureML` that serves."""

    def endpoint(self, name: str) -> Endpoint | None:
        found = self.find(f"onlineEndpoints/{name}", ENDPOINT_API)
        return _endpoint(found) if found else None

    def all_endpoints(self) -> list[Endpoint]:
        """https://learn.microsoft.com/rest/api/azureml/online-endpoints/list: paged by `nextLink`."""
        pages = self.arm.pages(self.url("onlineEndpoints"), "list endpoints", {"api-version": ENDPOINT_API})
        found = []
        for document in pages:
            with suppress(Transient):  # half an answer: the next look has it whole
                found.append(_endpoint(Resource.of(document)))
        return found

    def begin_endpoint(self, name: str, description: str, tags: dict[str, str]) -> None:
        from azure.ai.ml.entities import ManagedOnlineEndpoint

        mode = "key" if self.settings.endpoint_auth == "key" else "aad_token"
        with translated(f"create endpoint {name}"):
            self.client.online_endpoints.begin_create_or_update(
                ManagedOnlineEndpoint(name=name, auth_mode=mode, description=description, tags=tags)
            )

    def deployments(self, endpoint: str) -> list[Deployment]:
        url, what = self.url(f"onlineEndpoints/{endpoint}/deployments"), f"list deployments of {endpoint}"
        try:
            pages = self.arm.pages(url, what, {"api-version": ENDPOINT_API})
            return [_deployment(Resource.of(document)) for document in pages]
        except NotFound:
            return []

    def deployment(self, endpoint: str, name: str) -> Deployment | None:
        found = self.find(f"onlineEndpoints/{endpoint}/deployments/{name}", ENDPOINT_API)
        if found is None:
            return None
        deployment = _deployment(found)
        if deployment.state != "Failed":
            return deployment
        return replace(deployment, error=self._why_failed(found))

    def begin_deployment(self, spec: DeploymentSpec) -> None:
        """An MLflow model alone needs neither environment nor scoring script (no-code deployment).

        https://learn.microsoft.com/azure/machine-learning/how-to-deploy-mlflow-models-online-endpoints
        """
        from azure.ai.ml.entities import ManagedOnlineDeployment, OnlineRequestSettings

        script = spec.mode == "script"
        request_settings = OnlineRequestSettings(
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            max_concurrent_requests_per_instance=SCRIPT_REQUESTS if script else None,
        )
        with translated(f"create deployment {spec.name}"):
            self.client.online_deployments.begin_create_or_update(
                ManagedOnlineDeployment(
                    name=spec.name,
                    endpoint_name=spec.endpoint,
                    model=spec.model,
                    instance_type=self.settings.instance_type,
                    instance_count=self.settings.instance_count,
                    app_insights_enabled=True,
                    request_settings=request_settings,
                    tags=spec.tags,
                    **(_script(spec) if script else {}),
                )
            )

    def begin_delete_deployment(self, endpoint: str, name: str) -> None:
        with suppress(NotFound), translated(f"delete deployment {name}"):
            self.client.online_deployments.begin_delete(name, endpoint)

    def begin_traffic(self, endpoint: str, traffic: dict[str, int]) -> None:
        with translated(f"move traffic of {endpoint}"):
            entity = self.client.online_endpoints.get(endpoint)
            entity.traffic = traffic
            self.client.online_endpoints.begin_create_or_update(entity)

    def begin_app_insights(self, endpoint: str, name: str, *, enabled: bool) -> None:
        """The whole deployment is put again: a PATCH takes tags and instances alone.

        https://learn.microsoft.com/rest/api/azureml/online-deployments/update
        """
        path, what = f"onlineEndpoints/{endpoint}/deployments/{name}", f"update deployment {name}"
        api = {"api-version": ENDPOINT_API}
        found = mapping(self.arm.call("GET", self.url(path), what, params=api))
        kept = {
            part: found[part] for part in ("location", "tags", "sku", "kind", "identity") if found.get(part)
        }
        properties = {
            field: value
            for field, value in mapping(found.get("properties")).items()
            if field != "provisioningState"
        }
        body = {**kept, "properties": {**properties, "appInsightsEnabled": enabled}}
        self.arm.call("PUT", self.url(path), what, json=body, params=api)

    def logs(self, endpoint: str, deployment: str, lines: int = 50) -> str:
        """Of the container that serves; of the one that fetches model and code where that never came to serve."""
        with translated(f"read logs of {deployment}"):
            get = self.client.online_deployments.get_logs
            log = str(get(deployment, endpoint, lines) or "")
            if not log.strip():
                log = str(get(deployment, endpoint, lines, container_type=_FETCHING) or "")
        return redact(log)

    def _why_failed(self, found: Resource) -> str:
        """What the operation that made a failed deployment says, image builds included; empty where it says nothing."""
        operation = texts(found.properties.get("properties")).get("AzureAsyncOperationUri", "")
        path = operation.partition("/subscriptions/")[2]
        if not path:
            return ""
        try:
            # Asked of our own endpoint, which alone gets the token.
            told = self.arm.find(f"/subscriptions/{path}", f"read why {found.name} failed")
        except DropMLError:
            return ""
        return (
            redact(explain(200, {"error": error})) if (error := mapping(mapping(told).get("error"))) else ""
        )


def _script(spec: DeploymentSpec) -> dict[str, Any]:
    """What our entry script adds to a deployment.

    https://learn.microsoft.com/azure/machine-learning/reference-yaml-deployment-managed-online
    """
    from azure.ai.ml.entities import CodeConfiguration, ProbeSettings

    variables = {"DROPML_MODEL": spec.label}
    if spec.threshold is not None:
        variables["DROPML_THRESHOLD"] = repr(spec.threshold)
    return {
        "environment": spec.environment,
        "code_configuration": CodeConfiguration(code=spec.code, scoring_script=ENTRY),
        "environment_variables": variables,
        # A model that is unpickled imports its packages first: minutes on a small machine.
        "liveness_probe": ProbeSettings(initial_delay=30, period=10, timeout=5, failure_threshold=60),
        "readiness_probe": ProbeSettings(initial_delay=10, period=10, timeout=5, failure_threshold=60),
    }


def _endpoint(found: Resource) -> Endpoint:
    """Raises Transient for half an answer: one that stands has an address."""
    if found.state == "Succeeded" and not found.text("scoringUri"):
        raise Transient(f"The endpoint {found.name} is there, and its address is not told yet.")
    return Endpoint(
        found.name,
        found.state,
        found.text("scoringUri"),
        {
            name: share
            for name, share in mapping(found.properties.get("traffic")).items()
            if isinstance(share, int)
        },
        "key" if found.text("authMode").lower() == "key" else "aad_token",
        texts(found.properties.get("properties")),
    )


def _deployment(found: Resource) -> Deployment:
    return Deployment(
        found.name,
        found.state,
        found.text("model"),
        app_insights_enabled=found.properties.get("appInsightsEnabled") is True,
    )
