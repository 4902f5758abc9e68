"""Azure ML: data assets, jobs and models, beside its endpoints.

What the real azure-ai-ml SDK does well goes through it; reads and the one PUT that it makes slow are plain REST.
"""

from __future__ import annotations

from dataclasses import replace

from shared.adapters.online_endpoints import OnlineEndpoints
from shared.adapters.resource import Resource, texts
from shared.adapters.scoring_assets import ScoringAssets
from shared.adapters.sdk import translated
from shared.adapters.tracking import BEST_CHILD, NO_REASON
from shared.domain.errors import Conflict
from shared.domain.run.parts import Trial
from shared.services.run.ports import Job, TrainingJob

ASSET_API = "2023-10-01"
JOB_API = "2025-09-01"


class AzureMLAdapter(OnlineEndpoints, ScoringAssets):
    """Implements `shared.services.run.ports.AzureML`."""

    def register_data(
        self, name: str, version: str, path: str, properties: dict[str, str], tags: dict[str, str]
    ) -> str:
        """One ARM PUT. The SDK would first read the MLTable from storage, and retry for 80 s where it can't.

        https://learn.microsoft.com/rest/api/azureml/data-versions/create-or-update
        """
        asset = f"data/{name}/versions/{version}"
        found = self.find(asset, ASSET_API)
        if found is None:
            body = {
                "properties": {
                    "dataType": "mltable",
                    "dataUri": f"azureml://datastores/{self.settings.datastore}/paths/{path}",
                    "properties": properties,
                    "tags": tags,
                    "isAnonymous": False,
                    "isArchived": False,
                }
            }
            what, api = f"register data asset {name}:{version}", {"api-version": ASSET_API}
            found = Resource.of(self.arm.call("PUT", self.url(asset), what, json=body, params=api))
        elif not found.text("dataUri").rstrip("/").endswith(path.rstrip("/")):
            raise Conflict(
                f"The data asset {name}:{version} exists and points elsewhere.",
                remedy=f"Archive or rename the asset {name} that DropML didn't make, then retry the run.",
            )
        return found.id

    def job(self, name: str) -> Job | None:
        found = self.find(f"jobs/{name}", JOB_API)
        if found is None or not found.properties:
            # Jobs inside other jobs may have no ARM form of their own; the run history has them all.
            return self.tracking.job(name)
        status = found.text("status") or "Unknown"
        best = texts(found.properties.get("tags")).get(BEST_CHILD)
        if status == "Completed" and not best:
            best = self.tracking.best_child(name)
        told = self.tracking.job(name) if status == "Failed" else None
        if told is not None and told.status == "Failed":
            return replace(told, best_child=best)
        return Job(name, status, best, NO_REASON if status == "Failed" else None)

    def submit(self, job: TrainingJob) -> None:
        from shared.adapters.automl import automl_job

        entity = automl_job(job, self.settings)
        with translated(f"submit job {job.name}"):
            self.client.jobs.create_or_update(entity)

    def cancel(self, name: str) -> None:
        with translated(f"cancel job {name}"):
            self.client.jobs.begin_cancel(name)

    def trials(self, job: str, *, metrics: bool) -> list[Trial]:
        return self.tracking.trials(job, metrics=metrics)

    def job_log(self, name: str) -> str:
        return self.tracking.log(name)

    def automl_child(self, pipeline_job: str) -> str | None:
        """The AutoML job inside a pipeline job, once it exists."""
        return self.tracking.automl_child(pipeline_job)

    def register_model(
        self, name: str, version: str, child: str, tags: dict[str, str], properties: dict[str, str]
    ) -> str:
        """A version is registered once and found from then on. Raises Conflict where it is another child's."""
        from azure.ai.ml.entities import Model

        found = self.find(f"models/{name}/versions/{version}", ASSET_API)
        if found is not None:
            if f"{child}/" not in f"{found.text('modelUri')}/":
                raise Conflict(
                    f"The model {name}:{version} exists and is not that of {child}.",
                    remedy=f"Archive or rename the model {name} that DropML didn't make, then retry the run.",
                )
            return found.id
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
