"""`make watch`: runs moving through their states, as the API tells them."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import requests

from dropml import stack
from dropml.client import DONE, ApiError, Client, Run

PATH = (
    "dropped validating registered training trained model_registered deploying verifying gate canary live"
).split()


class Progress:
    """One line a run on a terminal, rewritten in place; elsewhere one line a change."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty()
        self._last = ""
        self._started = time.monotonic()

    def show(self, run: Run) -> None:
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


def follow(api: Client, find: Callable[[], str | None], timeout: float) -> Run:
    """Show the run that `find` names until it is done; raises TimeoutError."""
    progress, deadline = Progress(), time.monotonic() + timeout
    run: Run | None = None
    try:
        while time.monotonic() < deadline:
            run_id = find() if run is None else run["run_id"]
            if run_id:
                run = api.run(run_id)
                progress.show(run)
                if run["state"] in DONE:
                    return run
            time.sleep(0.25)
    finally:
        progress.close()
    where = f"it is {run['state']}" if run else "it never started"
    raise TimeoutError(f"The run was not done after {timeout:.0f} s: {where}.")


def watch_all(api: Client) -> None:
    """Print every run as it changes, until interrupted; a stack that doesn't answer is asked again."""
    seen: dict[str, str] = {}
    while True:
        try:
            found = api.runs()
        except (ApiError, requests.RequestException) as error:
            print(f"{time.strftime('%H:%M:%S')}  no answer: {error}", flush=True)
            found = []
        for run in reversed(found):
            if seen.get(run["run_id"]) != run["state"]:
                seen[run["run_id"]] = run["state"]
                note = run["error"] or run["gate"] or run["best_algorithm"] or ""
                clock = time.strftime("%H:%M:%S")
                print(f"{clock}  {run['run_id']:<28} {run['state']:<17} {note}", flush=True)
        time.sleep(1)


def main(argv: list[str] | None = None) -> int:
    """Exit code: 0 when interrupted, 1 if no stack runs."""
    parser = argparse.ArgumentParser(prog="dropml.cli.watch", description=__doc__)
    parser.add_argument("--home", type=Path, default=stack.HOME)
    running = stack.load(parser.parse_args(argv).home.resolve())
    if running is None or not running.running:
        print(stack.NOT_RUNNING, file=sys.stderr)
        return 1
    try:
        with Client(running.api, running.key) as api:
            watch_all(api)
    except KeyboardInterrupt:
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
