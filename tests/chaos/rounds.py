"""Rounds of trouble over a whole stack; after each, everything has come to its end and what must hold is looked at."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from dropml.client import DONE
from tests.chaos.emulator import Emulator, judge_serving, judge_standing
from tests.chaos.lanes import TROUBLE, Lane
from tests.chaos.plan import Round
from tests.chaos.tally import Tally
from tests.chaos.troubles import Troubles
from tests.soak.deeds import Deeds
from tests.soak.invariants import Invariants, judge_uploads
from tests.support.live_stack import LiveStack
from tests.support.watching import Call, Calls

#: In service from the beginning to the end, and never planted in: recovery is told by it.
SERVED = "alpha"
SETTLE_SECONDS = 300.0
#: Of the app: canaries that live traffic can judge on a machine with much else to do, and short watches after them.
SETTINGS = {"CANARY_PERCENT": "25", "CANARY_SECONDS": "10", "WATCH_SECONDS": "5"}


class Chaos:
    """`lanes` plant challengers while troubles come; 0 of them leave the troubles alone."""

    def __init__(self, live: LiveStack, clock: Path, tally: Tally, *, lanes: int) -> None:
        self.live, self.tally, self.deeds = live, tally, Deeds(live, clock)
        self._invariants, self._ended = Invariants(live), dict[str, dict[str, Any]]()
        self._opened, self._number = ExitStack(), lanes
        self.lanes: list[Lane] = []

    def __enter__(self) -> Self:
        """The dataset that is served all the time, and its callers."""
        self.deeds.upload(SERVED)
        run = self.live.wait(SERVED, seconds=240)
        if run["state"] != "live":
            raise RuntimeError(f"{SERVED} is not in service: {run['problem'] or run['gate']}")
        rows = run["snapshot"]["schema"]["example"]
        headers = {"x-functions-key": self.live.running.key}
        url = f"{self.live.running.api}/score/{SERVED}"
        calls = Calls("POST", url, pause=0.1, headers=headers, json=rows)
        self._troubles = Troubles(self.deeds, self.tally, rows)
        base = self.tally.seed * 1_000_000 + self.tally.rounds * 1000
        self.lanes = [
            Lane(f"lane-{i}", base + 100_000 * i, self.deeds, self.tally, self._troubles.quiet)
            for i in range(self._number)
        ]
        self._callers = self._opened.enter_context(calls)
        return self

    def __exit__(self, *_: object) -> None:
        for lane in self.lanes:
            lane.close()
        self._opened.close()

    def round(self, one: Round) -> None:
        """Lanes plant while the troubles come; then everything settles and the invariants are looked at."""
        began = time.monotonic()
        print(f"round {one.number}: {', '.join(t.kind for t in one.troubles)}", flush=True)
        working = [
            threading.Thread(target=self._guarded, args=(lane, one.number, kinds), daemon=True)
            for lane, kinds in zip(self.lanes, one.plants, strict=False)
        ]
        for thread in working:
            thread.start()
        for trouble in one.troubles:
            self._troubles.meet(trouble, SERVED)
            time.sleep(1)
        for thread in working:
            thread.join()
        self._settle()
        self.tally.rounds += 1
        self.tally.minutes += round((time.monotonic() - began) / 60, 2)
        for failure in self.deeds.failed:
            self.tally.add(self.tally.failed, [failure])

    def _guarded(self, lane: Lane, number: int, kinds: tuple[str, ...]) -> None:
        try:
            lane.work(number, kinds)
        except Exception as error:  # noqa: BLE001 - a lane that ends early is told; the round goes on
            self.tally.failed.append(f"{lane.dataset}: {type(error).__name__}: {str(error)[:200]}")

    def _settle(self) -> None:
        """Until everything is over, or its time is; then look. What was seen last counts."""
        deadline = time.monotonic() + SETTLE_SECONDS
        runs = self._patiently(lambda: list(self.live.runs()), deadline)
        while not self._over(runs) and time.monotonic() < deadline:
            self.tally.asked_again += sum(lane.look_again(runs) for lane in self.lanes)
            time.sleep(5)
            runs = self._patiently(lambda: list(self.live.runs()), deadline)
        lost, doubled = judge_uploads(self.deeds.uploads, runs)
        endings = [line for line in lost if " is still " in line]
        self.tally.add(self.tally.stuck, endings)
        self.tally.add(self.tally.lost, [line for line in lost if line not in endings])
        self.tally.add(self.tally.doubled, doubled)
        self._patiently(lambda: self._look(runs), time.monotonic() + SETTLE_SECONDS)

    def _over(self, runs: list[dict[str, Any]]) -> bool:
        return not any(judge_uploads(self.deeds.uploads, runs)[0])

    def _look(self, runs: list[dict[str, Any]]) -> None:
        """What must hold of runs, ledgers, answers, and of what stands in the workspace."""
        self._invariants.look(Counter())
        calls = [*self._taken(), *(one for lane in self.lanes for one in lane.taken())]
        self._told(calls)
        self._invariants.answers(calls)
        for summary in runs:
            if summary["run_id"] not in self._ended or summary["state"] in ("live", "canary"):
                self._ended[summary["run_id"]] = self.live.get(f"/runs/{summary['run_id']}")
        found = self._ended
        for summary in runs:
            if found[summary["run_id"]]["state"] != summary["state"] or summary["state"] not in DONE:
                found[summary["run_id"]] = self.live.get(f"/runs/{summary['run_id']}")
        endpoints = {run["placement"]["endpoint"] for run in found.values() if run["placement"]}
        twice = judge_standing(*Emulator(self.live).standing(sorted(endpoints)), found)
        self.tally.add(self.tally.doubled, [*twice, *judge_serving(found.values())])
        findings = self._invariants.findings
        self.tally.add(self.tally.doubled, findings.doubled)
        self.tally.add(self.tally.broken, findings.broken)
        self.tally.ledgers += findings.checked.pop("ledgers", 0)

    def _taken(self) -> list[Call]:
        count = len(self._callers.calls)
        calls = self._callers.calls[:count]
        del self._callers.calls[:count]
        return calls

    def _told(self, calls: list[Call]) -> None:
        for one in calls:
            what = f"{one.status or 'no answer'} {one.code}".strip()
            self.tally.answers[what] += 1
            if not one.repeatable:
                self.tally.for_good[what] += 1

    @staticmethod
    def _patiently(ask: Callable[[], Any], deadline: float) -> Any:
        """A stack that is just coming back is asked again. Raises what kept it from answering until the deadline."""
        while True:
            try:
                return ask()
            except TROUBLE:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)
