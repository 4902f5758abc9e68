"""Runs: jobs, pipeline nodes and trials as documents, with the transitions they may make."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dropml.azureml.core.context import Context
from dropml.azureml.core.store import Doc

TERMINAL = ("Completed", "Failed", "Canceled")
OPEN = ("NotStarted", "Preparing", "Starting", "Queued", "Running", "Finalizing", "CancelRequested")
#: Logs of a job, by their paths in its folder.
STD_LOG, BUILD_LOG = "user_logs/std_log.txt", "azureml-logs/20_image_build_log.txt"
#: The type of a run that MLflow made, and no job.
TRACKED = "Tracked"
#: The first status of a job by its type, as recorded.
FIRST = {"AutoML": "NotStarted", "Pipeline": "Preparing", "Command": "Starting"}


class Runs:
    """Reads and writes of run documents. A terminal status is final."""

    kind = "run"

    def __init__(self, context: Context) -> None:
        self.c = context

    # -- documents -----------------------------------------------------------------------------------------

    def get(self, name: str) -> Doc | None:
        return self.c.store.get(self.kind, name)

    def folder(self, name: str) -> Path:
        return self.c.folder("jobs", name)

    def artifacts(self, run: Doc) -> Path:
        """The artifact folder of a run: a trial's lies in its job's folder."""
        if run["type"] == "Trial":
            return self.folder(run["parent"]) / "trials" / str(run["iteration"])
        return self.folder(run["name"])

    def named_output(self, job: str, output: str) -> Path:
        return self.folder(job) / "named_outputs" / output

    def create(
        self, name: str, kind: str, properties: Doc, *, parent: Doc | None = None, **extra: Any
    ) -> Doc:
        """A new run in its first status. `properties` is the ARM body; the run's own state stands beside it."""
        now = self.c.clock.now()
        run = {
            "name": name,
            "type": kind,
            "properties": properties,
            "status": FIRST.get(kind, "NotStarted"),
            "archived": bool(properties.get("isArchived")),
            "display_name": properties.get("displayName") or name,
            "description": properties.get("description"),
            "experiment": properties.get("experimentName") or "Default",
            "tags": dict(properties.get("tags") or {}),
            "run_properties": dict(properties.get("properties") or {}),
            "parent": parent["name"] if parent else None,
            "root": parent["root"] if parent else name,
            "uuid": str(uuid.uuid4()),
            "created": now,
            "modified": now,
            "start": None,
            "end": None,
            "error": None,
            "metrics": {},
            "params": {},
            "cancel_requested": False,
            "restarts": 0,
            **extra,
        }
        self.experiment(run["experiment"])
        self.c.store.put(self.kind, name, run, parent=run["parent"])
        return run

    def change(self, name: str, **values: Any) -> Doc | None:
        return self.edit(name, lambda run: run.update(values))

    def edit(self, name: str, change: Callable[[Doc], None]) -> Doc | None:
        def apply(run: Doc) -> None:
            before = run["status"]
            change(run)
            if before in TERMINAL:
                run["status"] = before
            run["modified"] = self.c.clock.now()

        return self.c.store.update(self.kind, name, apply)

    def status(self, name: str, status: str) -> None:
        """Move on, unless the run is over or being cancelled."""

        def apply(run: Doc) -> None:
            if run["status"] == "CancelRequested" and status not in TERMINAL:
                return
            run["status"] = status
            if status == "Running" and run["start"] is None:
                run["start"] = self.c.clock.now()

        self.edit(name, apply)

    def finish(self, name: str, status: str, message: str | None = None, code: str = "UserError") -> None:
        """End a run with its reason; children that are still open end with it."""

        def apply(run: Doc) -> None:
            run["status"] = status
            run["end"] = self.c.clock.now()
            run["start"] = run["start"] or run["end"]
            run["pid"] = None
            if message:
                run["error"] = {"code": code, "message": message}

        child = "Canceled" if status == "Canceled" else "Failed"
        reason = None if child == "Canceled" else "The parent job ended before this run had finished."
        with self.c.store.transaction():
            self.edit(name, apply)
            for _, key, _ in self.c.store.find(self.kind, parent=name, statuses=OPEN):
                self.finish(key, child, reason)

    def children(self, name: str) -> list[Doc]:
        """Oldest first."""
        return [run for _, _, run in self.c.store.find(self.kind, parent=name, oldest_first=True)]

    def experiment(self, name: str) -> Doc:
        """The experiment of that name, made at its first mention."""
        found = self.c.store.get("experiment", name)
        if found is None:
            found = {"name": name, "id": str(uuid.uuid4()), "created": self.c.clock.now()}
            self.c.store.put("experiment", name, found)
        return found

    # -- the ARM resource ----------------------------------------------------------------------------------

    def services(self, name: str) -> Doc:
        s = self.c.settings
        empty = {"status": None, "errorMessage": None, "properties": None, "nodes": None}
        tracking = f"azureml://localhost:{s.port}/mlflow/v1.0{s.workspace_id}?"
        where = f"/subscriptions/{s.subscription}/resourcegroups/{s.resource_group}/workspaces/{s.workspace}"
        studio = f"{s.base_url}/runs/{name}?wsid={where}"
        return {
            "Tracking": {"jobServiceType": "Tracking", "port": None, "endpoint": tracking, **empty},
            "Studio": {"jobServiceType": "Studio", "port": None, "endpoint": studio, **empty},
        }
