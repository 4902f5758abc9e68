"""The stack under attack, and what is watched beside every kind of attack."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from dropml.stack import GROUP, SUBSCRIPTION, WORKSPACE
from tests.attack.tally import Tally
from tests.support.health_watch import HealthWatch
from tests.support.live_stack import LiveStack
from tests.support.watching import Calls, Memory

#: In service all the time; nobody attacks it.
BYSTANDER = "bystander"
HEALTH_TIMEOUT = 15.0


@dataclass
class Stand:
    """`rows` is what the small tables' models score."""

    live: LiveStack
    tally: Tally
    rows: list[dict[str, Any]]

    @property
    def host(self) -> str:
        return self.live.running.places.host_url

    @property
    def emulator(self) -> str:
        return f"https://localhost:{self.live.running.places.emulator_port}"

    @property
    def ingestion(self) -> str:
        return f"http://127.0.0.1:{self.live.running.places.ingestion_port}"

    @property
    def headers(self) -> dict[str, str]:
        return {"x-functions-key": self.live.running.key}

    def arm(self, method: str, path: str) -> requests.Response:
        """Ask the emulator as the app does."""
        places = self.live.running.places
        token = requests.get(
            f"{self.emulator}/msi/token?resource=https://management.azure.com/&api-version=2019-08-01",
            headers={"X-IDENTITY-HEADER": places.identity_header},
            verify=places.ca,
            timeout=20,
        ).json()["access_token"]
        return requests.request(
            method,
            f"{self.emulator}{path}api-version=2025-06-01",
            headers={"Authorization": f"Bearer {token}"},
            verify=places.ca,
            timeout=20,
        )

    def endpoint_keys(self, endpoint: str) -> list[str]:
        path = f"{workspace()}/onlineEndpoints/{endpoint}/listKeys?"
        found = self.arm("POST", path).json()
        return [found["primaryKey"], found["secondaryKey"]]

    def score(self, dataset: str, **options: Any) -> Calls:
        return Calls(
            "POST",
            f"{self.host}/api/score/{dataset}",
            headers=self.headers,
            json={"data": self.rows},
            **options,
        )

    @contextmanager
    def watched(self, kind: str) -> Iterator[None]:
        """Score the bystander, ask for health and look at memory while the block runs; tell what came of it."""
        running = self.live.running
        pids = {"host": self.live.part("host").pid, "emulator": self.live.part("azureml").pid}
        health = HealthWatch(f"{running.api}/health", pause=0.2, timeout=HEALTH_TIMEOUT)
        scores = self.score(BYSTANDER, pause=0.1)
        began = time.monotonic()
        with Memory(pids) as memory, health, scores:
            yield
        for name in pids:
            self.tally.risen.setdefault(name, {})[kind] = memory.risen(name)
        self.tally.health[kind] = health.slowest
        self.tally.scores += len(scores.calls)
        if scores.failed:
            self.tally.failed_scores += [
                f"{kind}: {one.status} {one.code} after {one.seconds:.1f} s" for one in scores.failed
            ]
        print(
            f"  {kind}: {self.tally.cases[kind]} cases in {time.monotonic() - began:.0f} s; beside it"
            f" {len(scores.calls)} scores ({scores.told() or 'none failed'}), slowest health {health.slowest:.2f} s,"
            f" host {memory.risen('host'):+.0f} MiB, emulator {memory.risen('emulator'):+.0f} MiB",
            flush=True,
        )


def workspace() -> str:
    """The resource id of the stack's workspace."""
    return (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"
    )
