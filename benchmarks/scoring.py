"""The proxy and batches beside the endpoint itself: `python -m benchmarks.scoring`.

A real endpoint process (bank-marketing VotingEnsemble), the app on the local Functions host, Azurite; keys come from a
small server in ARM's place. Two-record requests, all sides in turns within every round; a figure is the median over
the rounds. Prints `figure NAME VALUE TARGET ok|short` and writes benchmarks/results/scoring.json.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import requests
from azure.storage.blob import BlobServiceClient

from benchmarks import machine
from benchmarks.figure import Figure
from benchmarks.serving import load
from benchmarks.serving_model import HOME, NoModelError, data_file, voting_ensemble
from dropml.azurite import process
from dropml.common import ports, processes
from shared.domain.schema import Schema
from shared.domain.table.column_types import ColumnStats
from shared.domain.table.values import convert
from tests.support.scoring_cloud import Cloud, running
from tests.support.scoring_support import Endpoint

RESULTS = Path(__file__).parent / "results" / "scoring.json"
KEY = "benchmark-key-0123456789abcdef"
BATCH_ROWS = 100_000


def schema_of(data: Path) -> Schema:
    """The bank table's schema, as intake infers it."""
    with data.open(newline="") as file:
        header, *rows = list(csv.reader(file))
    columns = []
    for at, name in enumerate(header[:-1]):
        stats = ColumnStats(name)
        stats.update({row[at] for row in rows})
        columns.append(stats.column())
    example = tuple(
        {c.name: convert(value, c.type) for c, value in zip(columns, row, strict=False)} for row in rows[:2]
    )
    return Schema(header[-1], tuple(columns), ("no", "yes"), example)


def trained(data: Path) -> tuple[Path, str]:
    """(model folder, algorithm) of the best model that an earlier benchmark left; else a VotingEnsemble is trained."""
    for log in sorted(HOME.glob("serving-*/events.jsonl")):
        events = [json.loads(line) for line in log.read_text().splitlines()]
        best = next((event["best"] for event in events if event["type"] == "completed"), None)
        for event in events:
            folder = log.parent / "trials" / str(event.get("iteration")) / "outputs" / "mlflow-model"
            if event.get("id") == best and (folder / "dropml" / "parity.json").is_file():
                return folder, str(event["algorithm"])
    folder, facts = voting_ensemble(data)
    return folder, str(facts["algorithm"])


@contextmanager
def endpoint(model_dir: Path, folder: Path) -> Iterator[Endpoint]:
    """A real endpoint process, as the emulator starts it."""
    folder.mkdir(parents=True)
    deployment = {
        "model_dir": str(model_dir),
        "model": "bank:1",
        "request_timeout_s": 90,
        "app_insights": False,
        "log_file": str(folder / "m1.log"),
        "max_concurrent_requests": 1,
        "max_queue_wait_s": 5,
    }
    settings = {
        "name": "bench",
        "auth_mode": "Key",
        "keys": [KEY, KEY[::-1]],
        "token_secret": "",
        "admin_secret": KEY,
        "traffic": {"m1-a1": 100},
        "deployments": {"m1-a1": deployment},
    }
    (folder / "endpoint.json").write_text(json.dumps(settings))
    port = ports.free_port()
    arguments = ["dropml.azureml.serving", "--endpoint", str(folder), "--port", str(port)]
    child = processes.start_ready("The endpoint", arguments, folder / "process.log")
    try:
        url = f"http://127.0.0.1:{port}"
        until = time.monotonic() + 60
        while time.monotonic() < until:
            status = requests.get(f"{url}/_admin/status", headers={"x-admin-secret": KEY}, timeout=10).json()
            if status["deployments"]["m1-a1"]["status"] == "ready":
                break
            time.sleep(0.1)
        yield Endpoint(url=url, live_keys=[KEY, KEY[::-1]])
    finally:
        child.end()


def http(path: str, port: int, headers: dict[str, str], body: bytes, method: str = "POST") -> bytes:
    """A whole request, for the raw load client."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return head.encode() + b"\r\n" + body


def sides(cloud: Cloud, schema: Schema) -> dict[str, tuple[int, bytes]]:
    """What is measured: the endpoint, the proxy before it, and the host alone (a function that does nothing)."""
    rows = list(schema.example)
    names = [column.name for column in schema.columns]
    table = {"columns": names, "index": [0, 1], "data": [[row[name] for name in names] for row in rows]}
    kind = {"Content-Type": "application/json"}
    direct, proxy = (int(url.rpartition(":")[2].partition("/")[0]) for url in (cloud.endpoint.url, cloud.api))
    return {
        "direct": (
            direct,
            http("/score", direct, {**kind, "Authorization": f"Bearer {KEY}"}, _json({"input_data": table})),
        ),
        "proxy": (proxy, http("/api/score/bank", proxy, {**kind, **cloud.headers}, _json({"data": rows}))),
        "host": (proxy, http("/api/docs/docs.css", proxy, {}, b"", "GET")),
    }


def _json(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def measure_proxy(
    cloud: Cloud, schema: Schema, rounds: int, seconds: float
) -> dict[str, dict[str, list[float]]]:
    """p50 at one connection and throughput at eight, of each side, one entry a round."""
    measured: dict[str, dict[str, list[float]]] = {}
    for _ in range(rounds):
        for connections in (1, 8):
            for name, (port, request) in sides(cloud, schema).items():
                try:
                    answer = load(port, request, connections, seconds)
                except RuntimeError as error:
                    raise SystemExit(f"{name}, {connections} connections: {error}") from None
                side = measured.setdefault(name, {"p50_ms": [], "p99_ms": [], "rate_8": []})
                if connections == 1:
                    side["p50_ms"].append(answer["p50_ms"])
                    side["p99_ms"].append(answer["p99_ms"])
                else:
                    side["rate_8"].append(answer["rate"])
    return measured


class Memory:
    """Watches a process's resident memory."""

    def __init__(self, pid: int) -> None:
        self._process, self._stop = psutil.Process(pid), threading.Event()
        self.values: list[float] = []
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            self.values.append(self._process.memory_info().rss / 1e6)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


def measure_batch(cloud: Cloud, schema: Schema, data: Path, rounds: int) -> dict[str, list[float]]:
    """100,000 rows as a batch and rows one by one, over the same front door, in turns; one entry a round."""
    lines = data.read_text().splitlines()
    header, rows = lines[0], lines[1:]
    text = "\n".join([header, *(rows[at % len(rows)] for at in range(BATCH_ROWS))]) + "\n"
    with BlobServiceClient.from_connection_string(cloud.storage) as service:
        service.get_blob_client("dropml-batch", "in/rows.csv").upload_blob(text.encode(), overwrite=True)
    one = _json({"data": [schema.example[0]]})
    port, _ = sides(cloud, schema)["proxy"]
    request = http("/api/score/bank", port, {"Content-Type": "application/json", **cloud.headers}, one)
    measured: dict[str, list[float]] = {}
    for _ in range(rounds):
        single = load(port, request, 1, 4.0)["rate"]
        memory = Memory(cloud.host.process.pid)
        batch = _run_batch(cloud)
        memory.stop()
        third = len(memory.values) // 3
        found = {
            "row_at_a_time_rows_per_s": single,
            "batch_rows_per_s": batch,
            "ratio": batch / single,
            "growth_mb": max(memory.values[third:]) - max(memory.values[:third]),
            "peak_mb": max(memory.values),
        }
        for name, value in found.items():
            measured.setdefault(name, []).append(value)
    return measured


def _run_batch(cloud: Cloud) -> float:
    """Rows per second of one batch."""
    url = f"{cloud.api}/score/bank/batch"
    taken = requests.post(url, json={"blob": "dropml-batch/in/rows.csv"}, headers=cloud.headers, timeout=30)
    taken.raise_for_status()
    shown: dict[str, Any] = {}
    while shown.get("status") not in ("completed", "failed"):
        time.sleep(0.1)
        shown = requests.get(
            cloud.host.url + taken.headers["Location"], headers=cloud.headers, timeout=30
        ).json()
    if shown["status"] != "completed" or shown["rows_failed"] or shown["rows"] != BATCH_ROWS:
        raise SystemExit(f"the batch ended {shown}")
    return float(shown["rows_per_second"])


def figures(proxy: dict[str, dict[str, list[float]]], batch: dict[str, list[float]]) -> list[Figure]:
    def median(side: str, name: str) -> float:
        return statistics.median(proxy[side][name])

    added = statistics.median(
        p - d for p, d in zip(proxy["proxy"]["p50_ms"], proxy["direct"]["p50_ms"], strict=True)
    )
    kept = statistics.median(
        p / d for p, d in zip(proxy["proxy"]["rate_8"], proxy["direct"]["rate_8"], strict=True)
    )
    host, rest = median("host", "p50_ms"), added - median("host", "p50_ms")
    print(
        f"direct p50 {median('direct', 'p50_ms'):.3f} ms, {median('direct', 'rate_8'):.0f}/s at 8 connections"
    )
    print(f"proxy p50 {median('proxy', 'p50_ms'):.3f} ms, {median('proxy', 'rate_8'):.0f}/s at 8 connections")
    print(f"of the {added:.3f} ms added: the host alone {host:.3f}, our code and its call {rest:.3f}")
    for name, values in batch.items():
        print(f"batch {name}: " + ", ".join(f"{value:.1f}" for value in values))
    return [
        Figure("proxy_added_p50_ms", added, 3.0, False),
        Figure("proxy_throughput8_kept", kept, 0.1, True),
        Figure("batch_vs_row_at_a_time", statistics.median(batch["ratio"]), 20.0, True),
        Figure("batch_memory_growth_mb", max(batch["growth_mb"]), 30.0, False),
    ]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.scoring", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="per measurement")
    options = parser.parse_args(argv)
    facts = machine.facts("requests", "urllib3", "azure-functions", "azure-storage-blob")
    try:
        data = data_file()
        model_dir, model = trained(data)
    except NoModelError as error:
        print(error, file=sys.stderr)
        return 0
    schema = schema_of(data)
    process.install()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        azurite = process.start(folder / "azurite", die_with_parent=True)
        try:
            with (
                endpoint(model_dir, folder / "endpoint") as live,
                running(folder / "app", azurite.connection_string, external=live, schema=schema) as cloud,
            ):
                proxy = measure_proxy(cloud, schema, options.rounds, options.seconds)
                batch = measure_batch(cloud, schema, data, options.rounds)
        finally:
            azurite.stop()
    results = figures(proxy, batch)
    print("\n".join(figure.line() for figure in results))
    RESULTS.parent.mkdir(exist_ok=True)
    document: dict[str, Any] = {"machine": facts, "model": model, "proxy": proxy, "batch": batch}
    document["figures"] = [figure.to_dict() for figure in results]
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
