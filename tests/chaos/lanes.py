"""Lanes plant challengers in datasets in service, while callers score, and see how far each of them comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, TypeVar

import requests
from azure.core.exceptions import AzureError

from dropml.client import DONE
from tests.chaos.emulator import Emulator
from tests.chaos.plan import BAD
from tests.chaos.tables import table
from tests.chaos.tally import Tally
from tests.soak.deeds import Deeds
from tests.support.live_stack import LiveStack
from tests.support.watching import Call, Calls

T = TypeVar("T")
#: Two trials of a second or two each; the limit is for machines with much else to do.
TWO_TRIALS = {"dropml_timeout_minutes": "1", "dropml_max_trials": "2"}
#: Of one challenger, from its file to its end, troubles included.
PATIENCE_SECONDS = 420.0
BREACH_LIMIT_SECONDS = 60.0
#: How the deployment of a challenger answers from its beginning, where the kind is a matter of that.
ORDERED: dict[str, dict[str, float]] = {"slow": {"seconds": 1.5}, "failing": {"status": 500}}
#: After so many rounds a lane begins a new dataset.
FRESH_ROUNDS = 2
TROUBLE = (requests.RequestException, AzureError, AssertionError, LookupError, OSError)


class Lane:
    """One dataset after the other, each opened by a first model and what is planted after it. `quiet` is held while the way
    back from a breach is timed.
    """

    #: A weak model first, that a better one takes over from.
    opening: tuple[str, ...] = ("weak", "better")

    def __init__(self, name: str, seed: int, deeds: Deeds, tally: Tally, quiet: threading.Lock) -> None:
        self.name, self._seed, self.deeds, self._tally, self._quiet = name, seed, deeds, tally, quiet
        self.dataset, self._endpoint, self._calls = "", "", ExitStack()
        self._callers: list[Calls] = []

    @property
    def live(self) -> LiveStack:
        return self.deeds.live

    def work(self, number: int, kinds: tuple[str, ...]) -> None:
        """Plant the round's challengers, one after the other."""
        if not self.dataset or number % FRESH_ROUNDS == 0:
            self.begin(number)
        for kind in kinds if self._endpoint else ():
            self.plant(kind)

    def begin(self, number: int) -> None:
        """A new dataset: its first model goes live, callers come, and the rest of the opening follows."""
        self._calls.close()
        self.dataset, self._endpoint = f"{self.name}-{number}", ""
        first = self._through(self.opening[0])
        if first and first["state"] == "rejected":  # so weak, by chance, that it only guesses
            first = self._through(self.opening[0])
        if first is None or first["state"] != "live":
            self._tally.failed.append(f"{self.dataset}: no first model: {_why(first)}")
            return
        self._endpoint = first["placement"]["endpoint"]
        self._call(first["snapshot"]["schema"]["example"])
        for kind in self.opening[1:]:
            self.plant(kind)

    def _call(self, rows: list[dict[str, Any]]) -> None:
        url = f"{self.live.running.api}/score/{self.dataset}"
        headers = {"x-functions-key": self.live.running.key}
        calls = Calls("POST", url, pause=0.05, threads=2, headers=headers, json=rows)
        self._callers.append(self._calls.enter_context(calls))

    def close(self) -> None:
        self._calls.close()

    def taken(self) -> list[Call]:
        """The calls since this was asked last."""
        calls: list[Call] = []
        for caller in self._callers:
            count = len(caller.calls)
            calls += caller.calls[:count]
            del caller.calls[:count]
        return calls

    def plant(self, kind: str) -> None:
        run = self._through(kind)
        states = {moment["state"] for moment in run["history"]} if run else set[str]()
        if run is None or (not states & {"gate", "rejected"} and kind != "failing"):
            self._tally.unjudged[kind] += 1
            self._tally.failed += [] if run else [f"{self.dataset}: {kind} came to no end"]
            return
        self._judge(kind, run, live="live" in states)

    def _judge(self, kind: str, run: dict[str, Any], *, live: bool) -> None:
        if kind == "breaking" and not (run["canary"] or {}).get("breach"):
            self._tally.unjudged[kind] += 1  # trouble took its canary's time: it never broke
            return
        self._tally.judged[kind] += 1
        self._tally.promoted[kind] += live
        what = f"{run['run_id']} ({kind}): {_why(run)}"
        print(f"    {what[:150]}", flush=True)
        if live and kind in BAD:
            self._tally.escaped.append(f"went live: {what}")
        if not live and kind == "better":
            self._tally.held_back.append(f"not promoted: {what}")

    def _through(self, kind: str) -> dict[str, Any] | None:
        """The planted file's run at its end; None where it comes to none."""
        number = self.deeds.uploads[self.dataset] + 1
        self._seed += 1
        self.deeds.upload(self.dataset, table(kind, self._seed), TWO_TRIALS, tries=40)
        deadline, ordered = time.monotonic() + PATIENCE_SECONDS, False
        while time.monotonic() < deadline:
            run = _tried(lambda: self._run(number))
            if run is None:
                time.sleep(0.5)
                continue
            if run["state"] in DONE:
                return run
            if run["state"] == "awaiting_approval":
                self._reject(str(run["run_id"]))
            elif not ordered:
                ordered = self._order(kind, run)
            time.sleep(0.3)
        return None

    def _run(self, number: int) -> dict[str, Any] | None:
        runs = self.live.get(f"/runs?dataset={self.dataset}")["runs"]
        if len(runs) < number:
            return None
        found: dict[str, Any] = self.live.get(f"/runs/{runs[-number]['run_id']}")
        return found

    def look_again(self, runs: list[dict[str, Any]]) -> int:
        """The night engineer looks once more: what waits for a person is refused again, for storage that is killed forgets what
        it was told in the five seconds before. Returns how many.
        """
        waiting = [
            run["run_id"]
            for run in runs
            if run["dataset"].startswith(f"{self.name}-") and run["state"] == "awaiting_approval"
        ]
        for run_id in waiting:
            self._reject(run_id)
        return len(waiting)

    def _reject(self, run_id: str) -> None:
        """A person's word on a run that waits for it; the next look tells whether it was taken."""
        headers = {"x-dropml-actor": "night engineer"}
        _tried(lambda: self.live.request("POST", f"/runs/{run_id}/reject", headers=headers, json={}))

    def _order(self, kind: str, run: dict[str, Any]) -> bool:
        """How its deployment is to answer; True once nothing is left to order."""
        deployment = f"m{run['n']}-a{run['attempt']}"
        order = ORDERED.get(kind)
        if order is not None:
            return _tried(lambda: self._ordered(deployment, **order)) is not None
        if kind != "breaking":
            return True
        if run["state"] != "canary" or not (run["canary"] or {}).get("since"):
            return False
        return self._break(deployment)

    def _ordered(self, deployment: str, **order: float) -> bool:
        Emulator(self.live).order(self._endpoint, deployment, **order)
        return True

    def _traffic(self) -> dict[str, int]:
        """By what the dataset is served, in percent by deployment."""
        found = self.live.get("/datasets?limit=500")["datasets"]
        return {
            name: share
            for one in found
            if one["dataset"] == self.dataset
            for name, share in one["traffic"].items()
            if share
        }

    def _break(self, deployment: str) -> bool:
        """The canary's container fails from now on; note how long it takes until nothing is sent to it."""
        if not self._quiet.acquire(timeout=5):
            return False
        try:
            if deployment not in (_tried(self._traffic) or {}):
                return False  # nothing is sent to it now: there is no way back to time
            if _tried(lambda: self._ordered(deployment, status=500)) is None:
                return False
            began = time.monotonic()
            while time.monotonic() - began < BREACH_LIMIT_SECONDS:
                traffic = _tried(self._traffic)
                if traffic and deployment not in traffic:
                    break
                time.sleep(0.1)
            self._tally.breaches.append(round(time.monotonic() - began, 2))
        finally:
            self._quiet.release()
        return True


def _tried(ask: Callable[[], T]) -> T | None:
    """None where the stack is in trouble just now."""
    try:
        return ask()
    except TROUBLE:
        return None


def _why(run: dict[str, Any] | None) -> str:
    if run is None:
        return "no run came to an end"
    problem, gate = run.get("problem") or {}, run.get("gate") or {}
    said = problem.get("message") or gate.get("reason") or ""
    return f"{run['state']}: {str(said)[:200]}"
