"""ApacheBench, wrk and oha as subprocesses: the same request, one kind of result.

Keep-alive differs: `ab -k` speaks HTTP/1.0 and asks for `Connection: Keep-Alive`; a server that only knows HTTP/1.1's
own keep-alive (uvicorn) closes the connection, so that every request pays for a new one. `kept_alive` tells.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

INSTALL = {
    "ab": "apt-get install apache2-utils (Debian, Ubuntu), dnf install httpd-tools (Fedora); it comes with macOS",
    "wrk": "apt-get install wrk, dnf install wrk, or brew install wrk",
    "oha": "brew install oha, or cargo install oha",
}


class BenchError(RuntimeError):
    """A tool is missing or failed; the message says what to do."""


@dataclass(frozen=True)
class Request:
    """The request that is repeated."""

    url: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(frozen=True)
class Result:
    """Latency in milliseconds, throughput in requests per second."""

    tool: str
    target: str
    concurrency: int
    requests: int
    seconds: float
    rate: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    errors: int
    kept_alive: bool

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def require(*names: str) -> str:
    """The first of these tools that is installed. Raises BenchError with how to get them."""
    for name in names:
        if shutil.which(name):
            return name
    ways = "\n".join(f"  {name}: {INSTALL[name]}" for name in names)
    raise BenchError(f"None of {', '.join(names)} is installed. To install:\n{ways}")


def _run(command: list[str], seconds: float) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{command[0]} did not end in {seconds + 60:.0f} s.") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise BenchError(f"{command[0]} failed ({done.returncode}): {said[-1] if said else 'no message'}")
    return done.stdout


def ab(request: Request, target: str, concurrency: int, seconds: float) -> Result:
    """ApacheBench with keep-alive, by time (at most 50,000 requests, ab's own limit for timed runs)."""
    with tempfile.TemporaryDirectory() as folder:
        body, table = Path(folder, "body"), Path(folder, "table.csv")
        body.write_bytes(request.body)
        command = ["ab", "-q", "-k", "-s", "30", "-t", str(max(1, round(seconds))), "-c", str(concurrency)]
        command += ["-p", str(body), "-T", request.content_type, "-e", str(table)]
        for name, value in request.headers.items():
            command += ["-H", f"{name}: {value}"]
        text = _run([*command, request.url], seconds)
        return parse_ab(text, table.read_text(), target, concurrency)


def parse_ab(text: str, table: str, target: str, concurrency: int) -> Result:
    def number(label: str) -> float:
        found = re.search(rf"^{label}:\s+([\d.]+)", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    percentiles = dict(line.split(",") for line in table.splitlines()[1:])
    requests = int(number("Complete requests"))
    # "Failed requests" counts answers of another length too; only these are errors here
    failed = re.search(r"\(Connect: (\d+), Receive: (\d+), Length: \d+, Exceptions: (\d+)\)", text)
    errors = sum(map(int, failed.groups())) if failed else 0
    return Result(
        "ab",
        target,
        concurrency,
        requests,
        number("Time taken for tests"),
        number("Requests per second"),
        float(percentiles["50"]),
        float(percentiles["95"]),
        float(percentiles["99"]),
        errors + int(number("Non-2xx responses")),
        number("Keep-Alive requests") > requests / 2,
    )


_WRK_SCRIPT = """
wrk.method = "POST"
wrk.body = io.open({body}, "rb"):read("*a")
{headers}
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('RESULT {{"n": %d, "us": %d, "p50": %d, "p95": %d, "p99": %d, "errors": %d}}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(95), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def wrk(request: Request, target: str, concurrency: int, seconds: float) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        body, script = Path(folder, "body"), Path(folder, "load.lua")
        body.write_bytes(request.body)
        headers = {"Content-Type": request.content_type, **request.headers}
        lines = "\n".join(f"wrk.headers[{json.dumps(k)}] = {json.dumps(v)}" for k, v in headers.items())
        script.write_text(_WRK_SCRIPT.format(body=json.dumps(str(body)), headers=lines))
        command = ["wrk", "-t", "1", "-c", str(concurrency), "-d", f"{max(1, round(seconds))}s"]
        text = _run([*command, "--timeout", "30s", "-s", str(script), request.url], seconds)
    return parse_wrk(text, target, concurrency)


def parse_wrk(text: str, target: str, concurrency: int) -> Result:
    found = re.search(r"^RESULT (.*)$", text, re.MULTILINE)
    if not found:
        raise BenchError("wrk printed no result; is it wrk 4 or newer?")
    doc = json.loads(found[1])
    took = doc["us"] / 1e6
    p50, p95, p99 = (doc[name] / 1000 for name in ("p50", "p95", "p99"))
    return Result(
        "wrk", target, concurrency, doc["n"], took, doc["n"] / took, p50, p95, p99, doc["errors"], True
    )


def oha(request: Request, target: str, concurrency: int, seconds: float) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder, "body")
        body.write_bytes(request.body)
        command = ["oha", "--no-tui", "--output-format", "json", "-z", f"{max(1, round(seconds))}s"]
        command += ["-c", str(concurrency), "-m", "POST", "-D", str(body), "-T", request.content_type]
        for name, value in request.headers.items():
            command += ["-H", f"{name}: {value}"]
        return parse_oha(_run([*command, request.url], seconds), target, concurrency)


def parse_oha(text: str, target: str, concurrency: int) -> Result:
    doc = json.loads(text)
    summary, latency = doc["summary"], doc["latencyPercentiles"]
    statuses = {int(status): count for status, count in doc["statusCodeDistribution"].items()}
    # "aborted due to deadline" are the requests under way when the time was up
    errors = {k: v for k, v in doc.get("errorDistribution", {}).items() if "deadline" not in k}
    return Result(
        "oha",
        target,
        concurrency,
        sum(statuses.values()),
        summary["total"],
        summary["requestsPerSec"],
        latency["p50"] * 1000,
        latency["p95"] * 1000,
        latency["p99"] * 1000,
        sum(errors.values()) + sum(count for status, count in statuses.items() if status >= 400),
        True,
    )


Tool = Callable[[Request, str, int, float], Result]
TOOLS: dict[str, Tool] = {"ab": ab, "wrk": wrk, "oha": oha}
