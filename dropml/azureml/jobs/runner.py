"""Starts, cancels, stops and takes up again every job that is not over."""

from __future__ import annotations

import asyncio
import logging
import shutil
from typing import Protocol

from dropml.azureml.core.loops import contained
from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.runs import FIRST, OPEN, TERMINAL, Runs
from dropml.common.processes import Child, find_by_argument

log = logging.getLogger(__name__)


class Runner(Protocol):
    """Brings one kind of job to its end."""

    children: dict[str, Child]

    async def run(self, name: str) -> None: ...
    async def cancel(self, name: str) -> None: ...


class JobRunner:
    """One task a job that is not over."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._runners: dict[str, Runner] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def register(self, kind: str, runner: Runner) -> None:
        self._runners[kind] = runner

    def submit(self, name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._run(name))
        self._tasks[name] = task
        task.add_done_callback(lambda _: self._tasks.pop(name, None))
        return task

    async def _run(self, name: str) -> None:
        # The request that made the job commits and answers first.
        await asyncio.sleep(0)
        run = self._runs.get(name)
        if run is None or run["status"] in TERMINAL:
            return
        try:
            await self._runners[run["type"]].run(name)
        except Exception as error:
            log.exception("job %s", name)
            await self._broken(name, error)

    async def _broken(self, name: str, error: Exception) -> None:
        """An unexpected error ends its own job, and the process that the job may have; all others go on."""
        message = f"The emulator could not run this job: {type(error).__name__}: {error}"
        with contained(f"the end of job {name}"):
            self._runs.finish(name, "Failed", message, "SystemError")
        with contained(f"the process of job {name}"):
            left = await asyncio.to_thread(find_by_argument, str(self._runs.folder(name)))
            if left:
                await left.stop(2)

    async def wait(self, name: str) -> None:
        """Until the job's task has ended."""
        task = self._tasks.get(name)
        if task:
            await asyncio.wait({task})

    async def cancel(self, name: str) -> None:
        """Request the cancellation; a job that waits for a node ends at once, a process gets SIGTERM."""

        def request(run: Doc) -> None:
            run["cancel_requested"] = True
            run["status"] = "CancelRequested"

        run = self._runs.get(name)
        if run is None or run["status"] in TERMINAL:
            return
        self._runs.edit(name, request)
        runner = self._runners.get(run["type"])
        task = self._tasks.get(name)
        if runner is None or task is None:
            self._runs.finish(name, "Canceled")
        elif run["status"] in ("NotStarted", "Queued", "Starting") and name not in runner.children:
            task.cancel()
            self._runs.finish(name, "Canceled")
        else:
            await runner.cancel(name)

    def resume(self) -> None:
        """Take up what an earlier emulator left open: finished, resumed, or failed with its reason."""
        for _, name, run in self._runs.c.store.find("run", statuses=OPEN, oldest_first=True):
            if run["type"] not in self._runners:
                continue
            try:
                self._take_up(run)
            except Exception as error:
                log.exception("job %s can't be taken up", name)
                message = f"The emulator could not take this job up: {type(error).__name__}: {error}"
                self._runs.finish(name, "Failed", message, "SystemError")

    def _take_up(self, run: Doc) -> None:
        if run.get("interrupted"):
            self._again(run)
        # Children of a pipeline are taken up by it.
        parent = self._runs.get(run["parent"]) if run["parent"] else None
        if parent is None or parent["status"] in TERMINAL:
            self.submit(run["name"])

    def _again(self, run: Doc) -> None:
        """The emulator was stopped while the job ran: it starts once more, as after a preemption."""
        folder = self._runs.folder(run["name"])
        left = find_by_argument(str(folder))
        if left:
            left.signal(9)
        for part in ("events.jsonl", "trials", "outputs", "spec.json", "exit_code"):
            found = folder / part
            shutil.rmtree(found) if found.is_dir() else found.unlink(missing_ok=True)
        with self._runs.c.store.transaction():
            if run["type"] == "AutoML":
                for trial in self._runs.children(run["name"]):
                    self._runs.c.store.delete("run", trial["name"])
            self._runs.edit(run["name"], _reset)

    async def close(self) -> None:
        """Stop every process; their jobs start again with the emulator."""
        children = {n: c for r in self._runners.values() for n, c in r.children.items()}
        for name in self._tasks:
            self._runs.change(name, interrupted=True)
        await asyncio.gather(*(child.stop(2.0) for child in children.values()), return_exceptions=True)
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _reset(run: Doc) -> None:
    run |= {
        "interrupted": False,
        "restarts": run["restarts"] + 1,
        "status": "CancelRequested" if run["cancel_requested"] else FIRST.get(run["type"], "NotStarted"),
        "pid": None,
        "pid_started": None,
        "start": None,
        "outcome": None,
        "metrics": {},
    }
