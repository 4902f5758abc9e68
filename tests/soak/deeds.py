"""Does what the plan says to a stack, and remembers what was uploaded."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from pathlib import Path

import requests
from azure.core.exceptions import AzureError

from dropml import stack
from dropml.common.processes import Child
from tests.soak.plan import Event
from tests.support.live_stack import SMALL, LiveStack, small_table

#: How long a jumped clock stays where it is (seconds).
JUMPED_SECONDS = 12.0
TRAINER_SECONDS = 40.0
#: In service from the beginning to the end: scored all the time, promoted, rotated, killed.
SERVED = ("alpha", "beta")


class Deeds:
    """`uploads` counts by dataset: each upload has content of its own, so each must become one run."""

    def __init__(self, live: LiveStack, clock: Path) -> None:
        self.live, self._clock = live, clock
        self.uploads: Counter[str] = Counter()
        self._when: list[tuple[float, str]] = []
        self.done: Counter[str] = Counter()
        self.failed: list[str] = []

    def do(self, event: Event) -> None:
        """Whatever can't be done now (nothing trains, say) is left out."""
        what, _, target = event.kind.partition(" ")
        self.done[event.kind] += 1
        if what == "upload":
            self.upload(f"set-{len(self.uploads)}")
        elif what == "promote":
            self.promote()
        elif what == "kill":
            self._kill(target)
        elif what == "pause":
            with self.live.paused(self._children(target)):
                time.sleep(event.amount)
        elif what == "clock":
            self._clock.write_text(str(event.amount))
            time.sleep(JUMPED_SECONDS)
            self._clock.write_text("0")
        else:
            self._rotate()

    def upload(self, dataset: str) -> None:
        """A file of its own; storage is there, or the upload is tried again as any client does."""
        seed = sum(self.uploads.values()) + 1
        for _ in range(5):
            try:
                self.live.drop(f"{dataset}.csv", small_table(seed), metadata=SMALL)
            except AzureError:
                time.sleep(3)
            else:
                self.uploads[dataset] += 1
                self._when.append((time.monotonic(), dataset))
                return
        self.failed.append(f"upload of {dataset}: storage took it in none of five tries")

    def uploads_before(self, moment: float) -> Counter[str]:
        """By dataset; `moment` is monotonic."""
        return Counter(dataset for at, dataset in self._when if at < moment)

    def promote(self) -> None:
        """New data for a dataset in service, once its last run is over: an upload that replaces one unseen is no run."""
        for dataset in SERVED:
            runs = self._runs(dataset)
            if (
                runs
                and len(runs) >= self.uploads[dataset]
                and runs[0]["state"] in ("live", "rejected", "failed")
            ):
                self.upload(dataset)
                return

    def _runs(self, dataset: str) -> list[dict[str, str]]:
        try:
            found: list[dict[str, str]] = self.live.get(f"/runs?dataset={dataset}")["runs"]
        except (AssertionError, requests.RequestException):
            return []
        return found

    def _rotate(self) -> None:
        with contextlib.suppress(requests.RequestException, AssertionError):
            served = self.live.get("/datasets")["datasets"]
            for found in served:
                if found["dataset"] == SERVED[0] and found["endpoint"]:
                    self.live.request("POST", f"/endpoints/{found['endpoint']}/rotate-key")

    def _children(self, target: str) -> list[Child]:
        if target == "endpoint":
            return self.live.endpoint_processes()[:1]
        if target == "trainer":
            return self.live.trainers()[:1]
        return [self.live.part(target)]

    def _set_training(self) -> None:
        """A file of its own, until somebody trains on it or the wait is over."""
        self.upload(f"set-{len(self.uploads)}")
        deadline = time.monotonic() + TRAINER_SECONDS
        while not self.live.trainers() and time.monotonic() < deadline:
            time.sleep(0.2)

    def _kill(self, target: str) -> None:
        """Kill -9; a part of the stack is started again as a person would, the rest comes back by itself."""
        for child in self._children(target):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
            while child.alive():
                time.sleep(0.05)
        if target in stack.PARTS:
            self.live.again()
