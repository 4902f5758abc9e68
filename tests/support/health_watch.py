"""A caller who asks for health in a process of its own: what else a trial has its process do doesn't slow it.

`python -m tests.support.health_watch URL PAUSE TIMEOUT` asks until its standard input ends, then prints the slowest answer in
seconds and how many calls there were.
"""

from __future__ import annotations

import http.client
import json
import select
import subprocess
import sys
import time
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.support.automl_jobs import ROOT


class HealthWatch:
    """For as long as the `with` block lasts; then `slowest` (seconds) and `calls`. A call without an answer takes the timeout."""

    def __init__(self, url: str, *, pause: float, timeout: float) -> None:
        self._command = [sys.executable, "-m", __name__, url, str(pause), str(timeout)]
        self.slowest, self.calls = 0.0, 0

    def __enter__(self) -> Self:
        self._child = subprocess.Popen(
            self._command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        told = json.loads(self._child.communicate(timeout=90)[0])
        self.slowest, self.calls = told["slowest"], told["calls"]


def ask(url: str, timeout: float) -> float:
    """Seconds of one call, from its connection to its last byte; `timeout` where none came."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=timeout)
    began = time.monotonic()
    try:
        connection.request("GET", parts.path)
        connection.getresponse().read()
    except OSError:
        return timeout
    finally:
        connection.close()
    return time.monotonic() - began


def main(url: str, pause: str, timeout: str) -> int:
    seconds: list[float] = []
    ended = False
    while not ended:
        seconds.append(ask(url, float(timeout)))
        ended = bool(select.select([sys.stdin], [], [], float(pause))[0])
    print(json.dumps({"slowest": max(seconds), "calls": len(seconds)}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
