"""The emulator as its owner sees it: what is ordered of it, and what stands in it of each run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests

from tests.attack.stand import Stand, workspace
from tests.attack.tally import Tally
from tests.support.live_stack import LiveStack

#: What each kind of trouble with the service is made of; answers are those that Azure gives under load.
ORDERS: dict[str, dict[str, Any]] = {
    "429": {"action": "status", "status": 429, "headers": {"Retry-After": "1"}, "count": 40, "chance": 0.5},
    "500": {"action": "status", "status": 500, "count": 40, "chance": 0.3},
    "503": {"action": "status", "status": 503, "headers": {"Retry-After": "1"}, "count": 40, "chance": 0.5},
    "hang": {"action": "hang", "seconds": 20, "count": 4},
    "delay": {"action": "delay", "seconds": 3, "count": 30},
    "drop": {"action": "drop", "count": 20, "chance": 0.5},
    "half_write": {"action": "half_write", "method": "PUT|POST|PATCH|DELETE", "count": 6, "chance": 0.7},
    "truncate": {"action": "truncate", "count": 20, "chance": 0.3},
    "stale_read": {"action": "stale_read", "path": "/onlineEndpoints/", "count": 6},
}
_SECOND = re.compile(r"-r2$")


class Emulator:
    def __init__(self, live: LiveStack) -> None:
        self._live = live

    def own(self, method: str, path: str, body: object = None) -> requests.Response:
        """One of the emulator's own routes. Raises requests.RequestException."""
        places = self._live.running.places
        answer = requests.request(
            method,
            f"https://localhost:{places.emulator_port}/_emulator/{path}",
            headers={"x-emulator-secret": places.emulator_secret},
            json=body,
            verify=places.ca,
            timeout=30,
        )
        answer.raise_for_status()
        return answer

    @contextmanager
    def troubled(self, kind: str, seed: int) -> Iterator[None]:
        """What the service answers goes wrong in this way while the block runs."""
        self.own("POST", "faults", {"path": "/providers/", "seed": seed} | ORDERS[kind])
        try:
            yield
        finally:
            self.own("DELETE", "faults")

    def order(self, endpoint: str, deployment: str, **order: float) -> None:
        """The deployment, and the one that may take its place, answers as ordered."""
        for name in (deployment, f"{deployment}-r2"):
            self.own("PUT", f"onlineEndpoints/{endpoint}/deployments/{name}/answers", order)

    def standing(self, endpoints: Iterable[str]) -> tuple[list[str], dict[str, list[str]]]:
        """Names of all jobs, and of the deployments of each endpoint."""
        stand = Stand(self._live, Tally(), [])
        jobs = self._all(stand, f"{workspace()}/jobs?")
        found = {
            name: self._all(stand, f"{workspace()}/onlineEndpoints/{name}/deployments?") for name in endpoints
        }
        return jobs, found

    @staticmethod
    def _all(stand: Stand, path: str) -> list[str]:
        names: list[str] = []
        while path:
            answer = stand.arm("GET", path)
            answer.raise_for_status()
            page = answer.json()
            names += [one["name"] for one in page["value"]]
            path = following(page.get("nextLink"))
        return names


def following(link: str | None) -> str:
    """The path of a next page, open for the version that each call adds; empty where there is none."""
    if not link:
        return ""
    parts = urlsplit(link)
    asked = [(name, value) for name, value in parse_qsl(parts.query) if name != "api-version"]
    return f"{parts.path}?{urlencode(asked)}&"


def judge_standing(
    jobs: list[str], deployments: dict[str, list[str]], runs: dict[str, dict[str, Any]]
) -> list[str]:
    """What a run has twice, and what belongs to no run; `runs` by id. A second one is a run's own where it says so."""
    found: list[str] = []
    for name, second in _named(jobs):
        run = runs.get(name)
        if run is None:
            found.append(f"the job {name} belongs to no run")
        elif second and "job" not in run["repeated"]:
            found.append(f"{name} has two jobs")
    for endpoint, names in deployments.items():
        twice = [name for name, count in Counter(base for base, _ in _named(names)).items() if count > 1]
        found += [f"{endpoint} has {name} twice" for name in twice]
        known = {f"m{run['n']}-a{run['attempt']}" for run in runs.values() if _at(run) == endpoint}
        found += [f"{endpoint}: {base} belongs to no run" for base, _ in _named(names) if base not in known]
    return found


def judge_serving(runs: Iterable[dict[str, Any]]) -> list[str]:
    """Datasets of which two runs are live, and models that two runs share."""
    live = Counter(run["dataset"] for run in runs if run["state"] == "live")
    models = Counter(f"{run['model']['name']}:{run['model']['version']}" for run in runs if run.get("model"))
    return [
        *(f"{name} has {count} live runs" for name, count in live.items() if count > 1),
        *(f"{name} is the model of {count} runs" for name, count in models.items() if count > 1),
    ]


def _at(run: dict[str, Any]) -> str | None:
    placement = run.get("placement")
    return placement["endpoint"] if placement else None


def _named(names: Iterable[str]) -> list[tuple[str, bool]]:
    return [(_SECOND.sub("", name), bool(_SECOND.search(name))) for name in names]
