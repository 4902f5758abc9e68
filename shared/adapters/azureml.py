"""Azure ML through the real azure-ai-ml SDK, imported at first use: it costs seconds that scoring must not pay.

Nothing here waits for a long-running operation: `begin_*` sends the request; the next tick reads the resource's state.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from shared.adapters.arm import Arm, raise_for
from shared.adapters.tracking import Tracking
from shared.domain.errors import Conflict, Transient, Upstream
from shared.services.run.ports import Deployment, Endpoint, Job, TrainingJob
from shared.settings import Settings

DATA_API = ENDPOINT_API = "2023-10-01"
#: Long enough for a cold model server to score a chunk of the holdout.
REQUEST_TIMEOUT_MS = 90_000


@contextmanager
def translated(what: str) -> Iterator[None]:
    """The SDK's errors as the product's."""
    from azure.ai.ml.exceptions import MlException
    from azure.core import exceptions as core

    try:
        yield
    except core.HttpResponseError as error:
        status = error.status_code or 500
        message = {"error": {"code": "", "message": _message(error)}}
        raise_for(status, message, what)
        raise Transient(f"{what}: {_message(error)}") from error
    except MlException as error:
        # The SDK itself refused: sending the same again would not help.
        raise Upstream(f"{what}: the SDK refuses it: {error.message}") from error
    except core.AzureError as error:
        raise Transient(
            f"{what}: the service can't be reached ({type(error).__name__}).",
            remedy="The next tick tries again.",
        ) from error


def _message(error: Any) -> str:
    return str(getattr(error, "message", error)).splitlines()[0][:500]


class AzureMLAdapter:
    """Implements `shared.services.run.ports.AzureML`."""

    def __init__(self, settings: Settings, credential: Any, arm: Arm) -> None:
        self._settings = settings
        self._credential = credential
        self._arm = arm
        self._tracking = Tracking(arm, settings.workspace_id)

    @cached_property
    def client(self) -> Any:
        """The MLClient. Building it sends nothing."""
        from azure.ai.ml import MLClient

        s = self._settings
        return MLClient(
            self._credential,
            s.azure_subscription_id,
            s.azure_resource_group,
            s.azureml_workspace,
            enable_telemetry=False,
        )

    # -- data and jobs -------------------------------------------------------------------------------------

    def register_data(
        self, name: str, version: str, path: str, properties: dict[str, str], tags: dict[str, str]
    ) -> str:
        """One ARM PUT. The SDK would first read the MLTable from storage, and retry for 80 s where it can't.

        https://learn.microsoft.com/rest/api/azureml/data-versions/create-or-update
        """
        asset = f"{self._settings.workspace_id}/data/{name}/versions/{version}"
        api = {"api-version": DATA_API}
        found = self._arm.find(asset, f"read data asset {name}:{version}", params=api)
        if found is None:
            body = {
                "properties": {
                    "dataType": "mltable",
                    "dataUri": f"azureml://datastores/{self._settings.datastore}/paths/{path}",
                    "properties": properties,
                    "tags": tags,
                    "isAnonymous": False,
                    "isArchived": False,
                }
            }
            found = self._arm.call(
                "PUT", asset, f"register data asset {name}:{version}", json=body, params=api
            )
        elif not found["properties"]["dataUri"].rstrip("/").endswith(path.rstrip("/")):
            raise Conflict(
                f"The data asset {name}:{version} exists and points elsewhere.",
                remedy=f"Archive or rename the asset {name} that DropML didn't make, then retry the run.",
            )
        return str(found["id"])

    def job(self, name: str) -> Job | None:
        found = self._arm.find(
            f"{self._settings.workspace_id}/jobs/{name}",
            f"read job {name}",
            params={"api-version": "2024-01-01-preview"},
        )
        if found is None or not found.get("properties"):
            # Jobs inside other jobs may have no ARM form of their own; the run history has them all.
            return self._tracking.job(name)
        properties = found["properties"]
        status = str(properties.get("status") or "Unknown")
        best = (properties.get("tags") or {}).get("automl_best_child_run_id")
        error = None
        if status == "Completed" and not best:
            best = self._tracking.best_child(name)
        if status == "Failed":
            error = self._tracking.error(name)
        return Job(name, status, best, error)

    def submit(self, job: TrainingJob) -> None:
        from shared.adapters.automl import automl_job

        with translated(f"submit job {job.name}"):
            self.client.jobs.create_or_update(automl_job(job, self._settings))

    def cancel(self, name: str) -> None:
        with translated(f"cancel job {name}"):
            self.client.jobs.begin_cancel(name)

    def trials(self, job: str, *, metrics: bool) -> list[dict[str, Any]]:
        return self._tracking.trials(job, metrics=metrics)

    def automl_child(self, pipeline_job: str) -> str | None:
        """The AutoML job inside a pipeline job, once it exists."""
        return self._tracking.automl_child(pipeline_job)

    def register_model(
        self, name: str, version: str, child: str, tags: dict[str, str], properties: dict[str, str]
    ) -> str:
        from azure.ai.ml.entities import Model

        with translated(f"register model {name}:{version}"):
            model = self.client.models.create_or_update(
                Model(
                    name=name,
                    version=version,
                    path=f"azureml://jobs/{child}/outputs/artifacts/paths/outputs/mlflow-model/",
                    type="mlflow_model",
                    tags=tags,
                    properties=properties,
                )
            )
        return str(model.id)

    # -- endpoints -----------------------------------------------------------------------------------------

    def endpoint(self, name: str) -> Endpoint | None:
        found = self._arm.find(
            f"{self._settings.workspace_id}/onlineEndpoints/{name}",
            f"read endpoint {name}",
            params={"api-version": ENDPOINT_API},
        )
        if found is None:
            return None
        p = found["properties"]
        return Endpoint(
            name,
            str(p.get("provisioningState") or "Unknown"),
            p.get("scoringUri") or "",
            dict(p.get("traffic") or {}),
            "key" if str(p.get("authMode")).lower() == "key" else "aad_token",
            dict(p.get("properties") or {}),
        )

    def begin_endpoint(self, name: str, description: str, tags: dict[str, str]) -> None:
        from azure.ai.ml.entities import ManagedOnlineEndpoint

        mode = "key" if self._settings.endpoint_auth == "key" else "aad_token"
        with translated(f"create endpoint {name}"):
            self.client.online_endpoints.begin_create_or_update(
                ManagedOnlineEndpoint(name=name, auth_mode=mode, description=description, tags=tags)
            )

    def deployments(self, endpoint: str) -> list[Deployment]:
        url = f"{self._settings.workspace_id}/onlineEndpoints/{endpoint}/deployments"
        found: list[Deployment] = []
        page: dict[str, Any] = {"nextLink": f"{self._arm.endpoint}{url}?api-version={ENDPOINT_API}"}
        while page.get("nextLink"):
            page = self._arm.call("GET", page["nextLink"], f"list deployments of {endpoint}")
            found += [_deployment(d) for d in page["value"]]
        return found

    def deployment(self, endpoint: str, name: str) -> Deployment | None:
        found = self._arm.find(
            f"{self._settings.workspace_id}/onlineEndpoints/{endpoint}/deployments/{name}",
            f"read deployment {name}",
            params={"api-version": ENDPOINT_API},
        )
        return _deployment(found) if found else None

    def begin_deployment(self, endpoint: str, name: str, model: str, tags: dict[str, str]) -> None:
        """An MLflow model needs neither environment nor scoring script (no-code deployment).

        https://learn.microsoft.com/azure/machine-learning/how-to-deploy-mlflow-models-online-endpoints
        """
        from azure.ai.ml.entities import ManagedOnlineDeployment, OnlineRequestSettings

        with translated(f"create deployment {name}"):
            self.client.online_deployments.begin_create_or_update(
                ManagedOnlineDeployment(
                    name=name,
                    endpoint_name=endpoint,
                    model=model,
                    instance_type=self._settings.instance_type,
                    instance_count=self._settings.instance_count,
                    app_insights_enabled=True,
                    request_settings=OnlineRequestSettings(request_timeout_ms=REQUEST_TIMEOUT_MS),
                    tags=tags,
                )
            )

    def begin_delete_deployment(self, endpoint: str, name: str) -> None:
        with translated(f"delete deployment {name}"):
            self.client.online_deployments.begin_delete(name, endpoint)

    def begin_traffic(self, endpoint: str, traffic: dict[str, int]) -> None:
        with translated(f"move traffic of {endpoint}"):
            entity = self.client.online_endpoints.get(endpoint)
            entity.traffic = traffic
            self.client.online_endpoints.begin_create_or_update(entity)

    def logs(self, endpoint: str, deployment: str, lines: int = 50) -> str:
        with translated(f"read logs of {deployment}"):
            return str(self.client.online_deployments.get_logs(deployment, endpoint, lines))


def _deployment(doc: dict[str, Any]) -> Deployment:
    p = doc["properties"]
    return Deployment(
        doc["name"],
        str(p.get("provisioningState") or "Unknown"),
        str(p.get("model") or ""),
        bool(p.get("appInsightsEnabled")),
    )
