"""`make watch`: runs moving through their states, as the API tells them."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import requests

from dropml.cli.output import shown
from dropml.client import ApiError, Client, RunSummary

#: Seconds between two looks: at a stack here, at an app in Azure.
NEAR, FAR = 1.0, 5.0


def watch_all(api: Client, tell: Callable[[RunSummary], None] | None = None, pause: float = NEAR) -> None:
    """Tell every run as it changes, until interrupted: a line of its own, or as `tell` does.

    An app that doesn't answer is asked again.
    """
    tell = tell or _line
    seen: dict[str, str] = {}
    while True:
        try:
            found = api.runs()
        except (ApiError, requests.RequestException) as error:
            print(f"{_clock()}  no answer: {shown(str(error))}", file=sys.stderr, flush=True)
            found = []
        for run in reversed(found):
            if seen.get(run["run_id"]) != run["state"]:
                seen[run["run_id"]] = run["state"]
                tell(run)
        time.sleep(pause)


def _line(run: RunSummary) -> None:
    note = run["error"] or run["gate"] or run["best_algorithm"] or ""
    print(f"{_clock()}  {run['run_id']:<28} {run['state']:<17} {shown(note)}".rstrip(), flush=True)


def _clock() -> str:
    """Of the day, in UTC as everywhere."""
    return time.strftime("%H:%M:%SZ", time.gmtime())


def main(argv: list[str] | None = None) -> int:
    """Exit code: 0 when interrupted, 1 if no stack runs."""
    from dropml import stack

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
