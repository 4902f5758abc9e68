"""What every published pipeline must do (`shared.services.run.ports.Pipelines`)."""

from __future__ import annotations

import uuid

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

    def test_a_request_starts_it_once_and_its_automl_job_is_found(
        self, pipelines: Pipelines, azureml: AzureML, job: TrainingJob
    ) -> None:
        self.publish(pipelines, job.data, job)
        first = pipelines.invoke(job.data, job.data, job, "request-1")
        assert pipelines.invoke(job.data, job.data, job, "request-1") == first
        other = pipelines.invoke(job.data, job.data, job, "request-2")
        assert other != first
        child = until(lambda: pipelines.automl_child(first), lambda name: name is not None)
        assert child is not None
        assert child not in (first, other)
        done = until(lambda: azureml.job(child), lambda j: j is not None and j.status == "Completed")
        assert done is not None
        assert done.best_child is not None

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
