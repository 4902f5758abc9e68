"""What the dashboard weighs and how long its pages take with years of history (`make bench-ui`).

Over a real Azurite with 10,000 runs in 100 datasets: each page that asks Azure nothing, as the host calls it, after the first
look has built what is built once. Prints `figure NAME VALUE TARGET ok|short` and writes benchmarks/results/ui.json.
"""

from __future__ import annotations

import argparse
import gzip
import json
import logging
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import azure.functions as func
from azure.storage.blob import BlobServiceClient

from benchmarks.figure import Figure
from benchmarks.machine import facts
from benchmarks.scale_app import Counter
from benchmarks.scale_state import store, write_history
from benchmarks.scale_training import write_training
from dropml import stack
from dropml.azurite import process
from shared.domain import names

RESULTS = Path(__file__).parent / "results" / "ui.json"
BASE, CONTAINER = "/api/dashboard", "dropml-state"
MILLISECONDS, PAGE_BYTES, FIRST_BYTES, REQUESTS = 30.0, 150_000, 40_000, 6
RUN = "data-7-100-a1"
PAGES = (
    "", "/runs", f"/runs/{RUN}", f"/runs/{RUN}/failure", f"/runs/{RUN}/leaderboard", f"/runs/{RUN}/model",
    f"/runs/{RUN}/gate", f"/runs/{RUN}/rollout", "/datasets/data-7", "/why/data-7", "/quarantine", "/pipelines",
    "/endpoints/data-7-abc123/test", "/endpoints/data-7-abc123/consume", "/endpoints/data-7-abc123/metrics", "/system",
)  # fmt: skip
_LOADS = re.compile(r'<(?:script|link)[^>]* (?:src|href)="([^"]+)"')


class Visitor:
    """The app's own functions, called as the host does."""

    def __init__(self) -> None:
        import function_app

        found = {f.get_function_name(): f.get_user_function() for f in function_app.app.get_functions()}
        self._page: Callable[[func.HttpRequest], func.HttpResponse] = found["dashboard_page"]
        opened = found["open_session"](_request("POST", "/api/session", b'{"name": "bench"}'))
        self._cookie = opened.headers["Set-Cookie"].partition(";")[0]

    def get(self, path: str, **headers: str) -> func.HttpResponse:
        answer = self._page(_request("GET", BASE + path, b"", cookie=self._cookie, **headers))
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answered {answer.status_code}: {answer.get_body()[:500]!r}")
        return answer


def _request(method: str, path: str, body: bytes, **headers: str) -> func.HttpRequest:
    parts = urlsplit(path)
    return func.HttpRequest(
        method,
        f"http://127.0.0.1{path}",
        headers={"host": "127.0.0.1", "content-type": "application/json", **headers},
        route_params={"path": parts.path.removeprefix(BASE).strip("/")} if path.startswith(BASE) else {},
        body=body,
    )


def first_load(visitor: Visitor) -> tuple[int, list[str]]:
    """Compressed bytes of the overview with all that it loads, and the addresses."""
    page = visitor.get("").get_body()
    loaded = _LOADS.findall(page.decode())
    size = len(gzip.compress(page))
    for address in loaded:
        path = urlsplit(address).path.removeprefix(BASE)
        size += len(visitor.get(path, **{"accept-encoding": "gzip"}).get_body())
    return size, [BASE, *loaded]


def measure(visitor: Visitor, rounds: int) -> dict[str, dict[str, Any]]:
    seen: dict[str, list[float]] = {path: [] for path in PAGES}
    sizes = {path: len(visitor.get(path).get_body()) for path in PAGES}
    counter, calls = Counter(), dict.fromkeys(PAGES, 0)
    counter.install()
    for _ in range(rounds):
        for path in PAGES:
            before, started = counter.calls, time.perf_counter()
            visitor.get(path)
            seen[path].append((time.perf_counter() - started) * 1000)
            calls[path] = counter.calls - before
    return {
        path or "/": {
            "p50_ms": round(statistics.median(times), 2),
            "bytes": sizes[path],
            "calls": calls[path],
        }
        for path, times in seen.items()
    }


def one_read(rounds: int) -> float:
    """Milliseconds of one document's reading on this machine as it is now: what a page's calls are made of."""
    from shared import bootstrap

    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        bootstrap.documents().get(f"runs/{RUN}.json")
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--datasets", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args(argv)
    logging.disable(logging.WARNING)
    process.install()
    with tempfile.TemporaryDirectory(prefix="dropml-ui-") as folder, ExitStack() as stop:
        azurite = process.start(Path(folder) / "azurite", die_with_parent=True)
        stop.callback(azurite.stop)
        storage = azurite.connection_string
        with BlobServiceClient.from_connection_string(storage) as service:
            service.create_container(CONTAINER)
            state = store(service, CONTAINER, time.time)
            write_history(state, options.runs, options.datasets)
            write_training(state, names.run_id("data-7", options.runs // options.datasets, 1))
        places = stack.Places(storage, 9, 9, 9, "http://app", "", "none", "", {})
        settings = stack.app_settings(places, "y", 60.0, {})
        for name in ("APPLICATIONINSIGHTS_CONNECTION_STRING", "REQUESTS_CA_BUNDLE"):
            settings.pop(name)
        os.environ.update(settings)
        visitor = Visitor()
        pages = measure(visitor, options.rounds)
        size, addresses = first_load(visitor)
        read = one_read(options.rounds)
    print(f"one document's reading: {read:.1f} ms")
    return told(pages, size, addresses, vars(options))


def told(pages: dict[str, dict[str, Any]], size: int, addresses: list[str], options: dict[str, Any]) -> int:
    slowest = max(pages, key=lambda path: pages[path]["p50_ms"])
    largest = max(pages, key=lambda path: pages[path]["bytes"])
    outside = [address for address in addresses if not address.startswith(BASE)]
    figures = [
        Figure(
            "page_p50_ms",
            pages[slowest]["p50_ms"],
            MILLISECONDS,
            at_least=False,
            note=f"the slowest, {slowest}",
        ),
        Figure(
            "page_bytes", pages[largest]["bytes"], PAGE_BYTES, at_least=False, note=f"the largest, {largest}"
        ),
        Figure("first_load_bytes", size, FIRST_BYTES, at_least=False, note="compressed"),
        Figure("first_load_requests", len(addresses), REQUESTS, at_least=False),
        Figure("requests_elsewhere", len(outside), 0, at_least=False),
    ]
    for path, seen in pages.items():
        print(f"{path:45} {seen['p50_ms']:8.1f} ms {seen['bytes']:8d} bytes {seen['calls']:3d} calls")
    print("\n".join(figure.line() for figure in figures))
    RESULTS.parent.mkdir(exist_ok=True)
    document = {
        "figures": [f.to_dict() for f in figures],
        "pages": pages,
        "options": options,
        "machine": facts(),
    }
    RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
