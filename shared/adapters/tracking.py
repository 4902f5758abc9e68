"""What a job's tracking store tells: children, their metrics, the best one, and why a job failed.

Run history and MLflow REST are what the studio and azureml-mlflow use; both take an ordinary ARM token.
https://mlflow.org/docs/latest/rest-api.html
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from typing import Any

from shared.adapters.arm import Arm
from shared.domain.run.parts import Trial
from shared.services.run.ports import Job


def _seconds(start: str | None, end: str | None) -> float | None:
    if not start or not end:
        return None
    return round((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds(), 3)


class Tracking:
    """Reads; never writes."""

    def __init__(self, arm: Arm, workspace_id: str) -> None:
        self._arm = arm
        self._ws = workspace_id

    @cached_property
    def api(self) -> str:
        """Base URL of the workspace's data-plane APIs, from its discovery document."""
        workspace = self._arm.call(
            "GET", self._ws, "read the workspace", params={"api-version": "2023-10-01"}
        )
        found = self._arm.call("GET", workspace["properties"]["discoveryUrl"], "read the discovery document")
        return str(found["api"]).rstrip("/")

    def _mlflow(self, run: str) -> dict[str, Any]:
        url = f"{self.api}/mlflow/v2.0{self._ws}/api/2.0/mlflow/runs/get"
        answer = self._arm.call("GET", url, f"read run {run}", params={"run_id": run, "run_uuid": run})
        return dict(answer["run"])

    def _history(self, run: str) -> dict[str, Any] | None:
        return self._arm.find(
            f"{self.api}/history/v1.0{self._ws}/runs/{run}",
            f"read history of {run}",
            params={"api-version": "v1.0"},
        )

    def children(self, run: str) -> Iterator[Any]:
        """Run-history records of the children, page by page."""
        url = f"{self.api}/history/v1.0{self._ws}/runs/{run}/children"
        return self._arm.pages(url, f"list children of {run}", {"api-version": "v1.0"})

    def job(self, run: str) -> Job | None:
        """A job as the run history has it; None when it has none of that name."""
        found = self._history(run)
        if found is None:
            return None
        status = str(found.get("status") or "Unknown")
        best = (found.get("tags") or {}).get("automl_best_child_run_id")
        return Job(run, status, best, self.error(run) if status == "Failed" else None)

    def best_child(self, run: str) -> str | None:
        tags = {t["key"]: t["value"] for t in self._mlflow(run)["data"].get("tags", [])}
        return tags.get("automl_best_child_run_id")

    def error(self, run: str) -> str:
        """The sentence that the job failed with, as far as the service tells one."""
        found = self._history(run) or {}
        error = (found.get("error") or {}).get("error") or found.get("error") or {}
        return str(error.get("message") or "The job failed and the service gave no reason.")

    def automl_child(self, run: str) -> str | None:
        """The first child whose run type is AutoML's."""
        for child in self.children(run):
            properties = child.get("properties") or {}
            if child.get("runType") == "automl" or properties.get("runTemplate") == "AutoML":
                return str(child["runId"])
        return None

    def trials(self, job: str, *, metrics: bool) -> list[Trial]:
        """The leaderboard, in the order of the trials; metrics cost one call a finished trial."""
        found = [self._trial(child, metrics=metrics) for child in self.children(job)]
        return sorted((trial for trial in found if trial), key=lambda trial: _iteration(trial.name))

    def _trial(self, child: dict[str, Any], *, metrics: bool) -> Trial | None:
        properties, tags = child.get("properties") or {}, child.get("tags") or {}
        if "run_algorithm" not in properties and "run_algorithm" not in tags:
            return None  # set-up and explanation children are no trials
        name, status = str(child["runId"]), str(child.get("status"))
        asked = metrics and status == "Completed"
        values = self._mlflow(name)["data"].get("metrics", []) if asked else []
        return Trial(
            name=name,
            algorithm=properties.get("run_algorithm") or tags.get("run_algorithm"),
            preprocessor=properties.get("run_preprocessor") or tags.get("run_preprocessor"),
            status=status,
            duration_s=_seconds(child.get("startTimeUtc"), child.get("endTimeUtc")),
            metrics={m["key"]: _finite(m["value"]) for m in values},
        )


def _finite(value: object) -> float | None:
    """None for what JSON has no number for: NaN and the infinities."""
    number = float(value) if isinstance(value, int | float) else math.nan
    return number if math.isfinite(number) else None


def _iteration(name: str) -> tuple[int, str]:
    tail = name.rpartition("_")[2]
    return (int(tail) if tail.isdigit() else 10**6, name)
