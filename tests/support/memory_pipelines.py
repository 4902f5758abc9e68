"""The retraining pipelines in memory: published in parts, started once per dataset and request id."""

from __future__ import annotations

from shared.domain.errors import Upstream
from shared.services.run.ports import TrainingJob
from tests.support.memory import MemoryAzureML

#: Component, endpoint, deployment, default.
PARTS = 4


class MemoryPipelines:
    """Implements `shared.services.run.ports.Pipelines` over a workspace in memory, where its jobs can be seen."""

    def __init__(self, azureml: MemoryAzureML) -> None:
        self._azureml = azureml
        self.parts: dict[str, int] = {}
        self.started: dict[tuple[str, str], str] = {}

    def published(self, slug: str, dataset: str, job: TrainingJob) -> str:
        made = self.parts.get(dataset, 0)
        return "absent" if made == 0 else "published" if made >= PARTS else "publishing"

    def begin_publish(self, slug: str, dataset: str, job: TrainingJob) -> None:
        self.parts[dataset] = min(PARTS, self.parts.get(dataset, 0) + 1)

    def invoke(self, slug: str, dataset: str, job: TrainingJob, request_id: str) -> str:
        if self.parts.get(dataset, 0) < PARTS:
            raise Upstream("The published pipeline has no address yet.")
        key = (dataset, request_id)
        if key not in self.started:
            self.started[key] = name = f"batchjob-{len(self.started) + 1}"
            for made in (name, f"{name}_automl"):
                self._azureml.jobs[made] = job
        return self.started[key]

    def automl_child(self, pipeline_job: str) -> str | None:
        child = f"{pipeline_job}_automl"
        return child if child in self._azureml.jobs else None
