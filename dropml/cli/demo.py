"""`make demo`, `dropml demo`: a dropped CSV becomes a scored endpoint, then the published pipeline trains it anew.

At the end files are wrong and people act (demo_night.py).

Options through the environment: DATA (a CSV), LABEL (its column), BUDGET (seconds of training).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
from azure.storage.blob import BlobServiceClient

from dropml import stack
from dropml.cli.bad_rows import put_aside, with_bad_rows
from dropml.cli.demo_night import Night
from dropml.cli.following import follow
from dropml.cli.sample import Sample, obtain
from dropml.client import Client, Record, Run, Schema, Scores
from dropml.common.folders import COMMAND
from dropml.common.processes import StartError

#: Beyond the training budget, so much for everything else (seconds).
ALLOWANCE = 240.0


@dataclass
class Demo:
    """One run of the demo; `report` becomes `.dropml/demo.json`."""

    sample: Sample
    label: str
    budget: float
    started: float
    #: Whether somebody brought the file (DATA); else two bad rows are put into the copy that is dropped.
    brought: bool = True
    report: dict[str, Any] = field(default_factory=dict)

    def say(self, text: str) -> None:
        print(text, flush=True)

    def run(self, running: stack.Stack) -> int:
        """Exit code."""
        with Client(running.api, running.key) as api:
            return self.walk(running, api)

    def walk(self, running: stack.Stack, api: Client) -> int:
        """From the drop to the second, retrained run, and to the night; exit code."""
        self.report["timings"] = {"setup_s": round(time.time() - self.started, 1)}
        name = self.sample.path.stem
        dropped = self.drop(running)
        run = follow(api, lambda: _first_run(api, name), self.budget + ALLOWANCE)
        self.keep_run(api, run, dropped)
        self.tell_bad_rows(running, run)
        if run["state"] != "live":
            self.say(
                f"\nThe run ended as {run['state']}: {json.dumps(run['problem'] or run['gate'], indent=2)}"
            )
            return 1
        self.score(api, run)
        self.describe(api, run)
        self.pipeline(api, name)
        self.night(running)
        self.how_to_call(running, run)
        return 0

    def drop(self, running: stack.Stack) -> float:
        """Upload with the plain storage SDK, as anybody would."""
        self.say(f"\nDropping {self.sample.path.name} into `incoming` ...\n")
        with BlobServiceClient.from_connection_string(running.storage) as service:
            blob = service.get_blob_client("incoming", f"{self.sample.path.stem}.csv")
            with self.sample.path.open("rb") as data:
                # Nothing is added to a file that somebody brought.
                blob.upload_blob(data if self.brought else with_bad_rows(data.read()), overwrite=True)
        return time.time()

    def keep_run(self, api: Client, run: Run, dropped: float) -> None:
        at = {entry["state"]: entry["at"] for entry in run["history"]}
        now = run["history"][-1]["at"]
        timings = self.report["timings"]
        timings["drop_to_registered_s"] = round(at.get("registered", now) - dropped, 2)
        if "trained" in at:
            timings["training_s"] = round(at["trained"] - at["training"], 2)
            timings["trained_to_live_s"] = round(now - at["trained"], 2)
        timings["drop_to_live_s"] = round(now - dropped, 2)
        data = run["snapshot"]
        self.report |= {
            "state": run["state"],
            "dataset": run["dataset"],
            "run_id": run["run_id"],
            "synthetic": self.sample.synthetic,
            "rows": data["rows"] if data else None,
            "rows_put_aside": data["bad_rows"] if data else None,
            "columns": len(data["schema"]["columns"]) + 1 if data else None,
            "label": self.label,
            "trials": api.leaderboard(run["run_id"])["trials"],
            "best": {k: v for k, v in (run["best"] or {}).items() if k in ("algorithm", "metrics")},
            "gate": gate_of(run),
            "error": run["problem"],
        }

    def tell_bad_rows(self, running: stack.Stack, run: Run) -> None:
        with BlobServiceClient.from_connection_string(running.storage) as service:
            where, *rows = put_aside(service, run) or [""]
        if rows:
            told = "\n".join(f"  {row}" for row in rows[:5])
            self.say(f"\n{len(rows)} bad rows were put aside, the others train: {where}\n{told}")

    def score(self, api: Client, run: Run) -> None:
        schema = _schema(run)
        records = walkthrough_records(schema)
        result = api.score(run["dataset"], records)
        self.report["scores"] = result
        self.say(f"\nScored {len(records)} records: {result}")
        if schema["classes"]:
            self.tell_probabilities(api.probabilities(run["dataset"], records))
        placement = run["placement"]
        self.report["endpoint"] = placement and {
            "name": placement["endpoint"],
            "scoring_uri": placement["scoring_uri"],
            "auth_mode": placement["auth_mode"],
            "app_insights_enabled": placement["app_insights_enabled"],
        }

    def tell_probabilities(self, found: Scores) -> None:
        classes, rows = found["classes"], found["probabilities"]
        self.report |= {"classes": classes, "probabilities": rows}
        for row in rows:
            self.say(
                "  " + ", ".join(f"{name} {share:.4f}" for name, share in zip(classes, row, strict=True))
            )

    def describe(self, api: Client, run: Run) -> None:
        swagger = api.swagger()
        self.report["swagger_paths"] = sorted(swagger["paths"])
        self.say(f"Swagger: {len(swagger['paths'])} paths, OpenAPI {swagger['openapi']}")
        board = api.leaderboard(run["run_id"])
        metric = board["primary_metric"]
        self.say(f"\n  {'#':>3} {'algorithm':<26} {metric:>13} {'accuracy':>9}  seconds")
        for place, trial in enumerate(board["trials"], 1):
            value, accuracy = (trial["metrics"].get(m) for m in (metric, "accuracy"))
            cells = [f"{v:.5f}" if v is not None else str(trial["status"]) for v in (value, accuracy)]
            self.say(
                f"  {place:>3} {trial['algorithm']:<26} {cells[0]:>13} {cells[1]:>9}  {trial['duration_s'] or 0:7.1f}"
            )
        self.say(f"\nGate: {gate_of(run).get('reason')}")

    def pipeline(self, api: Client, dataset: str) -> None:
        self.say("\nTriggering the published retraining pipeline on the same data ...\n")
        asked = api.trigger_pipeline(dataset, uuid.uuid4().hex)
        deadline = time.monotonic() + self.budget + ALLOWANCE

        def adopted() -> str | None:
            doc = api.pipeline_run(dataset, asked["id"])
            if doc["status"] == "failed":
                raise RuntimeError(f"The pipeline failed: {doc['error']}")
            return doc["run_id"] or None

        run = follow(api, adopted, self.budget + ALLOWANCE)
        doc = api.pipeline_run(dataset, asked["id"])
        while doc["status"] in ("publishing", "running") and time.monotonic() < deadline:
            time.sleep(0.5)
            doc = api.pipeline_run(dataset, asked["id"])
        self.report["pipeline_run"] = {
            "id": doc["id"],
            "status": doc["status"],
            "run_id": run["run_id"],
            "run_state": run["state"],
            "gate": gate_of(run),
        }
        self.say(f"\nPipeline {doc['status']}; its run is {run['state']}: {gate_of(run).get('reason')}")

    def night(self, running: stack.Stack) -> None:
        with (
            tempfile.TemporaryDirectory(prefix="dropml-demo-") as folder,
            Client(running.api, running.key, "night engineer") as api,
        ):
            self.report |= Night(running.storage, api, self.say, Path(folder)).walk()

    def how_to_call(self, running: stack.Stack, run: Run) -> None:
        record = json.dumps({"data": _schema(run)["example"][:1]})
        self.say(f"""
Call it yourself on a stack that stays (`{COMMAND} up`, drop the file there, and take its key):

  curl -s {running.api}/score/{quote(run["dataset"], safe="")} \\
    -H "x-functions-key: $KEY" -H "Content-Type: application/json" \\
    -d '{record}'

Documentation of the endpoint: {running.api}/docs""")


def _schema(run: Run) -> Schema:
    """What a live run was trained on."""
    if run["snapshot"] is None:
        raise RuntimeError(f"{run['run_id']} is live and tells of no data")
    return run["snapshot"]["schema"]


def _first_run(api: Client, dataset: str) -> str | None:
    runs = api.runs(dataset)
    return runs[-1]["run_id"] if runs else None


def gate_of(run: Run) -> dict[str, Any]:
    """The gate's decision and its reason, with the numbers beside them."""
    gate = run["gate"]
    return {**(gate["numbers"] or {}), "decision": gate["decision"], "reason": gate["reason"]} if gate else {}


def walkthrough_records(schema: Schema) -> list[Record]:
    """The walkthrough's two records where the reference folder has them and they fit, else two rows of the data."""
    reference = Path(os.environ.get("DROPML_REFERENCE") or stack.ROOT.parent / "shared")
    request = reference / "data" / "score_request.json"
    if request.is_file():
        records: list[Record] = json.loads(request.read_text())["data"]
        if set(records[0]) == {c["name"] for c in schema["columns"]}:
            return records
    return list(schema["example"])


def main() -> int:
    environ = os.environ
    return run(environ.get("DATA"), environ.get("LABEL") or "y", environ.get("BUDGET"))


def run(data: str | None, label: str, seconds: str | None) -> int:
    """The demo on a file of one's own, or on the bank-marketing data; exit code."""
    started = float(os.environ.get("DEMO_STARTED") or time.time())
    try:
        budget = stack.budget_of(seconds) or 60.0
    except StartError as error:
        print(error, file=sys.stderr)
        return 2
    if data and not Path(data).is_file():
        print(f"DATA={data}: there is no such file.", file=sys.stderr)
        return 2
    sample = Sample(Path(data), synthetic=False) if data else obtain(stack.HOME / "cache")
    if sample.synthetic:
        print("\n" + "!" * 78)
        print("!!  SYNTHETIC DATA: the public bank-marketing file can't be reached from here.  !!")
        print("!!  A made-up sample of the same schema is used; its scores mean nothing.       !!")
        print("!" * 78)
    demo = Demo(sample, label, budget, started, brought=bool(data))
    home = stack.HOME / "demo"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that being stopped stops the stack too
    stack.down(home)
    shutil.rmtree(home, ignore_errors=True)
    try:
        running = stack.up(home, label=label, budget=budget)
        code = demo.run(running)
    except (StartError, TimeoutError, RuntimeError, requests.RequestException) as error:
        print(f"\nThe demo stopped: {error}\nLogs: {home / 'logs'}", file=sys.stderr)
        demo.report.setdefault("state", "error")
        code = 1
    finally:
        stack.down(home)
        stack.write_json(stack.HOME / "demo.json", demo.report)
    print(f"\nEverything is stopped. Report: {stack.HOME / 'demo.json'}")
    return code


if __name__ == "__main__":
    sys.exit(main())
