"""The retraining pipelines in memory: published in parts, and started as often as it is asked for."""

from __future__ import annotations

from shared.domain.errors import Upstream
from shared.domain.run.pipeline_run import PipelineStep
from shared.services.run.ports import TrainingJob
from tests.support.memory import MemoryAzureML

#: Component, endpoint, deployment, default.
PARTS = 4


class MemoryPipelines:
    """Implements `shared.services.run.ports.Pipelines` over a workspace in memory, where its jobs can be seen."""

    def __init__(self, azureml: MemoryAzureML) -> None:
        self._azureml = azureml
        self.parts: dict[str, int] = {}
        #: What was started by dataset and request: a second call with the same id starts a second job.
        self.jobs_of: dict[tuple[str, str], list[str]] = {}
        self.invocations = 0

    def published(self, slug: str, dataset: str, job: TrainingJob) -> str:
        made = self.parts.get(dataset, 0)
        return "absent" if made == 0 else "published" if made >= PARTS else "publishing"

    def begin_publish(self, slug: str, dataset: str, job: TrainingJob) -> None:
        self.parts[dataset] = min(PARTS, self.parts.get(dataset, 0) + 1)

    def invoke(self, slug: str, dataset: str, job: TrainingJob, request_id: str) -> str:
        if self.parts.get(dataset, 0) < PARTS:
            raise Upstream("The published pipeline has no address yet.")
        self.invocations += 1
        name = f"batchjob-{self.invocations}"
        self.jobs_of.setdefault((dataset, request_id), []).append(name)
        for made in (name, f"{name}_prepare", f"{name}_automl"):
            self._azureml.jobs[made] = job
        return name

    def started(self, slug: str, dataset: str, job: TrainingJob, request_id: str, since: float) -> str | None:
        return self.jobs_of.get((dataset, request_id), [None])[-1]

    def steps(self, pipeline_job: str) -> list[PipelineStep]:
        found = ((name, self._azureml.job(f"{pipeline_job}_{name}")) for name in ("prepare", "automl"))
        return [PipelineStep(name, job.status, job.name) for name, job in found if job]

    def automl_child(self, pipeline_job: str) -> str | None:
        child = f"{pipeline_job}_automl"
        return child if child in self._azureml.jobs else None
