"""What the lifecycle needs from Azure ML: documented verbs, and a way to find everything again by its name.

Every `begin_*` returns once the service has taken the request; nothing here waits for a long-running operation.
All raise Transient where a retry may help and Upstream or Fatal where it can't.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from shared.domain.answers import Answers
from shared.domain.config import DatasetConfig
from shared.domain.run.parts import Source, Trial
from shared.domain.run.pipeline_run import PipelineStep
from shared.domain.run.quarantine import Report
from shared.domain.schema import Schema, Value

#: Terminal job states, https://learn.microsoft.com/rest/api/azureml/jobs/get (JobStatus).
JOB_DONE = frozenset({"Completed", "Failed", "Canceled"})


@dataclass(frozen=True)
class Job:
    name: str
    status: str
    best_child: str | None = None
    error: str | None = None
    #: Whether the service itself failed, and not what it was given.
    system_error: bool = False


@dataclass(frozen=True)
class TrainingJob:
    """An AutoML job to submit; `config` is the run's effective configuration."""

    name: str
    experiment: str
    data: str
    data_version: str
    label: str
    config: DatasetConfig
    weight_column: str | None
    tags: dict[str, str]
    #: Whether somebody asked for it otherwise than the dataset's configuration says.
    varied: bool = False


@dataclass(frozen=True)
class Endpoint:
    name: str
    state: str  # Creating | Updating | Deleting | Succeeded | Failed | Canceled
    scoring_uri: str
    traffic: dict[str, int]
    auth_mode: str
    properties: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Deployment:
    name: str
    state: str
    model: str
    app_insights_enabled: bool
    #: What the service says of one that failed.
    error: str = ""


@dataclass(frozen=True)
class DeploymentSpec:
    """A deployment as it shall be. Putting one that is there with another `threshold` updates it.

    `mode` is `script` (our entry script, which answers probabilities) or `no_code` (the service's own script for MLflow).
    """

    endpoint: str
    name: str
    #: The registered model's id, and its `name:version`.
    model: str
    label: str
    tags: dict[str, str] = field(default_factory=dict)
    mode: str = "no_code"
    #: Ids of the registered code and environment of a script deployment.
    code: str = ""
    environment: str = ""
    #: From this probability of the second of two classes on, that class is answered; None: as the model itself decides.
    threshold: float | None = None


class AzureML(Protocol):
    def register_data(
        self, name: str, version: str, path: str, properties: dict[str, str], tags: dict[str, str]
    ) -> str:
        """Register the `mltable` folder at `path` in the data container; returns the ARM id. Repeating finds it."""

    def job(self, name: str) -> Job | None: ...
    def submit(self, job: TrainingJob) -> None: ...
    def cancel(self, name: str) -> None: ...
    def job_log(self, name: str) -> str:
        """The end of a job's or a trial's own log, without secrets; empty where it has none."""

    def trials(self, job: str, *, metrics: bool) -> list[Trial]:
        """Children of an AutoML job, in the order of the trials; `metrics` costs one call a finished trial."""

    def register_model(
        self, name: str, version: str, child: str, tags: dict[str, str], properties: dict[str, str]
    ) -> str: ...
    def endpoint(self, name: str) -> Endpoint | None: ...
    def all_endpoints(self) -> list[Endpoint]:
        """Every endpoint of the workspace: a call a page, however many datasets there are."""

    def begin_endpoint(self, name: str, description: str, tags: dict[str, str]) -> None: ...
    def deployment(self, endpoint: str, name: str) -> Deployment | None: ...
    def deployments(self, endpoint: str) -> list[Deployment]: ...
    def register_code(self) -> str:
        """The entry script of script deployments, uploaded once per content; returns its id. Repeating finds it."""

    def register_environment(self, child: str) -> str:
        """The packages that the child's model needs, registered once per content; returns the id. Repeating finds it."""

    def begin_deployment(self, spec: DeploymentSpec) -> None: ...
    def begin_delete_deployment(self, endpoint: str, name: str) -> None:
        """Idempotent: one that isn't there is gone already."""

    def begin_app_insights(self, endpoint: str, name: str, *, enabled: bool) -> None:
        """Turn a deployment's own Application Insights on or off; an update of the deployment."""

    def begin_traffic(self, endpoint: str, traffic: dict[str, int]) -> None: ...
    def logs(self, endpoint: str, deployment: str, lines: int = 50) -> str: ...


class RunFiles(Protocol):
    """What jobs have left behind (`shared.adapters.run_files.RunFiles`)."""

    def names(self, run: str, prefix: str) -> list[str]:
        """Paths of the run's artifacts that begin with `prefix`."""

    def text(self, run: str, path: str, most: int) -> str | None:
        """An artifact of at most `most` bytes; None where there is none, an empty one, or a larger one."""


class Pipelines(Protocol):
    """Publishing and running the retraining pipeline."""

    def published(self, slug: str, dataset: str, job: TrainingJob) -> str:
        """State of the pipeline: absent | publishing | published | failed."""

    def begin_publish(self, slug: str, dataset: str, job: TrainingJob) -> None:
        """Do the next thing that publishing lacks."""

    def invoke(self, slug: str, dataset: str, job: TrainingJob, request_id: str) -> str:
        """Start the pipeline on the dataset's asset; returns the pipeline job's name."""

    def started(self, slug: str, dataset: str, job: TrainingJob, request_id: str, since: float) -> str | None:
        """The pipeline job that a start of this id has made since then (unix seconds); None where there is none."""

    def automl_child(self, pipeline_job: str) -> str | None:
        """Name of the AutoML job inside, once it exists."""

    def steps(self, pipeline_job: str) -> list[PipelineStep]:
        """The nodes of the pipeline job, in the order in which they began."""


class Scorer(Protocol):
    """Scores rows through the endpoint, pinned to one deployment."""

    def answers(
        self, endpoint: Endpoint, deployment: str, columns: list[str], rows: list[list[Any]]
    ) -> Answers: ...


@dataclass(frozen=True)
class Drawn:
    """Rows of a holdout: feature values in schema order, true labels, and each row's number in the file, from 1."""

    rows: list[list[Value]]
    truth: list[str]
    places: list[int]
    #: Rows that were left out because an earlier holdout has them.
    known: int = 0


class Data(Protocol):
    """The data account, as far as the lifecycle reads and writes it."""

    def draw(self, path: str, schema: Schema, limit: int, besides: str = "") -> Drawn:
        """At most `limit` rows of the holdout at `path`, drawn from all of it; raises NotFound where it is gone.

        Where it is the holdout at `besides` and more, only what is more (`shared.domain.gate.known_rows`).
        """

    def put_aside(self, path: str, folder: str) -> None:
        """Copy staged rows that can't be trained on to the quarantine's folder, as `rows.csv`."""

    def quarantine(self, source: Source, folder: str, report: Report) -> None:
        """Keep the original and its report; raises Conflict when the source has been replaced meanwhile."""
