"""Commands about endpoints: measure one, change its keys."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from dropml.cli.session import command, current
from dropml.cli.stopping import Code, Stop

Endpoint = Annotated[
    str, typer.Argument(metavar="ENDPOINT", help="An endpoint's name, as `dropml datasets` lists it.")
]
_DONE = ("completed", "failed")
_PAUSE_S = 1.0


def register(app: typer.Typer) -> None:
    command(app, "bench")(bench)
    command(app, "rotate-key")(rotate_key)


def bench(
    endpoint: Endpoint,
    requests: Annotated[int, typer.Option("--requests", "-n", min=1, max=500, help="Calls.")] = 100,
    concurrency: Annotated[
        int, typer.Option("--concurrency", "-c", min=1, max=8, help="Calls at a time.")
    ] = 1,
    rows: Annotated[int, typer.Option("--rows", min=1, max=100, help="Rows of each call.")] = 2,
) -> None:
    """Measure an endpoint from where the app runs."""
    session = current()
    with session.client() as api:
        body = {"requests": requests, "concurrency": concurrency, "rows": rows}
        found: Any = api.post(f"/endpoints/{_part(endpoint)}/benchmark", body)
    latency = found["latency_ms"]
    lines = [
        ("endpoint", endpoint),
        ("model", found["model"]),
        ("deployment", found["deployment"]),
        ("requests", found["requests"]),
        ("errors", found["errors"]),
        ("per second", found["requests_per_second"]),
        *((f"{name} ms", latency[name]) for name in ("p50", "p95", "p99", "max")),
    ]
    session.out.document(found, lines)


def rotate_key(
    endpoint: Endpoint,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until both keys are new.")] = True,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait at most.")] = 900.0,
) -> int:
    """Give an endpoint new keys, without a failed request."""
    session, deadline = current(), time.monotonic() + timeout
    with session.client() as api:
        found: Any = api.post(f"/endpoints/{_part(endpoint)}/rotate-key")
        while wait and found["status"] not in _DONE:
            if time.monotonic() > deadline:
                message = f"The keys of {endpoint} are not new after {timeout:.0f} s; it goes on."
                raise Stop(message, f"dropml rotate-key {endpoint}", Code.TIMEOUT)
            time.sleep(_PAUSE_S)
            found = api.get(f"/endpoints/{_part(endpoint)}/rotation")
    error = found["error"] or {}
    lines = [
        ("endpoint", endpoint), ("status", found["status"]), ("new", ", ".join(found["rotated"])),
        ("error", error.get("message")), ("remedy", error.get("remedy")),
    ]  # fmt: skip
    session.out.document(found, lines)
    return Code.FAILED if found["status"] == "failed" else Code.OK


def _part(text: str) -> str:
    from dropml.client import part

    return part(text)
