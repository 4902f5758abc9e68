"""What every published pipeline must do (`shared.services.run.ports.Pipelines`)."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace

import pytest

from shared.domain.config import DatasetConfig
from shared.domain.errors import Upstream
from shared.services.run.ports import AzureML, Pipelines, TrainingJob
from tests.contracts.azureml import until


class PipelinesContract:
    """A subclass gives `azureml`, the `pipelines` over it, and the `folder` of a staged table."""

    @pytest.fixture
    def azureml(self) -> AzureML:
        raise NotImplementedError

    @pytest.fixture
    def pipelines(self, azureml: AzureML) -> Pipelines:
        raise NotImplementedError

    @pytest.fixture
    def folder(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def job(self, azureml: AzureML, folder: str) -> TrainingJob:
        """Whose data asset is a name that no other test uses."""
        slug = f"b{uuid.uuid4().hex[:7]}"
        azureml.register_data(slug, "1", folder, {}, {})
        config = DatasetConfig(label="y", max_concurrent_trials=1)
        return TrainingJob(f"{slug}-1-a1", slug, slug, "1", "y", config, None, {})

    def publish(self, pipelines: Pipelines, dataset: str, job: TrainingJob) -> None:
        def step() -> str:
            state = pipelines.published(dataset, dataset, job)
            if state in ("absent", "publishing"):
                pipelines.begin_publish(dataset, dataset, job)
            return state

        assert until(step, lambda state: state in ("published", "failed")) == "published"

    def test_a_pipeline_is_published_in_steps_and_stays_so(
        self, pipelines: Pipelines, job: TrainingJob
    ) -> None:
        assert pipelines.published(job.data, job.data, job) == "absent"
        with pytest.raises(Upstream):
            pipelines.invoke(job.data, job.data, job, "request-1")
        self.publish(pipelines, job.data, job)
        pipelines.begin_publish(job.data, job.data, job)
        assert pipelines.published(job.data, job.data, job) == "published"

    def test_what_a_request_has_started_is_found_by_its_id_and_its_automl_job_in_it(
        self, pipelines: Pipelines, azureml: AzureML, job: TrainingJob
    ) -> None:
        self.publish(pipelines, job.data, job)
        since = time.time()

        def started(request_id: str) -> str | None:
            return pipelines.started(job.data, job.data, job, request_id, since)

        assert started("request-1") is None
        first = pipelines.invoke(job.data, job.data, job, "request-1")
        other = pipelines.invoke(job.data, job.data, job, "request-2")
        assert other != first
        assert started("request-1") == first
        assert started("request-2") == other
        assert started("request-3") is None
        child = until(lambda: pipelines.automl_child(first), lambda name: name is not None)
        assert child is not None
        assert child not in (first, other)
        done = until(lambda: azureml.job(child), lambda j: j is not None and j.status == "Completed")
        assert done is not None
        assert done.best_child is not None
        steps = until(
            lambda: pipelines.steps(first), lambda found: {each.status for each in found} == {"Completed"}
        )
        assert [(each.name, each.job == child) for each in steps] == [("prepare", False), ("automl", True)]

    def test_a_parameter_is_a_deployment_of_its_own_beside_the_default(
        self, pipelines: Pipelines, azureml: AzureML, job: TrainingJob
    ) -> None:
        """Two requests with other parameters took the default from each other, without end."""
        self.publish(pipelines, job.data, job)
        varied = replace(job, config=replace(job.config, max_trials=1), varied=True)
        self.publish(pipelines, job.data, varied)
        assert pipelines.published(job.data, job.data, job) == "published"
        assert pipelines.published(job.data, job.data, varied) == "published"
        started = pipelines.invoke(job.data, job.data, varied, "short")
        assert until(lambda: pipelines.automl_child(started), lambda name: name is not None)

    def test_the_same_id_of_another_dataset_is_another_run(
        self, pipelines: Pipelines, azureml: AzureML, folder: str, job: TrainingJob
    ) -> None:
        """A caller's Idempotency-Key: one dataset was handed the pipeline job of the other."""
        other = f"c{job.data[1:]}"
        azureml.register_data(other, "1", folder, {}, {})
        theirs = TrainingJob(f"{other}-1-a1", other, other, "1", "y", job.config, None, {})
        self.publish(pipelines, job.data, job)
        self.publish(pipelines, other, theirs)
        assert pipelines.invoke(job.data, job.data, job, "monday") != pipelines.invoke(
            other, other, theirs, "monday"
        )
