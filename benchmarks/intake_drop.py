"""Files dropped into a whole stack of this machine: how long until they are registered, and the host's memory meanwhile.

The stack is one of its own; a run is cancelled as soon as its data is registered, so that no training is in the way.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from azure.storage.blob import BlobServiceClient

from benchmarks.figure import Figure
from dropml import stack
from dropml.cli.sample import obtain
from dropml.client import Client
from dropml.common.folders import HOME

BANK_SECONDS, BANK_ROUNDS = 1.0, 5
#: Of the host's process, in MB, however large the file is.
HOST_PEAK = 300
#: Between two looks at the host's memory.
SAMPLE_SECONDS = 0.02
#: A file that is not registered by then never will be.
WAIT_SECONDS, LOOK_SECONDS = 900.0, 0.25


class NotRegisteredError(RuntimeError):
    """A dropped file did not become a registered data asset."""


@dataclass(frozen=True)
class Front:
    """The stack as whoever drops a file sees it."""

    running: stack.Stack
    api: Client

    def drop(self, path: Path, dataset: str) -> float:
        """Seconds from the first byte sent to the data asset. Raises NotRegisteredError."""
        began = time.time()
        with (
            BlobServiceClient.from_connection_string(self.running.storage) as service,
            path.open("rb") as data,
        ):
            service.get_blob_client("incoming", f"{dataset}.csv").upload_blob(data, max_concurrency=2)
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            for run in self.api.runs(dataset):
                found = self.api.run(run["run_id"])
                at = {change["state"]: change["at"] for change in found["history"]}
                if "registered" in at:
                    self.api.post(f"/runs/{run['run_id']}/cancel")
                    return at["registered"] - began
                if found["problem"]:
                    raise NotRegisteredError(f"{path.name} came to an end: {found['problem']}")
            time.sleep(LOOK_SECONDS)
        raise NotRegisteredError(f"{path.name} was not registered in {WAIT_SECONDS:.0f} s.")


class Peak:
    """The most memory that a process had while it was watched, in MB."""

    def __init__(self, pid: int) -> None:
        self.megabytes = 0.0
        self._process, self._ended = psutil.Process(pid), threading.Event()

    def watch(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self.megabytes = max(self.megabytes, self._process.memory_info().rss / 1e6)

    def end(self) -> None:
        self._ended.set()


@contextmanager
def watched(pid: int) -> Iterator[Peak]:
    peak = Peak(pid)
    watching = threading.Thread(target=peak.watch, daemon=True)
    watching.start()
    try:
        yield peak
    finally:
        peak.end()
        watching.join()


def measure(large: Path) -> list[Figure]:
    """The bank file and the large one through Azurite, host and emulator. Raises NotRegisteredError, StartError."""
    bank = obtain(HOME / "data").path
    with tempfile.TemporaryDirectory(prefix="dropml-drops-") as folder:
        home = Path(folder)
        running = stack.up(home, budget=60, host_port=None)
        try:
            with Client(running.api, running.key) as api:
                return _figures(Front(running, api), bank, large)
        finally:
            stack.down(home)


def _figures(front: Front, bank: Path, large: Path) -> list[Figure]:
    host = front.running.places.processes["host"].pid
    rounds = tuple(front.drop(bank, f"bank-{number}") for number in range(BANK_ROUNDS))
    before = psutil.Process(host).memory_info().rss / 1e6
    with watched(host) as peak:
        seconds = front.drop(large, "large")
    size = large.stat().st_size / 1e6
    told = f"{size:.0f} MB registered {seconds:.1f} s after its first byte was sent; {before:.0f} MB before"
    return [
        Figure(
            "bank-drop-to-registered-s",
            statistics.median(rounds),
            BANK_SECONDS,
            at_least=False,
            rounds=rounds,
        ),
        Figure("large-drop-host-peak-mb", peak.megabytes, HOST_PEAK, at_least=False, note=told),
    ]
