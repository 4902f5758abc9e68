"""A request for a run of the published retraining pipeline, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.domain.run.acts import Act
from shared.domain.run.parts import RunProblem

#: Statuses that the timer works on; the others are completed, published, failed and cancelled.
PIPELINE_OPEN = frozenset({"publishing", "running"})


@dataclass(frozen=True)
class PipelineParameters:
    """What a trigger may say otherwise than the dataset's configuration; None: as that says."""

    timeout_minutes: float | None = None
    max_trials: int | None = None


@dataclass(frozen=True)
class PipelineStep:
    """One node of the pipeline job, as the run history has it. Times are ISO 8601; None before they come."""

    name: str
    status: str
    #: The step's own job.
    job: str = ""
    started: str | None = None
    ended: str | None = None
    error: str | None = None


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
    #: The run whose data it trains on, the newest as it was asked for; empty in what an earlier release wrote.
    base: str = ""
    error: RunProblem | None = None
    #: Refusals by the service so far.
    refused: int = 0
    #: Whether it ends once the pipeline is published, without a job.
    only_publish: bool = False
    parameters: PipelineParameters = field(default_factory=PipelineParameters)
    #: Written before the pipeline is started: from then on its job may be there although no answer named it.
    starting_at: float | None = None
    #: Who has it cancelled.
    cancelling: Act | None = None
    #: Its steps as they ended.
    steps: tuple[PipelineStep, ...] = ()
    #: When it began to be what it is, in the lifecycle's own time.
    paced_at: float | None = None
    schema: int = 2

    @property
    def is_open(self) -> bool:
        return self.status in PIPELINE_OPEN

    @property
    def in_doubt(self) -> bool:
        """Whether its job may have been started by a call that nobody knows the answer of."""
        return self.status == "publishing" and self.starting_at is not None
