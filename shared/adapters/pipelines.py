"""The retraining pipeline: an AutoML node in a pipeline component behind a batch endpoint, one per dataset.

Published in parts (component, endpoint, deployment, default), each found again by its name; `begin_publish` does the next
missing one. See docs/decisions/0004-published-pipeline.md for what could not be tried against the service.
"""

from __future__ import annotations

import uuid
from typing import Any

from shared.adapters.arm import Arm
from shared.adapters.automl import automl_node
from shared.adapters.azureml import AzureMLAdapter
from shared.adapters.identity import AZUREML_SCOPE
from shared.adapters.resource import mapping
from shared.adapters.sdk import translated
from shared.domain import names
from shared.domain.errors import Transient, Upstream
from shared.services.run.ports import TrainingJob
from shared.settings import Settings

BATCH_API = "2023-10-01"
#: As the OASIS specification and as azure-ai-ml spell it: both mean the same call.
_REPEATABILITY = ("repeatability-request-id", "repeatability_request-id")


def repeatability_id(workspace_id: str, dataset: str, request_id: str) -> str:
    """A caller's id is its own per dataset and use; the service's are shared by all who call it.

    https://docs.oasis-open.org/odata/repeatable-requests/v1.0/repeatable-requests-v1.0.html wants a UUID.
    """
    parts = names.digest(workspace_id.lower(), "retraining-pipeline", dataset, request_id)
    return str(uuid.uuid5(uuid.NAMESPACE_URL, parts))


def _version(job: TrainingJob) -> str:
    """A pipeline of another configuration is another version of the component."""
    parts = [job.label, str(job.weight_column), job.config.config_hash()]
    return names.digest(*parts)[:10]


def _named(answer: object, key: str, dataset: str) -> str:
    """The job that an answer names. Raises Transient where it names none: half an answer."""
    name = str(mapping(answer).get(key) or "")
    if not name:
        raise Transient(f"The answer to the start of the pipeline of {dataset} names no job.")
    return name


class PipelinesAdapter:
    """Implements `shared.services.run.ports.Pipelines`."""

    def __init__(self, settings: Settings, azureml: AzureMLAdapter, arm: Arm) -> None:
        self._settings = settings
        self._azureml = azureml
        self._arm = arm

    def _endpoint(self, slug: str, dataset: str) -> str:
        return names.batch_endpoint(slug, self._settings.workspace_id, dataset)

    def _missing(self, slug: str, dataset: str, job: TrainingJob) -> str:
        """The next part to make: component | endpoint | deployment | default | wait | nothing | failed."""
        endpoint, deployment = self._endpoint(slug, dataset), f"r-{_version(job)}"
        find = self._azureml.find
        if find(f"components/{names.component(slug)}/versions/{_version(job)}", BATCH_API) is None:
            return "component"
        found = find(f"batchEndpoints/{endpoint}", BATCH_API)
        if found is None:
            return "endpoint"
        if found.state not in ("Succeeded", "Failed"):
            return "wait"
        below = find(f"batchEndpoints/{endpoint}/deployments/{deployment}", BATCH_API)
        if below is None:
            return "deployment"
        if "Failed" in (found.state, below.state):
            return "failed"
        if below.state != "Succeeded":
            return "wait"
        default = mapping(found.properties.get("defaults")).get("deploymentName")
        return "nothing" if default == deployment else "default"

    def published(self, slug: str, dataset: str, job: TrainingJob) -> str:
        if self._settings.pipeline_mode != "batch_endpoint":
            return "published"  # a plain job and a v1 pipeline need nothing of ours beforehand
        missing = self._missing(slug, dataset, job)
        return {"nothing": "published", "failed": "failed", "component": "absent"}.get(missing, "publishing")

    def begin_publish(self, slug: str, dataset: str, job: TrainingJob) -> None:
        from azure.ai.ml import entities

        client = self._azureml.client
        endpoint, deployment = self._endpoint(slug, dataset), f"r-{_version(job)}"
        missing = self._missing(slug, dataset, job)
        component = self._component(slug, job) if missing == "component" else None
        with translated(f"publish the pipeline of {dataset} ({missing})"):
            if missing == "component":
                client.components.create_or_update(component)
            elif missing == "endpoint":
                client.batch_endpoints.begin_create_or_update(
                    entities.BatchEndpoint(name=endpoint, description=f"Retrains {dataset}")
                )
            elif missing == "deployment":
                client.batch_deployments.begin_create_or_update(
                    entities.PipelineComponentBatchDeployment(
                        name=deployment,
                        endpoint_name=endpoint,
                        component=f"azureml:{names.component(slug)}:{_version(job)}",
                        settings={"default_compute": self._settings.azureml_compute or "serverless"},
                    )
                )
            elif missing == "default":
                entity = client.batch_endpoints.get(endpoint)
                entity.defaults = {"deployment_name": deployment}
                client.batch_endpoints.begin_create_or_update(entity)

    def _pipeline(self, slug: str, job: TrainingJob) -> Any:
        """The pipeline with its one AutoML node; the SDK reads the function's signature at run time."""
        from azure.ai.ml import Input, dsl

        settings = self._settings

        def retrain(train) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - set below, as a value
            node = automl_node(job, settings, train, whole_minutes=True)
            node.name = "automl"

        retrain.__annotations__["train"] = Input(type="mltable")
        pipeline = dsl.pipeline(
            name=names.component(slug),
            version=_version(job),
            display_name=f"Retrain {slug}",
            description="Trains the dataset's current data anew; DropML adopts the AutoML job and gates its model.",
        )(retrain)
        return pipeline(train=Input(type="mltable", path=f"azureml:{job.data}:{job.data_version}"))

    def _component(self, slug: str, job: TrainingJob) -> Any:
        return self._pipeline(slug, job).component

    def invoke(self, slug: str, dataset: str, job: TrainingJob, request_id: str) -> str:
        start = {
            "batch_endpoint": self._invoke_endpoint,
            "pipeline_job": self._submit_job,
            "v1": self._invoke_v1,
        }[self._settings.pipeline_mode]
        return start(slug, dataset, job, request_id)

    def _submit_job(self, slug: str, dataset: str, job: TrainingJob, request_id: str) -> str:
        """The fallback: the same pipeline as a plain job, whose name makes a repeated call find it."""
        name = f"{slug}-rt-{names.digest(dataset, request_id)[:12]}"
        if self._azureml.job(name) is None:
            pipeline = self._pipeline(slug, job)
            pipeline.name, pipeline.experiment_name = name, f"{slug}-retrain"
            with translated(f"run the pipeline of {dataset}"):
                self._azureml.client.jobs.create_or_update(pipeline)
        return name

    def _invoke_v1(self, slug: str, dataset: str, job: TrainingJob, request_id: str) -> str:
        """A published v1 pipeline by its REST URL (legacy)."""
        body = {
            "ExperimentName": f"{slug}-retrain",
            "ParameterAssignments": {"dataset": dataset, "data_asset": f"{job.data}:{job.data_version}"},
        }
        answer = self._arm.call(
            "POST", self._settings.pipeline_v1_url, f"run the v1 pipeline of {dataset}", json=body
        )
        return _named(answer, "Id", dataset)

    def _invoke_endpoint(self, slug: str, dataset: str, job: TrainingJob, request_id: str) -> str:
        """Plain HTTP: the SDK's own `invoke` shares one header dictionary between all calls of a process."""
        endpoint = self._azureml.find(f"batchEndpoints/{self._endpoint(slug, dataset)}", BATCH_API)
        uri = endpoint.text("scoringUri") if endpoint else ""
        if not uri:
            raise Upstream("The published pipeline has no address yet.", remedy="Try again in a minute.")
        asset = f"{self._settings.workspace_id}/data/{job.data}/versions/{job.data_version}"
        body = {
            "properties": {
                "inputData": {"train": {"jobInputType": "mltable", "uri": asset}},
                "properties": {"experimentName": f"{slug}-retrain"},
            }
        }
        answer = self._arm.call(
            "POST",
            uri,
            f"run the pipeline of {dataset}",
            json=body,
            scope=AZUREML_SCOPE,
            headers=dict.fromkeys(
                _REPEATABILITY, repeatability_id(self._settings.workspace_id, dataset, request_id)
            ),
        )
        return _named(answer, "name", dataset)

    def automl_child(self, pipeline_job: str) -> str | None:
        return self._azureml.automl_child(pipeline_job)
