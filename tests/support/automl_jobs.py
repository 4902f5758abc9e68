"""Runs AutoML jobs for tests: in this process where the engine's own work is looked at, else as the real process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from dropml.azureml.automl.events import Events
from dropml.azureml.automl.scratch import Scratch
from dropml.azureml.automl.search.clock import Clock
from dropml.azureml.automl.search.pool import Pool
from dropml.azureml.automl.search.task import Outcome, Task
from dropml.azureml.automl.spec import UserError, read_spec

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = Path(os.environ.get("DROPML_REFERENCE", ROOT.parent / "shared"))


def write_data(
    folder: Path, rows: dict[str, Any] | str, types: dict[str, Any] | None = None, delimiter: str = ","
) -> Path:
    """An MLTable folder from columns, or from the text of a CSV file."""
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(rows, str):
        (folder / "data.csv").write_text(rows, encoding="utf-8", newline="")
    else:
        import pandas as pd

        pd.DataFrame(rows).to_csv(folder / "data.csv", index=False, sep=delimiter)
    read = {
        "delimiter": delimiter,
        "encoding": "utf8",
        "header": "all_files_same_headers",
        "support_multi_line": True,
    }
    transformations: list[Any] = [{"read_delimited": read}]
    if types:
        transformations.append(
            {
                "convert_column_types": [
                    {"columns": [name], "column_type": kind} for name, kind in types.items()
                ]
            }
        )
    document = {"paths": [{"file": "./data.csv"}], "transformations": transformations}
    (folder / "MLTable").write_text(yaml.safe_dump(document), encoding="utf-8")
    return folder


@dataclass
class Finished:
    """What a job left behind."""

    job_dir: Path
    exit_code: int
    events: list[dict[str, Any]]

    @property
    def trials(self) -> dict[int, dict[str, Any]]:
        """The last event of each trial."""
        return {e["iteration"]: e for e in self.events if e["type"] == "trial"}

    @property
    def algorithms(self) -> list[str]:
        return [t["algorithm"] for t in self.trials.values()]

    @property
    def failure(self) -> str:
        return next((e["message"] for e in self.events if e["type"] == "failed"), "")

    @property
    def best(self) -> dict[str, Any]:
        name = next(e["best"] for e in self.events if e["type"] == "completed")
        return next(t for t in self.trials.values() if t["id"] == name)

    @property
    def model_dir(self) -> Path:
        return self.job_dir / "trials" / str(self.best["iteration"]) / "outputs" / "mlflow-model"

    def guardrail(self, kind: str) -> dict[str, Any]:
        rails = next(e["guardrails"] for e in self.events if e["type"] == "guardrails")
        return next(r for r in rails if r["type"] == kind)


def write_spec(job_dir: Path, data: Path, **spec: Any) -> Path:
    job_dir.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {
        "job": "job",
        "task": "Classification",
        "target": "y",
        "training_data": str(data),
        "primary_metric": None,
        "limits": {"timeout_s": 40, "max_trials": 2},
        "training": {},
        "featurization": None,
        "properties": {},
        "cpus": 1,
        "memory_mb": 4096,
        **spec,
    }
    (job_dir / "spec.json").write_text(json.dumps(document), encoding="utf-8")
    return job_dir


def run_here(job_dir: Path) -> Finished:
    """The job inside this process, its tasks one after the other."""
    from dropml.azureml.automl import job as engine

    events, scratch = Events(job_dir / "events.jsonl"), Scratch(job_dir / "work")
    code = 0
    try:
        spec = read_spec(job_dir)
        clock = Clock(time.monotonic(), spec.limits.timeout_s)
        events.emit("completed", best=engine._run(spec, job_dir, events, scratch, InlinePool(scratch), clock))
    except UserError as error:
        events.emit("failed", message=str(error), code="UserError")
        code = 1
    finally:
        events.close()
        scratch.remove()
    return Finished(job_dir, code, read_events(job_dir))


class InlinePool(Pool):
    """Stands in for the pool of processes: a task runs when it is waited for."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._waiting: list[Task] = []

    @property
    def running(self) -> list[Task]:
        return self._waiting

    def start(self, task: Task) -> None:
        self._waiting.append(task)

    def wait(self, timeout: float) -> list[Outcome]:
        from dropml.azureml.automl.search import worker

        task = self._waiting.pop(0)
        worker.perform(str(self._scratch.root), task)
        stored = self._scratch.object(task.result)
        return [Outcome(task, stored.get("ok"), stored.get("error"), stored.get("seconds", 0.0))]

    def stop(self, keep: Collection[str] = ()) -> None:
        self._waiting = [task for task in self._waiting if task.out in keep]


def start_process(job_dir: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dropml.azureml.automl", "--job", str(job_dir)]
    with (job_dir / "log").open("wb") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)


def run_process(job_dir: Path, timeout: float = 120) -> Finished:
    process = start_process(job_dir)
    try:
        code = process.wait(timeout)
    finally:
        process.kill()
    return Finished(job_dir, code, read_events(job_dir))


def read_events(job_dir: Path) -> list[dict[str, Any]]:
    path = job_dir / "events.jsonl"
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def wait_for(job_dir: Path, test: Any, timeout: float = 60) -> list[dict[str, Any]]:
    """Events of the job, once one of them passes `test`."""
    end = time.time() + timeout
    while time.time() < end:
        events = read_events(job_dir)
        if any(test(e) for e in events):
            return events
        time.sleep(0.02)
    raise AssertionError(f"not seen in {timeout} s: {read_events(job_dir)}")


def people(n: int, seed: int = 0) -> dict[str, Any]:
    """Columns of every plain kind, and a label that depends on them."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 90, n)
    income = np.round(rng.gamma(3, 1000, n), 2)
    job = rng.choice(["clerk", "nurse", "teacher", "pilot"], n)
    member = rng.random(n) < 0.4
    joined = np.datetime64("2020-01-01") + rng.integers(0, 1000, n).astype("timedelta64[D]")
    lift = {"clerk": -1.0, "nurse": 0.5, "teacher": 0.0, "pilot": 1.5}
    margin = (age - 50) / 15 + np.array([lift[j] for j in job]) + member * 0.8 + rng.normal(0, 0.7, n)
    return {
        "age": age,
        "income": income,
        "job": job,
        "member": member,
        "joined": joined.astype(str),
        "y": np.where(margin > 0.3, "yes", "no"),
    }
