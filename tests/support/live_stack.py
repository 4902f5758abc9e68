"""A whole stack on a folder of its own, seen by a caller with the function key and by whoever may signal its processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import requests
from azure.storage.blob import BlobServiceClient, ContainerClient

from dropml import stack
from dropml.client import DONE
from dropml.common import processes
from dropml.common.processes import Child

#: Two trials of a second or two each; the limit is for machines with much else to do. Of models by some twenty rows held out, one
#: or the other is a row better by chance.
SMALL = {"dropml_timeout_minutes": "1", "dropml_max_trials": "2", "dropml_gate_margin": "0.3"}
ROWS = 240


def small_table(seed: int = 0, rows: int = ROWS) -> bytes:
    """A table that a model learns at once: `y` follows `a`, and `seed` makes its bytes differ from every other one's."""
    lines = ["a,b,y"]
    lines += [
        f"{i * 7 % 101},{(i + seed) * 13 % 997},{'yes' if i * 7 % 101 > 50 else 'no'}" for i in range(rows)
    ]
    return ("\n".join(lines) + "\n").encode()


class LiveStack:
    """A caller with the function key; `running` is found anew after a part was started again."""

    def __init__(
        self, running: stack.Stack, *, budget: float = 60.0, extra: dict[str, str] | None = None
    ) -> None:
        self.running, self._budget, self._extra = running, budget, extra
        self.storage = BlobServiceClient.from_connection_string(running.storage)

    def again(self) -> None:
        """`make up` once more, with the same settings: what was killed is started."""
        self.running = stack.up(self.running.home, budget=self._budget, extra=self._extra)
        self.storage = BlobServiceClient.from_connection_string(self.running.storage)

    def request(self, method: str, path: str, *, timeout: float = 60, **kwargs: Any) -> requests.Response:
        headers = {"x-functions-key": self.running.key} | kwargs.pop("headers", {})
        return requests.request(
            method, f"{self.running.api}{path}", headers=headers, timeout=timeout, **kwargs
        )

    def get(self, path: str) -> Any:
        answer = self.request("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @property
    def incoming(self) -> ContainerClient:
        return self.storage.get_container_client("incoming")

    @property
    def quarantine(self) -> ContainerClient:
        return self.storage.get_container_client("dropml-quarantine")

    def drop(self, name: str, data: bytes, **kwargs: Any) -> None:
        self.incoming.upload_blob(name, data, overwrite=True, **kwargs)

    def run_ids(self, dataset: str) -> list[str]:
        return [run["run_id"] for run in self.get(f"/runs?dataset={dataset}")["runs"]]

    def runs(self) -> Iterator[dict[str, Any]]:
        """Every run as a list shows it, newest first."""
        cursor = ""
        while True:
            page = self.get(f"/runs?limit=500{cursor}")
            yield from page["runs"]
            if not page["cursor"]:
                return
            cursor = f"&cursor={page['cursor']}"

    def wait(self, dataset: str, *, number: int = 1, seconds: float = 60) -> dict[str, Any]:
        """The dataset's `number`-th run, once it is done."""
        deadline = time.monotonic() + seconds
        run: dict[str, Any] = {}
        while time.monotonic() < deadline:
            runs = self.get(f"/runs?dataset={dataset}")["runs"]
            if len(runs) >= number:
                run = self.get(f"/runs/{runs[-number]['run_id']}")
                if run["state"] in DONE:
                    return run
            time.sleep(0.3)
        raise AssertionError(
            f"{dataset} was not done after {seconds} s: {run.get('state')} {run.get('endpoint')}"
        )

    def live(self, dataset: str, seed: int = 0, *, seconds: float = 120) -> dict[str, Any]:
        """Drop a small table and see it into service; the run."""
        self.drop(f"{dataset}.csv", small_table(seed), metadata=SMALL)
        run = self.wait(dataset, seconds=seconds)
        assert run["state"] == "live", run["problem"] or run["gate"]
        return run

    # -- its processes ---------------------------------------------------------------------------------------

    def part(self, name: str) -> Child:
        """`host`, `azureml` or `azurite`. Raises LookupError when it doesn't run."""
        child = self.running.places.processes[name].find()
        if child is None:
            raise LookupError(f"{name} doesn't run.")
        return child

    def endpoint_processes(self, name: str = "") -> list[Child]:
        """The processes that serve the endpoint; of every endpoint where none is named."""
        return processes.working_in(self.running.home / "azureml" / "endpoints" / name)

    def trainers(self) -> list[Child]:
        """The processes that train."""
        return processes.working_in(self.running.home / "azureml" / "jobs")

    @contextmanager
    def paused(self, children: list[Child]) -> Iterator[None]:
        """SIGSTOP for them and all they started, SIGCONT at the end."""
        family = [member for child in children for member in _family(child.pid)]
        _send(family, signal.SIGSTOP)
        try:
            yield
        finally:
            _send(family, signal.SIGCONT)


def _family(pid: int) -> list[int]:
    try:
        found = psutil.Process(pid)
        return [pid, *(child.pid for child in found.children(recursive=True))]
    except psutil.Error:
        return []


def _send(pids: list[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


@contextmanager
def live_stack(
    home: Path, *, budget: float = 60.0, extra: dict[str, str] | None = None
) -> Iterator[LiveStack]:
    """A stack under `home`, stopped at the end. Its port is one that no other stack takes while a part of it is away."""
    try:
        yield LiveStack(
            stack.up(home, budget=budget, extra=extra, host_port=None), budget=budget, extra=extra
        )
    finally:
        stack.down(home)
