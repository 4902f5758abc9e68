"""What people see of a pipeline run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from shared.domain.run.acts import Act
from shared.domain.run.documents import Run
from shared.domain.run.parts import Gate, RunProblem
from shared.domain.run.pipeline_run import PipelineParameters, PipelineRun, PipelineStep
from shared.domain.run.states import State
from shared.services.documents import Documents
from shared.services.run.index import Index


@dataclass(frozen=True)
class PipelineRunView:
    """A pipeline run with the state of the run that came out of it. `steps` lack in lists."""

    id: str
    dataset: str
    slug: str
    status: str
    created_at: float
    updated_at: float
    actor: str
    job: str | None = None
    run_id: str | None = None
    error: RunProblem | None = None
    run_state: State | None = None
    gate: Gate | None = None
    only_publish: bool = False
    parameters: PipelineParameters = field(default_factory=PipelineParameters)
    cancelling: Act | None = None
    steps: tuple[PipelineStep, ...] = ()


def view(
    found: PipelineRun, run: Run | None = None, steps: tuple[PipelineStep, ...] | None = None
) -> PipelineRunView:
    """`steps` are those of now; without them, those that the document has kept."""
    return PipelineRunView(
        id=found.id,
        dataset=found.dataset,
        slug=found.slug,
        status=found.status,
        created_at=found.created_at,
        updated_at=found.updated_at,
        actor=found.actor,
        job=found.job,
        run_id=found.run_id,
        error=found.error,
        run_state=run.state if run else None,
        gate=run.gate if run else None,
        only_publish=found.only_publish,
        parameters=found.parameters,
        cancelling=found.cancelling,
        steps=found.steps if steps is None else steps,
    )


def short(found: PipelineRunView) -> PipelineRunView:
    """As a list shows it: steps, the gate's numbers and smoke answers are read with the run itself."""
    return replace(found, gate=None if found.gate is None else Gate(decision=found.gate.decision), steps=())


def pipeline_index(documents: Documents, slug: str) -> Index[PipelineRunView]:
    """A dataset's pipeline runs."""
    return Index(documents, f"index/pipelines/{slug}/", PipelineRunView)
