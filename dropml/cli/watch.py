"""`make watch`: runs moving through their states, as the API tells them."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import requests

from dropml.client import ApiError, Client


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
