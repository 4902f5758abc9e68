"""Shows runs moving through their states, as the API tells them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import requests

from dropml.stack import Stack

PATH = [
    "dropped",
    "validating",
    "registered",
    "training",
    "trained",
    "model_registered",
    "deploying",
    "verifying",
    "gate",
]
PATH += ["canary", "live"]
DONE = frozenset({"live", "rejected", "failed", "quarantined", "retired"})


class Api:
    """The function app over HTTP, with the function key."""

    def __init__(self, stack: Stack) -> None:
        self.base = stack.api
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["x-functions-key"] = stack.key

    def get(self, path: str, **params: str) -> Any:
        answer = self._session.get(f"{self.base}{path}", params=params, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        answer = self._session.post(f"{self.base}{path}", json=body, headers=headers, timeout=60)
        answer.raise_for_status()
        return answer.json()


class Progress:
    """One line a run on a terminal, rewritten in place; elsewhere one line a change."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty()
        self._last = ""
        self._started = time.monotonic()

    def show(self, run: dict[str, Any]) -> None:
        trials = run.get("trials") or []
        finished = sum(t["status"] == "Completed" for t in trials)
        at = PATH.index(run["state"]) + 1 if run["state"] in PATH else len(PATH)
        bar = "█" * at + "░" * (len(PATH) - at)
        extra = f"  {finished} of {len(trials)} trials done" if run["state"] == "training" and trials else ""
        text = f"  {bar} {run['run_id']}  {run['state']}{extra}"
        clock = f"  {time.monotonic() - self._started:5.1f} s"
        if self._live:
            print(f"\r\033[K{text}{clock}", end="", flush=True)
        elif text != self._last:
            print(text + clock, flush=True)
        self._last = text

    def close(self) -> None:
        if self._live and self._last:
            print()


def follow(api: Api, find: Callable[[], str | None], timeout: float) -> dict[str, Any]:
    """Show the run that `find` names until it is done; raises TimeoutError."""
    progress, deadline = Progress(), time.monotonic() + timeout
    run: dict[str, Any] | None = None
    try:
        while time.monotonic() < deadline:
            run_id = find() if run is None else run["run_id"]
            if run_id:
                run = api.get(f"/runs/{run_id}")
                progress.show(run)
                if run["state"] in DONE:
                    return run
            time.sleep(0.25)
    finally:
        progress.close()
    where = f"it is {run['state']}" if run else "it never started"
    raise TimeoutError(f"The run was not done after {timeout:.0f} s: {where}.")


def watch_all(stack: Stack) -> int:
    """Every run as it changes, until interrupted."""
    api, seen = Api(stack), {}
    try:
        while True:
            for run in reversed(api.get("/runs")["runs"]):
                if seen.get(run["run_id"]) != run["state"]:
                    seen[run["run_id"]] = run["state"]
                    note = run["error"] or run["gate"] or run["best_algorithm"] or ""
                    print(
                        f"{time.strftime('%H:%M:%S')}  {run['run_id']:<28} {run['state']:<17} {note}",
                        flush=True,
                    )
            time.sleep(1)
    except KeyboardInterrupt:
        return 0
