"""What a job's tracking store tells: children, their metrics, the best one, and why a job failed.

Run history and MLflow REST are what the studio and azureml-mlflow use; both take an ordinary ARM token.
https://mlflow.org/docs/latest/rest-api.html
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from shared.adapters.arm import Arm
from shared.adapters.job_logs import log_end
from shared.adapters.resource import Resource, mapping, texts
from shared.domain.errors import Transient
from shared.domain.run.parts import MOST_CHARACTERS, Trial
from shared.domain.run.pipeline_run import PipelineStep
from shared.redaction import redact
from shared.services.run.ports import Job

#: The tag in which AutoML names the child of its best model.
BEST_CHILD = "automl_best_child_run_id"
#: Codes of the run history for failures that are not the job's own: its RootError names them beside UserError.
SYSTEM_ERRORS = frozenset(
    {"AzureStorageError", "RequestThrottled", "ServiceError", "SystemError", "TransientError"}
)
#: Characters of a trial's reason that the leaderboard keeps.
TRIAL_ERROR = 500
NO_REASON = "The job failed and the service gave no reason."


def _seconds(start: str, end: str) -> float | None:
    try:
        took = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    except (ValueError, TypeError):  # not there yet, or of a form that nobody knows
        return None
    return round(took.total_seconds(), 3)


@dataclass(frozen=True)
class RunRecord:
    """One run of the run history: a job, or a child of one. Times are ISO 8601, absent before they come."""

    name: str
    kind: str
    status: str
    experiment: str
    error: str
    system_error: bool
    started: str
    ended: str
    properties: dict[str, str]
    tags: dict[str, str]
    #: Of a pipeline's node: the name that people see.
    step: str = ""

    @classmethod
    def of(cls, document: object) -> RunRecord:
        found = mapping(document)
        told = mapping(found.get("error"))
        reason = mapping(told.get("error")) or told
        return cls(
            name=str(found.get("runId") or ""),
            kind=str(found.get("runType") or ""),
            status=str(found.get("status") or "Unknown"),
            experiment=str(found.get("experimentId") or ""),
            error=redact(str(reason.get("message") or NO_REASON))[:MOST_CHARACTERS],
            system_error=str(reason.get("code")) in SYSTEM_ERRORS,
            started=str(found.get("startTimeUtc") or ""),
            ended=str(found.get("endTimeUtc") or ""),
            properties=texts(found.get("properties")),
            tags=texts(found.get("tags")),
            step=str(found.get("displayName") or ""),
        )


class Tracking:
    """Reads; never writes."""

    def __init__(self, arm: Arm, workspace_id: str) -> None:
        self.arm = arm
        self._ws = workspace_id

    @cached_property
    def api(self) -> str:
        """Base URL of the workspace's data-plane APIs, from its discovery document."""
        api = {"api-version": "2023-10-01"}
        workspace = Resource.of(self.arm.call("GET", self._ws, "read the workspace", params=api))
        found = self.arm.call("GET", workspace.text("discoveryUrl"), "read the discovery document")
        address = str(mapping(found).get("api") or "").rstrip("/")
        if not address:  # not kept: the next call asks again
            raise Transient("The workspace's discovery document names no address of its APIs.")
        return address

    def _mlflow(self, run: str, part: str) -> dict[str, object]:
        """The `metrics` or `tags` of a run, by their keys."""
        url = f"{self.api}/mlflow/v2.0{self._ws}/api/2.0/mlflow/runs/get"
        answer = self.arm.call("GET", url, f"read run {run}", params={"run_id": run, "run_uuid": run})
        found = mapping(mapping(mapping(answer).get("run")).get("data")).get(part)
        pairs = [mapping(pair) for pair in found] if isinstance(found, list) else []
        return {str(pair.get("key")): pair.get("value") for pair in pairs}

    def _history(self, run: str) -> RunRecord | None:
        url = f"{self.api}/history/v1.0{self._ws}/runs/{run}"
        found = self.arm.find(url, f"read history of {run}", {"api-version": "v1.0"})
        return None if found is None else RunRecord.of(found)

    def children(self, run: str) -> Iterator[RunRecord]:
        """Page by page."""
        url = f"{self.api}/history/v1.0{self._ws}/runs/{run}/children"
        return map(RunRecord.of, self.arm.pages(url, f"list children of {run}", {"api-version": "v1.0"}))

    def job(self, run: str) -> Job | None:
        """A job as the run history has it; None when it has none of that name."""
        found = self._history(run)
        if found is None:
            return None
        best = found.tags.get(BEST_CHILD)
        if found.status != "Failed":
            return Job(run, found.status, best)
        return Job(run, found.status, best, found.error, found.system_error)

    def artifact_address(self, run: str, path: str) -> str | None:
        """The signed address of one of a run's artifacts; None where the run has no such one.

        Source: `RunArtifactsOperations.get_content_information_by_experiment_id` of azure-ai-ml's run history client.
        """
        found = self.arm.find(
            f"{self.artifacts_url(run)}/contentinfo", f"find {path} of {run}", {"path": path}
        )
        return None if found is None else str(found.get("contentUri") or "") or None

    def artifacts_url(self, run: str) -> str:
        """Where the run history has the run's artifacts. Raises Transient while it knows no experiment of the run."""
        record = self._history(run)
        if record is None or not record.experiment:
            raise Transient(f"The run history has no experiment of {run} yet.")
        return f"{self.api}/history/v1.0{self._ws}/experimentids/{record.experiment}/runs/{run}/artifacts"

    def best_child(self, run: str) -> str | None:
        best = self._mlflow(run, "tags").get(BEST_CHILD)
        return None if best is None else str(best)

    def automl_child(self, run: str) -> str | None:
        """The first child whose run type is AutoML's."""
        for child in self.children(run):
            if child.kind == "automl" or child.properties.get("runTemplate") == "AutoML":
                return child.name
        return None

    def steps(self, pipeline_job: str) -> list[PipelineStep]:
        """A pipeline job's nodes, in the order in which they began; those that wait come last."""
        found = sorted(self.children(pipeline_job), key=lambda child: child.started or "~")
        return [
            PipelineStep(
                name=child.step or child.name,
                status=child.status,
                job=child.name,
                started=child.started or None,
                ended=child.ended or None,
                error=child.error if child.status == "Failed" else None,
            )
            for child in found
        ]

    def trials(self, job: str, *, metrics: bool) -> list[Trial]:
        """The leaderboard, in the order of the trials; metrics cost one call a finished trial."""
        found = [self._trial(child, metrics=metrics) for child in self.children(job)]
        return sorted((trial for trial in found if trial), key=lambda trial: _iteration(trial.name))

    def log(self, run: str) -> str:
        """The end of the log that tells most of a run, without secrets; empty where it has none."""
        url = f"{self.api}/history/v1.0{self._ws}/runs/{run}/details"
        found = self.arm.find(url, f"read the details of {run}", {"api-version": "v1.0"})
        files = texts(mapping(found).get("logFiles"))
        chosen = min(files, key=_telling, default=None)
        return redact(log_end(files[chosen])) if chosen else ""

    def _trial(self, child: RunRecord, *, metrics: bool) -> Trial | None:
        told = child.tags | child.properties
        if "run_algorithm" not in told:
            return None  # set-up and explanation children are no trials
        asked = metrics and child.status == "Completed"
        values = self._mlflow(child.name, "metrics") if asked else {}
        return Trial(
            name=child.name,
            algorithm=told["run_algorithm"] or None,
            preprocessor=told.get("run_preprocessor") or None,
            status=child.status,
            duration_s=_seconds(child.started, child.ended),
            metrics={name: _finite(value) for name, value in values.items()},
            error=child.error[:TRIAL_ERROR]
            if child.status == "Failed" and child.error != NO_REASON
            else None,
        )


def _telling(path: str) -> tuple[int, str]:
    """The program's own output first; then the driver's, the image build's, whatever else."""
    names = ("std_log", "std_err", "stderr", "70_driver_log", "azureml_automl", "image_build")
    return next((at for at, name in enumerate(names) if name in path), len(names)), path


def _finite(value: object) -> float | None:
    """None for what JSON has no number for: NaN and the infinities."""
    number = float(value) if isinstance(value, int | float) else math.nan
    return number if math.isfinite(number) else None


def _iteration(name: str) -> tuple[int, str]:
    tail = name.rpartition("_")[2]
    return (int(tail) if tail.isdigit() else 10**6, name)
