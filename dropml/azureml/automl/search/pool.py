"""Worker processes: one for each task, forked from a server that has done the heavy imports already."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import time
from collections.abc import Collection
from typing import Any

from dropml.azureml.automl.scratch import Scratch
from dropml.azureml.automl.search.entry import run
from dropml.azureml.automl.search.task import Outcome, Task

#: Modules that the fork server imports before its first fork.
PRELOADED = ["dropml.azureml.automl.search.fork_server"]


class Pool:
    """Runs tasks in processes of their own. A crash, a hang or too much memory ends that task alone."""

    def __init__(self, scratch: Scratch, memory_mb: int) -> None:
        method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        self._context: Any = multiprocessing.get_context(method)
        if method == "forkserver":
            self._context.set_forkserver_preload(PRELOADED)
            from multiprocessing import forkserver

            forkserver.ensure_running()
        self._scratch, self._memory_mb = scratch, memory_mb
        self._running: dict[int, tuple[Any, Task, float]] = {}

    @property
    def running(self) -> list[Task]:
        return [task for _, task, _ in self._running.values()]

    def start(self, task: Task) -> None:
        process = self._context.Process(target=run, args=(str(self._scratch.root), task), daemon=True)
        process.start()
        self._running[process.sentinel] = (process, task, time.monotonic())

    def wait(self, timeout: float) -> list[Outcome]:
        """Outcomes of the tasks that ended within `timeout` seconds; [] if none did."""
        if not self._running:
            return []
        limit = time.monotonic() + timeout
        while True:
            overdue = min(task.deadline + task.grace for _, task, _ in self._running.values())
            pause = max(0.0, min(limit, overdue, time.monotonic() + 0.5) - time.monotonic())
            ready = multiprocessing.connection.wait(list(self._running), pause)
            outcomes = [self._collect(sentinel) for sentinel in ready]
            outcomes += self._kill_offenders()
            if outcomes or time.monotonic() >= limit:
                return outcomes

    def _collect(self, sentinel: Any) -> Outcome:
        process, task, start = self._running.pop(sentinel)
        process.join()
        seconds = time.monotonic() - start
        if not self._scratch.has_object(task.result):
            how = (
                f"signal {-process.exitcode}"
                if (process.exitcode or 0) < 0
                else f"exit code {process.exitcode}"
            )
            return Outcome(task, error=f"The trial's process died ({how}).", seconds=seconds)
        stored = self._scratch.object(task.result)
        return Outcome(task, stored.get("ok"), stored.get("error"), seconds)

    def _kill_offenders(self) -> list[Outcome]:
        """End tasks that run over their time; and the largest one while all together use too much memory."""
        outcomes = [
            self._kill(sentinel, "The trial ran into its time limit and was stopped.")
            for sentinel, (_, task, _) in list(self._running.items())
            if time.monotonic() > task.deadline + task.grace
        ]
        used = {sentinel: _resident_mb(process.pid) for sentinel, (process, _, _) in self._running.items()}
        while used and sum(used.values()) > self._memory_mb:
            largest = max(used, key=lambda sentinel: used[sentinel])
            del used[largest]
            text = (
                f"The trial used too much of this compute's {self._memory_mb} MB of memory and was stopped."
            )
            outcomes.append(self._kill(largest, text))
        return outcomes

    def _kill(self, sentinel: int, error: str) -> Outcome:
        process, task, start = self._running.pop(sentinel)
        _kill(process)
        return Outcome(task, error=error, seconds=time.monotonic() - start)

    def stop(self, keep: Collection[str] = ()) -> None:
        """End the running tasks, except those whose `out` is to be kept."""
        for sentinel, (process, task, _) in list(self._running.items()):
            if task.out not in keep:
                _kill(process)
                del self._running[sentinel]


def kill_children() -> None:
    """End every descendant of this process: the fork server too, which may still be busy importing."""
    import psutil

    children = psutil.Process().children(recursive=True)
    for child in children:
        with contextlib.suppress(psutil.Error):
            child.kill()
    psutil.wait_procs(children, timeout=2)


def _kill(process: Any) -> None:
    with contextlib.suppress(OSError):
        process.kill()
    process.join(2)


def _resident_mb(pid: int) -> float:
    """Memory of the worker's own: pages shared with the fork server and mapped data do not count."""
    import psutil

    try:
        info = psutil.Process(pid).memory_info()
    except psutil.Error:
        return 0.0
    return float(info.rss - getattr(info, "shared", 0)) / 1e6
