"""What history costs: the same application beside little and beside much of it (`make bench-scale`).

Over a real Azurite: the list of runs and an idle tick with 10 closed runs and with 10,000 in 1,000 datasets, asked in
turns; the idle stack's processor use with 1 and with 1,000 datasets, both stacks running at once; 500 open runs that
one tick finds; a cold start. Prints `figure NAME VALUE TARGET ok|short` and writes benchmarks/results/scale.json.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from azure.storage.blob import BlobServiceClient

from benchmarks.figure import Figure
from benchmarks.machine import facts
from benchmarks.scale_cold import cold_starts
from benchmarks.scale_open import advance_open_runs
from benchmarks.scale_state import store, write_history
from dropml import stack
from dropml.azurite import process

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results" / "scale.json"
LITTLE, MUCH = "little", "much"
LIST_FACTOR, LIST_CALLS, TICK_CALLS, IDLE_FACTOR, OPEN_SECONDS = 2.0, 3, 5, 1.5, 30.0
COLD_SECONDS, COLD_ROUNDS = 3.0, 5


@dataclass(frozen=True)
class Sizes:
    """How much history is much, and how long is looked."""

    runs: int
    datasets: int
    open_runs: int
    rounds: int
    idle_seconds: float


class App:
    """The application over one state (`benchmarks.scale_app`)."""

    def __init__(self, storage: str, container: str) -> None:
        places = stack.Places(storage, 9, 9, 9, "http://app", "", "none", "", {})
        settings = stack.app_settings(places, "y", 60.0, {"STATE_CONTAINER": container})
        for name in ("APPLICATIONINSIGHTS_CONNECTION_STRING", "REQUESTS_CA_BUNDLE"):
            settings.pop(name)
        self._child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.scale_app"],
            cwd=ROOT,
            env=os.environ | settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, what: str) -> dict[str, Any]:
        if self._child.stdin is None or self._child.stdout is None:
            raise RuntimeError("the application has no pipes")
        self._child.stdin.write(f"{what}\n")
        self._child.stdin.flush()
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError(f"the application ended with {self._child.wait()} when asked to {what}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        if self._child.stdin is not None:
            self._child.stdin.close()
        self._child.wait(timeout=30)


def measure_history(storage: str, sizes: Sizes) -> dict[str, Any]:
    """Seconds and calls of the list and of an idle tick, over little and over much history in turns."""
    with BlobServiceClient.from_connection_string(storage) as service, ExitStack() as stop:
        for container, runs, datasets in ((LITTLE, 10, 1), (MUCH, sizes.runs, sizes.datasets)):
            service.create_container(container)
            write_history(store(service, container, time.time), runs, datasets)
        apps = {name: App(storage, name) for name in (LITTLE, MUCH)}
        for app in apps.values():
            stop.callback(app.close)
        seen: dict[str, list[dict[str, Any]]] = {f"{w} {n}": [] for w in ("list", "tick") for n in apps}
        for _ in range(sizes.rounds + 1):
            for key, answers in seen.items():
                what, _, name = key.partition(" ")
                answers.append(apps[name].ask(what))
    return {key: answers[1:] for key, answers in seen.items()}  # the first one builds what is built once


@contextmanager
def idle_stack(home: Path, runs: int, datasets: int) -> Iterator[stack.Stack]:
    """A stack started over so much history."""
    try:
        with BlobServiceClient.from_connection_string(stack.up(home).storage) as service:
            write_history(store(service, "dropml-state", time.time), runs, datasets)
        stack.down(home)
        yield stack.up(home)
    finally:
        stack.down(home)


def processor_seconds(running: stack.Stack) -> float:
    """Of every process of the stack, children included, so far."""
    total = 0.0
    for started in running.places.processes.values():
        parent = psutil.Process(started.pid)
        for member in (parent, *parent.children(recursive=True)):
            used = member.cpu_times()
            total += used.user + used.system
    return total


def measure_idle(folder: Path, sizes: Sizes) -> dict[str, list[float]]:
    """Share of a processor that each idle stack uses, over the same spans of time.

    Once their start is behind them: the first looks at everything come then, and again each ten minutes, a sweep each six hours.
    """
    runs = sizes.runs // sizes.datasets
    with (
        idle_stack(folder / LITTLE, runs, 1) as little,
        idle_stack(folder / MUCH, runs * sizes.datasets, sizes.datasets) as much,
    ):
        time.sleep(2 * sizes.idle_seconds)
        shares: dict[str, list[float]] = {LITTLE: [], MUCH: []}
        for _ in range(3):
            before = processor_seconds(little), processor_seconds(much)
            time.sleep(sizes.idle_seconds)
            after = processor_seconds(little), processor_seconds(much)
            shares[LITTLE].append((after[0] - before[0]) / sizes.idle_seconds)
            shares[MUCH].append((after[1] - before[1]) / sizes.idle_seconds)
    return shares


def cold_start() -> Figure:
    starts = cold_starts(COLD_ROUNDS)
    return Figure(
        "cold_start_seconds", statistics.median(starts), COLD_SECONDS, at_least=False, rounds=tuple(starts)
    )


def figures(history: dict[str, Any], idle: dict[str, list[float]], opened: dict[str, Any]) -> list[Figure]:
    def seconds(key: str) -> list[float]:
        return [answer["seconds"] for answer in history[key]]

    def most_calls(what: str) -> float:
        return max(float(answer["calls"]) for name in (LITTLE, MUCH) for answer in history[f"{what} {name}"])

    lists = [much / little for little, much in zip(seconds("list little"), seconds("list much"), strict=True)]
    idles = [much / little for little, much in zip(idle[LITTLE], idle[MUCH], strict=True)]
    milliseconds = 1000 * statistics.median(seconds("list much"))
    share = 100 * statistics.median(idle[MUCH])
    return [
        Figure(
            "list_runs_much_vs_little",
            statistics.median(lists),
            LIST_FACTOR,
            at_least=False,
            note=f"{milliseconds:.1f} ms",
            rounds=tuple(lists),
        ),
        Figure("list_runs_storage_calls", most_calls("list"), LIST_CALLS, at_least=False),
        Figure("idle_tick_storage_calls", most_calls("tick"), TICK_CALLS, at_least=False),
        Figure(
            "idle_processor_much_vs_little",
            statistics.median(idles),
            IDLE_FACTOR,
            at_least=False,
            note=f"{share:.1f} % of a processor",
            rounds=tuple(idles),
        ),
        Figure("open_runs_tick_seconds", opened["seconds"], OPEN_SECONDS, at_least=False),
        Figure("open_runs_waiting_after_two_ticks", opened["waiting"], 0, at_least=False),
    ]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.scale", description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--datasets", type=int, default=1_000)
    parser.add_argument("--open-runs", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--idle-seconds", type=float, default=30.0)
    sizes = Sizes(**vars(parser.parse_args(argv)))
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="dropml-scale-") as name:
        folder = Path(name)
        process.install()
        azurite = process.start(folder / "azurite", die_with_parent=True)
        try:
            print(f"{sizes.runs} closed runs in {sizes.datasets} datasets are written ...", flush=True)
            history = measure_history(azurite.connection_string, sizes)
            opened = advance_open_runs(azurite.connection_string, sizes.open_runs)
        finally:
            azurite.stop()
        print("two idle stacks are watched ...", flush=True)
        idle = measure_idle(folder / "stacks", sizes)
    results = [*figures(history, idle, opened), cold_start()]
    print("\n".join(figure.line() for figure in results))
    RESULTS.parent.mkdir(exist_ok=True)
    document: dict[str, Any] = {
        "machine": facts("azure-storage-blob", "azure-core"),
        "sizes": vars(sizes),
        "history": history,
    }
    document |= {"idle": idle, "open": opened, "figures": [figure.to_dict() for figure in results]}
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
