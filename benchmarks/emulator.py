"""The emulator's own speed: from a job's PUT to its first running trial, and one job's GET among 10,000.

Runs after `benchmarks.automl` in `make bench-automl`; writes benchmarks/results/emulator.json.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import machine
from benchmarks.figure import Figure
from dropml.azureml.core.store import Store
from dropml.azurite import process
from tests.support.emulator_support import Emulator, automl, emulator, upload_table

RESULTS = Path(__file__).parent / "results" / "emulator.json"
JOBS, READS, STARTS = 10_000, 400, 5
CONTAINER, FOLDER = "bench", "bank/train"
URI = f"azureml://datastores/bench/paths/{FOLDER}"


def first_trial_seconds(running: Emulator, name: str) -> float:
    """From the PUT until the run history shows a trial at work."""
    began = time.perf_counter()
    answer = running.arm("PUT", f"/jobs/{name}", automl(URI))
    answer.raise_for_status()
    while time.perf_counter() - began < 60:
        children = running.history(f"runs/{name}/children")["value"]
        if any(child["status"] in ("Running", "Completed") for child in children):
            return time.perf_counter() - began
        time.sleep(0.01)
    raise TimeoutError(f"No trial of {name} ran within 60 s.")


def fill(folder: Path, name: str) -> None:
    """10,000 copies of a finished job, written to the stopped emulator's store."""
    store = Store(folder / "state.sqlite")
    job = store.get("run", name)
    if job is None:
        raise LookupError(f"The store has no run {name}.")
    with store.transaction():
        for i in range(JOBS):
            store.put("run", f"stored-{i}", job | {"name": f"stored-{i}"})
    store.close()


def read_seconds(running: Emulator) -> list[float]:
    times = []
    for i in range(READS):
        began = time.perf_counter()
        running.arm("GET", f"/jobs/stored-{i * 23 % JOBS}").raise_for_status()
        times.append(time.perf_counter() - began)
    return times


def measure(folder: Path, storage: str) -> list[Figure]:
    upload_table(storage, CONTAINER, FOLDER)
    data = folder / "emulator"
    with emulator(
        data, storage, "--datastore", f"bench={CONTAINER}", "--keep-jobs", str(2 * JOBS)
    ) as running:
        starts = []
        for i in range(STARTS):
            starts.append(first_trial_seconds(running, f"start-{i}"))
            running.wait_job(f"start-{i}", seconds=120)
        running.stop()
        fill(data, "start-0")
        running.start()
        reads = read_seconds(running)
    return [
        Figure("put_to_first_trial_s", statistics.median(starts), 3.0, at_least=False),
        Figure("get_job_p50_ms_of_10000", statistics.median(reads) * 1000, 5.0, at_least=False),
    ]


def main() -> int:
    process.install()
    with tempfile.TemporaryDirectory() as name:
        azurite = process.start(Path(name) / "azurite")
        try:
            figures = measure(Path(name), azurite.connection_string)
        finally:
            azurite.stop()
    RESULTS.parent.mkdir(exist_ok=True)
    report = {"machine": machine.facts(), "figures": [f.to_dict() for f in figures]}
    RESULTS.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(*(f.line() for f in figures), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
