"""Does what the plan says to a stack, and remembers what was uploaded."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import requests
from azure.core.exceptions import AzureError

from dropml import stack
from dropml.common.processes import Child
from tests.soak.plan import Event
from tests.support.live_stack import SMALL, LiveStack, small_table

#: How long a jumped clock stays where it is (seconds).
JUMPED_SECONDS = 12.0
#: Azurite has an upload on disk within five seconds; Azure acknowledges what is. So files are dropped this long before a kill.
FLUSH_SECONDS = 6.0
#: In service from the beginning to the end: scored all the time, promoted, rotated, killed.
SERVED = ("alpha", "beta")


class Deeds:
    """`uploads` counts by dataset: each upload has content of its own, so each must become one run."""

    def __init__(self, live: LiveStack, clock: Path) -> None:
        self.live, self._clock = live, clock
        self.uploads: Counter[str] = Counter()
        self._lock = threading.Lock()
        #: Held while uploads wait: storage is about to be killed.
        self._durable = threading.Lock()
        self._when: list[tuple[float, str]] = []
        self.done: Counter[str] = Counter()
        #: When each began (time.monotonic), oldest first.
        self.begun: list[tuple[float, str]] = []
        self.failed: list[str] = []

    def do(self, event: Event) -> None:
        """Whatever can't be done now (nothing trains, say) is left out."""
        what, _, target = event.kind.partition(" ")
        self.done[event.kind] += 1
        self.begun.append((time.monotonic(), event.kind))
        if what == "upload":
            self.upload(f"set-{len(self.uploads)}")
        elif what == "promote":
            self.promote()
        elif what == "kill":
            self.kill(target)
        elif what == "pause":
            with self.live.paused(self.children(target)):
                time.sleep(event.amount)
        elif what == "clock":
            self._clock.write_text(str(event.amount))
            time.sleep(JUMPED_SECONDS)
            self._clock.write_text("0")
        else:
            self._rotate()

    def upload(
        self, dataset: str, data: bytes | None = None, metadata: Mapping[str, str] = SMALL, tries: int = 5
    ) -> None:
        """A file of its own, `data` or a small table; storage is there, or it is tried again as any client does.

        Callable from several threads at once, each with datasets of its own.
        """
        with self._lock:
            seed = sum(self.uploads.values()) + 1
        for _ in range(tries):
            try:
                with self._durable:
                    pass
                self.live.drop(f"{dataset}.csv", data or small_table(seed), metadata=dict(metadata))
            except AzureError:
                time.sleep(3)
            else:
                with self._lock:
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

    def children(self, target: str) -> list[Child]:
        """The processes of a part; those that are there, of an endpoint or a trainer."""
        if target == "endpoint":
            return self.live.endpoint_processes()[:1]
        if target == "trainer":
            return self.live.trainers()[:1]
        return [self.live.part(target)]

    def kill(self, *targets: str, away: float = 0.0) -> None:
        """Kill -9 of them at once; `away` seconds later parts of the stack are started again as a person would.

        The rest comes back by itself.
        """
        children = [child for target in targets for child in self.children(target)]
        with self._durable if "azurite" in targets else contextlib.nullcontext():
            if "azurite" in targets:
                time.sleep(FLUSH_SECONDS)
            for child in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGKILL)
        for child in children:
            while child.alive():
                time.sleep(0.05)
        time.sleep(away)
        if any(target in stack.PARTS for target in targets):
            self.live.again()
