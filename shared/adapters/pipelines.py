"""The retraining pipeline: a step that looks at the data, then an AutoML node, in a pipeline component behind a batch endpoint,
one per dataset.

Published in parts (component, endpoint, deployment, default), each found again by its name; `begin_publish` does the next
missing one. See docs/decisions/0004-published-pipeline.md for what could not be tried against the service.
"""

from __future__ import annotations

import shlex
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shared.adapters.arm import Arm
from shared.adapters.automl import automl_node
from shared.adapters.azureml import AzureMLAdapter
from shared.adapters.identity import AZUREML_SCOPE
from shared.adapters.resource import mapping
from shared.adapters.sdk import translated
from shared.domain import names
from shared.domain.errors import Transient, Upstream
from shared.domain.run.pipeline_run import PipelineStep
from shared.services.run.ports import TrainingJob
from shared.settings import Settings

BATCH_API = "2023-10-01"
#: Of the list of a batch endpoint's jobs, as `azure.ai.ml` asks for it (`BatchEndpointOperations.list_jobs`).
JOBS_API = "2020-09-01-dataplanepreview"
#: What the first step runs, and the curated environment that it runs in: any Python does.
STEP_CODE = Path(__file__).resolve().parent / "pipeline_code"
STEP_ENVIRONMENT = "azureml://registries/azureml/environments/sklearn-1.5/labels/latest"
#: A job may look older than its request by what two clocks differ (seconds).
CLOCKS = 600.0
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


def _prepare_component(job: TrainingJob, settings: Settings) -> Any:
    """The command component of the first node. Its `request` makes each run one of its own: the service would else hand on
    what an earlier run with the same inputs left.
    """
    from azure.ai.ml import Input, Output, command

    weight = f" --weight {shlex.quote(job.weight_column)}" if job.weight_column else ""
    extra = {"compute": settings.azureml_compute} if settings.azureml_compute else {}
    return command(
        name="prepare",
        display_name="prepare",
        description="Looks whether the staged table can be trained on, and hands it on.",
        code=str(STEP_CODE),
        command=(
            "python prepare.py --train ${{inputs.train}} --request ${{inputs.request}} --out ${{outputs.ready}}"
            f" --label {shlex.quote(job.label)}{weight}"
        ),
        environment=STEP_ENVIRONMENT,
        inputs={"train": Input(type="mltable", mode="ro_mount"), "request": Input(type="string")},
        outputs={"ready": Output(type="mltable")},
        is_deterministic=False,
        **extra,
    )


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
        # Who calls the endpoint by other means gets the dataset's own configuration.
        return "nothing" if default == deployment or (default and job.varied) else "default"

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
        """The pipeline with its two nodes; the SDK reads the function's signature at run time."""
        from azure.ai.ml import Input, dsl

        settings, prepare = self._settings, _prepare_component(job, self._settings)

        def retrain(train, request) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - set below, as values
            ready = prepare(train=train, request=request)
            ready.name = "prepare"
            node = automl_node(job, settings, ready.outputs.ready, whole_minutes=True)
            node.name = "automl"

        retrain.__annotations__ |= {
            "train": Input(type="mltable"),
            "request": Input(type="string", default="none"),
        }
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
        name = _job_name(slug, dataset, request_id)
        if self._azureml.job(name) is None:
            pipeline = self._pipeline(slug, job)
            pipeline.inputs["request"] = request_id
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
                "inputData": {
                    "train": {"jobInputType": "mltable", "uri": asset},
                    "request": {"jobInputType": "Literal", "value": request_id},
                },
                "properties": {"experimentName": f"{slug}-retrain"},
            }
        }
        answer = self._arm.call(
            "POST",
            uri,
            f"run the pipeline of {dataset}",
            json=body,
            scope=AZUREML_SCOPE,
            headers={
                "azureml-model-deployment": f"r-{_version(job)}",
                **dict.fromkeys(
                    _REPEATABILITY, repeatability_id(self._settings.workspace_id, dataset, request_id)
                ),
            },
        )
        return _named(answer, "name", dataset)

    def automl_child(self, pipeline_job: str) -> str | None:
        return self._azureml.automl_child(pipeline_job)

    def started(self, slug: str, dataset: str, job: TrainingJob, request_id: str, since: float) -> str | None:
        """By its name, or by the input that carries the request's id: a batch endpoint takes no name for a job, and what it
        says of repeated calls is not documented. A v1 pipeline's job can't be found.
        """
        if self._settings.pipeline_mode == "pipeline_job":
            name = _job_name(slug, dataset, request_id)
            return name if self._azureml.job(name) else None
        if self._settings.pipeline_mode == "v1":
            return None
        url = (
            f"{self._azureml.tracking.api}/mferp/managementfrontend{self._settings.workspace_id}"
            f"/batchEndpoints/{self._endpoint(slug, dataset)}/jobs"
        )
        what = f"list the pipeline jobs of {dataset}"
        for listed in self._arm.pages(url, what, {"api-version": JOBS_API}, scope=AZUREML_SCOPE):
            name = str(mapping(listed).get("name") or "")
            if name and _may_be(listed, since) and self._request_of(name) == request_id:
                return name
        return None

    def _request_of(self, name: str) -> str:
        """The id that a pipeline job was started with."""
        found = self._azureml.find(f"jobs/{name}", BATCH_API)
        inputs = mapping(found.properties.get("inputs")) if found else {}
        return str(mapping(inputs.get("request")).get("value") or "")

    def steps(self, pipeline_job: str) -> list[PipelineStep]:
        return self._azureml.tracking.steps(pipeline_job)


def _job_name(slug: str, dataset: str, request_id: str) -> str:
    return f"{slug}-rt-{names.digest(dataset, request_id)[:12]}"


def _may_be(listed: object, since: float) -> bool:
    """Whether a listed job may have been started since then; one without a time may."""
    made = str(mapping(mapping(listed).get("systemData")).get("createdAt") or "")
    try:
        at = datetime.fromisoformat(made)
    except ValueError:
        return True
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() > since - CLOCKS
