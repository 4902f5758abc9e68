"""Runs an AutoML job: data in, the engine as a process, its events into the run and its trials."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import sys
import time
from pathlib import Path

from dropml.azureml.assets.data import Data
from dropml.azureml.core.fields import seconds
from dropml.azureml.core.loops import contained
from dropml.azureml.core.store import Doc
from dropml.azureml.jobs import automl_facts, automl_job
from dropml.azureml.jobs.automl_trials import apply_event
from dropml.azureml.jobs.nodes import Nodes
from dropml.azureml.jobs.ordered import ordered_failure
from dropml.azureml.jobs.runs import TERMINAL, Runs
from dropml.azureml.workspace.storage import DataError
from dropml.common import family
from dropml.common.logs import bound, tail
from dropml.common.processes import Caps, Child, find_by_argument, start

log = logging.getLogger(__name__)
_POLL = 0.1
_MEMORY_POLL = 1.0
#: The engine keeps its own limits; past this much more the control plane ends it.
_OVERTIME = 1.25
_OVERTIME_SECONDS = 60.0


class EventFile:
    """Complete lines of a growing `events.jsonl`, each given once."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset = path, 0

    def new(self) -> list[Doc]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                raw = file.read()
        except FileNotFoundError:
            return []
        whole = raw[: raw.rfind(b"\n") + 1]
        self._offset += len(whole)
        found = []
        for line in whole.splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                log.warning("%s: not JSON: %.80r", self._path, line)
        return found


class AutoMLRunner:
    def __init__(self, runs: Runs, data: Data, nodes: Nodes) -> None:
        self._runs, self._data, self._nodes, self._c = runs, data, nodes, runs.c
        self.children: dict[str, Child] = {}

    async def run(self, name: str) -> None:
        """From NotStarted to a terminal status. Cancelling the task leaves the process to `stop`."""
        run = self._runs.get(name)
        assert run is not None
        compute = self._compute(run)
        async with self._nodes.node(compute, lambda: self._runs.status(name, "Queued")) as caps:
            child = self._living(run)
            if child is None:
                child = await self._start(run, caps)
            elif run.get("pid") is None:
                # Started by an emulator that did not live to write it down.
                self._note_start(run, child)
            if child is not None:
                await self._follow(name, child, caps)

    def _compute(self, run: Doc) -> str | None:
        target = run["properties"].get("computeId")
        return self._c.arm_name(target, "computes") if target else None

    def _living(self, run: Doc) -> Child | None:
        """The process of an earlier emulator: by its pid, or by its folder if the pid was not written down."""
        found = Child.adopt(run.get("pid"), run.get("pid_started"))
        if found is None and run["status"] != "NotStarted":
            found = find_by_argument(str(self._runs.folder(run["name"])))
        return found

    async def _start(self, run: Doc, caps: Caps) -> Child | None:
        name, folder = run["name"], self._runs.folder(run["name"])
        if (folder / "events.jsonl").exists():
            # The process ran and is gone: what it wrote decides.
            self._drain(name, EventFile(folder / "events.jsonl"))
            self._conclude(name, None)
            return None
        if run["cancel_requested"]:
            self._runs.finish(name, "Canceled")
            return None
        if ordered_failure(self._runs, name):
            return None
        self._runs.status(name, "Preparing")
        try:
            training, validation = await asyncio.to_thread(self._inputs, run, folder)
        except DataError as error:
            self._runs.finish(name, "Failed", f"The training data can't be read. {error}")
            return None
        spec = automl_job.engine_spec(run, training, validation, caps.cores, caps.memory_mb)
        (folder / "spec.json").write_text(json.dumps(spec, indent=1))
        command = [*(self._c.settings.automl_command or (sys.executable, "-m", "dropml.azureml.automl"))]
        command += ["--job", str(folder)]
        output = folder / "user_logs" / "std_log.txt"
        child = await asyncio.to_thread(start, command, output, caps, env=self._c.mark)
        self._note_start(run, child)
        return child

    def _inputs(self, run: Doc, folder: Path) -> tuple[Path, Path | None]:
        task = run["properties"]["taskDetails"]
        found: list[Path | None] = []
        for key, where in (("trainingData", "train"), ("validationData", "validation")):
            if task[key] is None:
                found.append(None)
                continue
            target = folder / "input" / where
            shutil.rmtree(target, ignore_errors=True)
            uri = task[key]["uri"]
            kind = self._data.data_type(uri)
            if kind not in (None, "mltable"):
                raise DataError(f"The data asset {uri} is a {kind}; AutoML takes an mltable.")
            self._data.download(uri, target)
            if not (target / "MLTable").is_file():
                raise DataError(f"The folder at {uri} holds no file named MLTable, so it is no mltable.")
            found.append(target)
        assert found[0] is not None
        return found[0], found[1]

    def _note_start(self, run: Doc, child: Child) -> None:
        task = run["properties"]["taskDetails"]
        asset = self._data.by_id(task["trainingData"]["uri"])
        resolved = asset["properties"]["dataUri"] if asset else task["trainingData"]["uri"]
        target = self._compute(run) or "serverless"
        cancel = (
            f"{self._c.settings.base_url}/jasmine/v1.0{self._c.settings.workspace_id}/cancel/{run['name']}"
        )

        def apply(found: Doc) -> None:
            found["pid"], found["pid_started"] = child.pid, child.started
            found["status"] = "CancelRequested" if found["cancel_requested"] else "Running"
            found["start"] = found["start"] or self._c.clock.now()
            found["tags"] = automl_facts.running_tags(found, self._c.guid) | found["tags"]
            own = automl_facts.running_properties(found, resolved, target, cancel)
            found["run_properties"] = own | found["run_properties"]

        self._runs.edit(run["name"], apply)

    # -- while it runs -------------------------------------------------------------------------------------

    async def _follow(self, name: str, child: Child, caps: Caps) -> None:
        folder = self._runs.folder(name)
        events, checked, reason = EventFile(folder / "events.jsonl"), time.monotonic(), None
        run = self._runs.get(name)
        assert run is not None
        self.children[name] = child
        if run["cancel_requested"]:
            await child.stop(10)
        allowed = self._allowed(run)
        # What it has run under an earlier emulator counts, unless the clock has jumped.
        deadline = time.monotonic() + allowed - min(family.age(child.started), allowed)
        try:
            while child.alive():
                self._drain(name, events)
                if time.monotonic() - checked > _MEMORY_POLL:
                    checked = time.monotonic()
                    bound(folder / "user_logs" / "std_log.txt")
                    reason = await self._trespass(child, caps, deadline)
                    if reason:
                        await child.stop(5)
                        break
                await asyncio.sleep(_POLL)
        finally:
            self.children.pop(name, None)
        self._drain(name, events)
        self._conclude(name, child.code, reason)

    @staticmethod
    def _allowed(run: Doc) -> float:
        limit = seconds(run["properties"]["taskDetails"]["limitSettings"]["timeout"], "timeout")
        return limit * _OVERTIME + _OVERTIME_SECONDS

    async def _trespass(self, child: Child, caps: Caps, deadline: float) -> str | None:
        used = await asyncio.to_thread(child.memory_mb)
        if used > caps.memory_mb:
            return (
                f"The job used {used:,.0f} MiB of memory and its node has {caps.memory_mb:,} MiB: "
                "use a larger VM size or less data."
            )
        if time.monotonic() > deadline:
            return "The training process did not end at the job's timeout and was stopped."
        return None

    def _drain(self, name: str, events: EventFile) -> None:
        found = events.new()
        if found:
            with self._c.store.transaction():
                for event in found:
                    with contained(f"job {name}: an event of its engine"):
                        apply_event(self._runs, name, event)

    def _conclude(self, name: str, code: int | None, reason: str | None = None) -> None:
        """The last word, from what the engine said before it ended."""
        run = self._runs.get(name)
        if run is None or run["status"] in TERMINAL:
            return
        outcome = run.get("outcome") or {}
        if outcome.get("type") == "completed":
            self._runs.finish(name, "Completed")
        elif run.get("interrupted"):
            # The emulator is being stopped: the job starts again with it.
            return
        elif run["cancel_requested"]:
            self._runs.finish(name, "Canceled")
        elif outcome.get("type") == "failed":
            self._runs.finish(name, "Failed", outcome.get("message"), outcome.get("code") or "UserError")
        else:
            self._runs.finish(name, "Failed", reason or self._crash(name, code), "SystemError")

    def _crash(self, name: str, code: int | None) -> str:
        said = tail(self._runs.folder(name) / "user_logs" / "std_log.txt", 5)
        how = (
            "ended"
            if code is None
            else f"was killed by signal {-code}"
            if code < 0
            else f"ended with code {code}"
        )
        return f"The training process {how} before it had finished." + (
            f" Its last lines: {said}" if said else ""
        )

    # -- from outside --------------------------------------------------------------------------------------

    async def cancel(self, name: str) -> None:
        """Ask the engine to stop; `_follow` sees the end."""
        child = self.children.get(name)
        if child:
            await child.stop(10)
