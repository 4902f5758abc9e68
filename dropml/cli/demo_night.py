"""The demo's second part: what happens when files are wrong and people act.

A small dataset of its own goes live. A file with shuffled labels is stopped and rejected, one that lacks a column is quarantined
and released, and at the end the model before is put back.
"""

from __future__ import annotations

import csv
import io
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from azure.storage.blob import BlobServiceClient

from dropml.cli.following import follow
from dropml.cli.sample import write_synthetic
from dropml.client import ApiError, Client, Run, part

DATASET = "shop"
LACKING = "job"
ROWS = 8000
#: Of the first file's labels, so many are mixed up: the model of a sound file is clearly better, on the rows of either.
MIXED_UP = 0.25
#: Of each run: label, and two trials of a few seconds.
SMALL = {"dropml_label": "y", "dropml_timeout_minutes": "1", "dropml_max_trials": "2"}
WAITS = frozenset({"awaiting_approval"})
#: Of a run, and of callers until the model before answers them.
RUN_SECONDS, BACK_SECONDS = 180.0, 30.0


@dataclass
class Night:
    """`say` prints a line; `folder` takes the files that are made."""

    storage: str
    api: Client
    say: Callable[[str], None]
    folder: Path

    def walk(self) -> dict[str, Any]:
        """`rejection`, `quarantine` and `rollback` as they were seen. Raises RuntimeError where the first file isn't live."""
        self.say("\nThe same at night: a small dataset of its own, then files that are wrong.\n")
        first = self._run(shuffled(self._file(seed=7), MIXED_UP), 1)
        if first["state"] != "live":
            raise RuntimeError(f"{first['run_id']} ended as {first['state']}: {_why(first)}")
        more = self._file(seed=8)
        return {
            "rejection": self._rejection(more),
            "quarantine": self._quarantine(more),
            "rollback": self._rollback(),
        }

    def _file(self, seed: int) -> bytes:
        return write_synthetic(self.folder / f"{seed}.csv", ROWS, seed).read_bytes()

    def _rejection(self, data: bytes) -> dict[str, Any]:
        self.say("\nA file whose labels were shuffled on the way ...\n")
        run = self._run(shuffled(data), 2)
        why = _why(run)
        if run["state"] in WAITS:
            run = self._said(run, "reject", "the labels of this export are wrong")
        else:
            self.say(f"\nThe gate: {why}")
        self.say(f"\n{run['run_id']} is {run['state']}; the model before answers as ever.")
        return {"run_id": run["run_id"], "state": run["state"], "reason": why}

    def _quarantine(self, data: bytes) -> dict[str, Any]:
        self.say(f"\nA file without the column {LACKING!r} ...\n")
        held = self._run(without(data, LACKING), 3)
        found = {"run_id": held["run_id"], "state": held["state"], "reason": _why(held)}
        self.say(f"\n{held['run_id']} is {held['state']} before any money is spent: {found['reason']}")
        if held["state"] != "quarantined":
            return found
        self.say("The night engineer knows that the column has gone for good, and releases it:\n")
        self.api.post(
            f"/quarantine/{part(held['run_id'])}/release",
            {"note": f"{LACKING} is gone for good"},
        )
        run = follow(self.api, lambda: self._newest(4), RUN_SECONDS, until=WAITS)
        if run["state"] in WAITS:
            run = self._said(run, "approve", "looked at: the column is the only difference")
        self.say(f"\nReleased: {run['run_id']} is {run['state']}: {_why(run)}")
        return found | {"released_as": run["run_id"], "released_state": run["state"]}

    def _said(self, run: Run, verdict: str, note: str) -> Run:
        """The run at its end, after a person's word on it."""
        self.say(
            f"\n{run['run_id']} waits for a person: {_why(run)}\nThe night engineer: {verdict}, {note}\n"
        )
        self.api.post(f"/runs/{part(run['run_id'])}/{verdict}", {"note": note})
        return follow(self.api, lambda: run["run_id"], RUN_SECONDS)

    def _rollback(self) -> dict[str, Any]:
        rows = self.api.run(self._newest(1) or "")["snapshot"]
        body = {"data": list(rows["schema"]["example"]) if rows else []}
        asked = time.monotonic()
        try:
            back = self.api.post(f"/datasets/{DATASET}/rollback", {"note": "callers complain"})
        except ApiError as refused:
            self.say(f"\nNothing to roll back to: {refused}")
            return {"refused": str(refused)}
        while (answered := self._answered_by(body)) != back["run_id"]:
            if time.monotonic() - asked > BACK_SECONDS:
                raise RuntimeError(f"{answered} still answers {BACK_SECONDS:g} s after the rollback")
        ms = round(1000 * (time.monotonic() - asked))
        self.say(f"\nRolled back: {answered} answers callers again after {ms} ms, without training.")
        return {"run_id": answered, "ms": ms}

    def _answered_by(self, body: Mapping[str, Any]) -> str:
        """The run whose model answered."""
        kind = "application/json"
        answer = self.api.post_raw(f"/score/{DATASET}", json.dumps(body).encode(), kind, kind)
        return answer.headers["x-dropml-run"]

    def _run(self, data: bytes, number: int) -> Run:
        """Drop a file; its run, once it is over or waits for a person."""
        with BlobServiceClient.from_connection_string(self.storage) as service:
            blob = service.get_blob_client("incoming", f"{DATASET}.csv")
            blob.upload_blob(data, overwrite=True, metadata=SMALL)
        return follow(self.api, lambda: self._newest(number), RUN_SECONDS, until=WAITS)

    def _newest(self, number: int) -> str | None:
        """The run of that number."""
        runs = self.api.runs(DATASET)
        return runs[-number]["run_id"] if len(runs) >= number else None


def shuffled(data: bytes, share: float = 1.0) -> bytes:
    """The same rows, the last column's values of so many of them in another order."""
    header, *rows = csv.reader(io.StringIO(data.decode(), newline=""))
    dice = random.Random(1)
    chosen = [row for row in rows if dice.random() < share]
    labels = [row[-1] for row in chosen]
    dice.shuffle(labels)
    for row, label in zip(chosen, labels, strict=True):
        row[-1] = label
    return _csv([header, *rows])


def without(data: bytes, column: str) -> bytes:
    """The same rows without a column."""
    rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    at = rows[0].index(column)
    return _csv([[*row[:at], *row[at + 1 :]] for row in rows])


def _csv(rows: list[list[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def _why(run: Run) -> str:
    """What was said of how it ended, or of what it waits for."""
    found = cast("dict[str, Any]", run)
    approval, problem, gate = (found.get(name) or {} for name in ("approval", "problem", "gate"))
    if found["state"] in WAITS and approval:
        return str(approval["why"])
    return str(problem.get("message") or gate.get("reason") or approval.get("why") or "no reason was given")
