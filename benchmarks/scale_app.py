"""The application in a process of its own, over the state that its environment names.

Reads `list` or `tick` from standard input, a line each; answers with a JSON line: seconds, and storage calls counted
where they leave for the network. There is no Azure ML: what a tick asks of it fails, and is no storage call.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import azure.functions as func
from azure.core.pipeline.transport import RequestsTransport


class Counter:
    """Counts what the Azure SDK sends to the account, tries that are repeated included."""

    def __init__(self) -> None:
        self.calls = 0
        self._account = os.environ["DATA_STORAGE"].partition("BlobEndpoint=")[2].partition(";")[0]
        self._send = RequestsTransport.send

    def install(self) -> None:
        counter, send = self, self._send

        def counted(transport: RequestsTransport, request: Any, **options: Any) -> Any:
            counter.calls += request.url.startswith(counter._account)
            return send(transport, request, **options)

        RequestsTransport.send = counted


def functions() -> dict[str, Callable[[], Any]]:
    import function_app

    found = {f.get_function_name(): f.get_user_function() for f in function_app.app.get_functions()}

    def listed() -> None:
        request = func.HttpRequest("GET", "http://app/api/runs", params={"limit": "50"}, body=b"")
        answer = found["list_runs"](request)
        if answer.status_code != 200 or not json.loads(answer.get_body())["runs"]:
            raise RuntimeError(f"GET /api/runs answered {answer.status_code}: {answer.get_body()[:300]!r}")

    return {"list": listed, "tick": lambda: found["advance"](None)}


def main() -> int:
    counter = Counter()
    counter.install()
    known = functions()
    for line in sys.stdin:
        before, started = counter.calls, time.perf_counter()
        known[line.strip()]()
        done = {"seconds": time.perf_counter() - started, "calls": counter.calls - before}
        print(json.dumps(done), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
