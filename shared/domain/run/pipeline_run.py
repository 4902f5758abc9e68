"""A request for a run of the published retraining pipeline, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.run.parts import RunProblem

#: Statuses that the timer works on; the others are completed and failed.
PIPELINE_OPEN = frozenset({"publishing", "running"})


@dataclass(frozen=True)
class PipelineRun:
    """`dropml-state/pipelines/{slug}/{id}.json`. Times are unix seconds, UTC."""

    id: str
    dataset: str
    slug: str
    status: str
    created_at: float
    updated_at: float
    actor: str = "http"
    job: str | None = None
    run_id: str | None = None
    error: RunProblem | None = None
    #: Refusals by the service so far.
    refused: int = 0
    schema: int = 2

    @property
    def is_open(self) -> bool:
        return self.status in PIPELINE_OPEN
