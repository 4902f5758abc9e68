"""The endpoint beside `mlflow models serve` and azureml-inference-server-http: `make bench-serving`.

The same bank-marketing VotingEnsemble, the same two records, servers measured in turns: in every round each
one at concurrency 1 and at 8. A ratio is the median of the rounds' ratios. Prints one line a figure,
`figure NAME VALUE TARGET ok|short`, and writes benchmarks/results/serving.json: those of the entry script alone, too
(benchmarks/entry_script.py). Then the proxy before the
endpoint and batches are measured (benchmarks/scoring.py); `--proxy` measures only these.
"""

import argparse
import json
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import entry_script, machine
from benchmarks.figure import Figure
from benchmarks.serving_model import NoModelError, data_file, voting_ensemble
from benchmarks.serving_systems import (
    ROOT,
    SYSTEMS,
    Local,
    System,
    SystemUnavailableError,
    start_constant_server,
)

RESULTS = Path(__file__).parent / "results" / "serving.json"
# what is measured, against whom, at least how many times better
TARGETS = [
    ("p50_vs_mlflow", "mlflow", "p50", 40),
    ("throughput8_vs_mlflow", "mlflow", "throughput", 70),
    ("p50_vs_azmlinfsrv", "azmlinfsrv", "p50", 35),
    ("throughput8_vs_azmlinfsrv", "azmlinfsrv", "throughput", 45),
]
START_TARGET_S, MEMORY_TARGET_MB = 5.0, 250.0


@dataclass
class Measured:
    """One server's numbers; lists have one entry a round."""

    starts_s: list[float] = field(default_factory=list)
    memory_mb: float = 0.0
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    rate_1: list[float] = field(default_factory=list)
    rate_8: list[float] = field(default_factory=list)
    p99_8_ms: list[float] = field(default_factory=list)
    cpu_ms_per_request: list[float] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)


def load(port: int, request: bytes, connections: int, seconds: float) -> dict[str, Any]:
    """Run the load client in a process of its own."""
    order = {"host": "127.0.0.1", "port": port, "connections": connections, "seconds": seconds}
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.serving_load"],
        input=json.dumps({**order, "request": request.decode("latin-1")}),
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=seconds * 4 + 60,
    )
    if ended.returncode:
        raise RuntimeError(f"the load client failed:\n{ended.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(ended.stdout)
    if result["errors"]:
        raise RuntimeError(f"{result['errors']} of {result['count']} requests failed: {result['body'][:500]}")
    return result


def two_records(columns: list[str], data: Path) -> list[list[Any]]:
    """The walkthrough's two records, in the order of the model's columns."""
    records = json.loads((data.parent / "score_request.json").read_text())["data"]
    return [[record[column] for column in columns] for record in records]


def measure(systems: list[System], rounds: int, seconds: float) -> dict[str, Measured]:
    """Start everything, then measure in turns."""
    results = {system.name: Measured() for system in systems}
    for _ in range(min(3, rounds)):
        for system in systems:
            system.stop()
            results[system.name].starts_s.append(system.start())
    for turn in range(rounds):
        order = systems if turn % 2 == 0 else systems[::-1]
        for system in order:
            _measure_once(system, results[system.name], seconds)
        print(f"round {turn + 1} of {rounds} done", flush=True)
    for system in systems:
        results[system.name].memory_mb = system.memory_mb()
    return results


def _measure_once(system: System, measured: Measured, seconds: float) -> None:
    request = system.request()
    one = load(system.port, request, 1, seconds)
    before = system.cpu_seconds()
    eight = load(system.port, request, 8, seconds)
    # The client warms up for 0.3 s at the same rate before it counts.
    requests = eight["rate"] * (eight["seconds"] + 0.3)
    measured.cpu_ms_per_request.append(1000 * (system.cpu_seconds() - before) / requests)
    measured.p50_ms.append(one["p50_ms"])
    measured.p99_ms.append(one["p99_ms"])
    measured.rate_1.append(one["rate"])
    measured.rate_8.append(eight["rate"])
    measured.p99_8_ms.append(eight["p99_ms"])
    measured.labels = system.labels(json.loads(one["body"]))


def figures(results: dict[str, Measured]) -> list[Figure]:
    """Figures of what could be measured."""
    local = results["local"]
    found = []
    for name, peer_name, what, target in TARGETS:
        peer = results.get(peer_name)
        if peer is None:
            continue
        if what == "p50":
            ratios = [theirs / ours for ours, theirs in zip(local.p50_ms, peer.p50_ms, strict=True)]
        else:
            ratios = [ours / theirs for ours, theirs in zip(local.rate_8, peer.rate_8, strict=True)]
        found.append(Figure(name, statistics.median(ratios), target, at_least=True, rounds=tuple(ratios)))
    found.append(Figure("start_s", statistics.median(local.starts_s), START_TARGET_S, at_least=False))
    found.append(Figure("memory_mb", local.memory_mb, MEMORY_TARGET_MB, at_least=False))
    return found


def client_capacity(request: bytes, seconds: float) -> float:
    """Requests a second at concurrency 8 against a server that only answers constant bytes."""
    process, port = start_constant_server()
    try:
        return float(load(port, request, 8, seconds)["rate"])
    finally:
        process.kill()
        process.wait()


def compare(model_dir: Path, data: Path, rounds: int, seconds: float) -> tuple[list[Figure], dict[str, Any]]:
    """Measure all servers that can be had; figures and details."""
    columns = json.loads((model_dir / "input_example.json").read_text())["columns"]
    rows = two_records(columns, data)
    systems: list[System] = []
    missing: dict[str, str] = {}
    for kind in SYSTEMS:
        system = kind(model_dir, columns, rows)
        try:
            system.prepare()
            system.start()
            systems.append(system)
        except SystemUnavailableError as error:
            missing[system.name] = str(error)
            print(f"{system.name} is left out: {error}", flush=True)
    try:
        results = measure(systems, rounds, seconds)
        local = next(system for system in systems if isinstance(system, Local))
        details = {
            "form": local.status(),
            "client_capacity_rate8": client_capacity(local.request(), seconds),
            "systems": {name: vars(measured) for name, measured in results.items()},
            "missing": missing,
        }
    finally:
        for system in systems:
            system.remove()
    labels = {name: measured.labels for name, measured in results.items()}
    if len({tuple(value) for value in labels.values()}) != 1:
        raise RuntimeError(f"the servers disagree on the labels: {labels}")
    return figures(results), details


def report(found: list[Figure], details: dict[str, Any]) -> None:
    """Print a table of medians, then the figures."""
    systems = details.get("systems", {})
    if systems:
        print(f"\n{'':12}{'p50 ms':>9}{'p99 ms':>9}{'req/s c8':>10}{'CPU ms':>8}{'start s':>9}{'MB':>7}")
    for name, one in systems.items():
        numbers = [one["p50_ms"], one["p99_ms"], one["rate_8"], one["cpu_ms_per_request"], one["starts_s"]]
        p50, p99, rate, cpu, start = map(statistics.median, numbers)
        print(f"{name:12}{p50:9.3f}{p99:9.3f}{rate:10.0f}{cpu:8.3f}{start:9.2f}{one['memory_mb']:7.0f}")
    if systems:
        print(f"the load client alone reaches {details['client_capacity_rate8']:.0f} requests/s at 8\n")
    for figure in found:
        if figure.rounds:
            print(f"{figure.name}: rounds from {min(figure.rounds):.1f} to {max(figure.rounds):.1f}")
    for figure in found:
        print(figure.line())


def through_the_proxy(rounds: int, seconds: float) -> None:
    """The figures of the proxy and of batches, in a process of their own."""
    command = [sys.executable, "-m", "benchmarks.scoring", "--rounds", str(rounds), "--seconds", str(seconds)]
    subprocess.run(command, check=False, cwd=ROOT)  # it prints what it finds


def main(argv: list[str] | None = None) -> int:
    """Measure what can be measured; 0 whatever the figures say."""
    parser = argparse.ArgumentParser(prog="benchmarks.serving", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two short rounds")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="length of one measurement")
    parser.add_argument("--model", type=Path, help="a model folder instead of one trained here")
    parser.add_argument("--proxy", action="store_true", help="only the proxy and batches")
    parser.add_argument("--endpoint", action="store_true", help="only the endpoint and its peers")
    arguments = parser.parse_args(argv)
    rounds = arguments.rounds or (2 if arguments.quick else 7)
    seconds = arguments.seconds or (1.0 if arguments.quick else 3.0)
    result: dict[str, Any] = {
        "machine": machine.facts("numpy", "scikit-learn", "lightgbm", "httptools", "orjson"),
        "rounds": rounds,
        "seconds": seconds,
    }
    if not arguments.proxy:
        try:
            data = data_file()
            model_dir, model = (arguments.model, {}) if arguments.model else voting_ensemble(data)
        except NoModelError as error:
            print(error, file=sys.stderr)
            return 0
        found, details = compare(model_dir.resolve(), data, rounds, seconds)
        found += entry_script.measure(model_dir.resolve())
        result |= {"model": model, **details}
        report(found, result)
        result["figures"] = [figure.to_dict() for figure in found]
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(result, indent=1, default=str) + "\n")
        print(f"written to {RESULTS.relative_to(ROOT)}", flush=True)
    if not arguments.endpoint:
        through_the_proxy(min(rounds, 5), seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
