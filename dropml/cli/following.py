"""A run on its way through its states, in one line that is rewritten in place; elsewhere a line a change."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from dropml.cli.output import shown

if TYPE_CHECKING:
    from dropml.client import Client, Run

PATH = (
    "dropped validating registered training trained model_registered deploying verifying gate canary live"
).split()
#: Seconds between two looks: at a stack here, at an app in Azure.
NEAR, FAR = 0.25, 2.0
#: Seconds for which an app that doesn't answer is asked again, once it has answered.
SILENCE = 60.0


class Progress:
    """One line a run on a terminal, rewritten in place; elsewhere one line a change."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = stream or sys.stdout
        self._quiet = quiet
        self._live = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._last = ""
        self._started = time.monotonic()

    def show(self, run: Run) -> None:
        if self._quiet:
            return
        trials = run.get("trials") or []
        finished = sum(t["status"] == "Completed" for t in trials)
        state = "gate" if run["state"] == "awaiting_approval" else run["state"]
        at = PATH.index(state) + 1 if state in PATH else len(PATH)
        bar = "█" * at + "░" * (len(PATH) - at)
        extra = f"  {finished} of {len(trials)} trials done" if run["state"] == "training" and trials else ""
        text = f"  {bar} {shown(run['run_id'])}  {run['state']}{extra}"
        clock = f"  {time.monotonic() - self._started:5.1f} s"
        if self._live:
            print(f"\r\033[K{text}{clock}", end="", file=self._stream, flush=True)
        elif text != self._last:
            print(text + clock, file=self._stream, flush=True)
        self._last = text

    def close(self) -> None:
        if self._live and self._last:
            print(file=self._stream, flush=True)


def follow(
    api: Client,
    find: Callable[[], str | None],
    timeout: float,
    *,
    progress: Progress | None = None,
    pause: float = NEAR,
    until: frozenset[str] = frozenset(),
) -> Run:
    """Show the run that `find` names until it is done, or in a state of `until`; raises TimeoutError."""
    from dropml.client import DONE

    progress, deadline = progress or Progress(), time.monotonic() + timeout
    run: Run | None = None
    heard = time.monotonic()
    try:
        while time.monotonic() < deadline:
            try:
                run_id = find() if run is None else run["run_id"]
                run, heard = api.run(run_id) if run_id else None, time.monotonic()
            except Exception as error:
                if time.monotonic() - heard > SILENCE or not _passing(error):
                    raise
            if run is not None:
                progress.show(run)
                if run["state"] in DONE | until:
                    return run
            time.sleep(pause)
    finally:
        progress.close()
    where = f"it is {run['state']}" if run else "it never started"
    raise TimeoutError(f"The run was not done after {timeout:.0f} s: {where}.")


def _passing(error: Exception) -> bool:
    """Whether the same question may be answered in a moment."""
    import requests

    from dropml.client import ApiError

    if isinstance(error, ApiError):
        return error.status == 429 or error.status >= 500
    return isinstance(error, requests.RequestException)
