"""What must hold at any moment, and what must have come of everything at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dropml.client import DONE
from tests.support.live_stack import LiveStack
from tests.support.watching import Call

#: A run that came to one of these has passed its smoke test.
PROVEN = frozenset({"gate", "canary", "live"})
#: The number of retries that the app makes of its own accord is small; more attempts of one run are a loop.
MOST_ATTEMPTS = 3


@dataclass
class Findings:
    """One line each; `checked` counts looks at something, so that a check that saw nothing shows."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)

    def told(self) -> list[str]:
        return [*self.lost, *self.doubled, *self.broken]


class Invariants:
    """Ledgers of runs that are over are read once; everything else at each look."""

    def __init__(self, live: LiveStack) -> None:
        self._live, self._whole = live, set[str]()
        self.findings = Findings()

    def look(self, uploads: Counter[str]) -> None:
        """Each of the uploads, made some while ago, has its run; each run's ledger is whole, and nothing of it is there twice."""
        runs = list(self._live.runs())
        for line in without_run(uploads, runs):
            self._once(self.findings.broken, f"without an owner: {line}")
        self.findings.checked["runs"] += len(runs)
        for summary in runs:
            if summary["run_id"] not in self._whole:
                self._ledger(summary)
        self._parts(runs)

    def _ledger(self, summary: dict[str, Any]) -> None:
        run_id = summary["run_id"]
        ledger = self._live.get(f"/runs/{run_id}/ledger")
        self.findings.checked["ledgers"] += 1
        if ledger["broken_at"] is not None:
            self._once(
                self.findings.broken, f"{run_id}: ledger broken at {ledger['broken_at']}: {ledger['reason']}"
            )
        elif summary["state"] in DONE:
            self._whole.add(run_id)

    def _parts(self, runs: list[dict[str, Any]]) -> None:
        found = judge_runs(runs)
        for line in found:
            self._once(self.findings.doubled, line)

    def answers(self, calls: Iterable[Call]) -> None:
        """Each answer came from one run that had passed its smoke test."""
        for run_id in {call.run for call in calls if call.status == 200}:
            run = self._live.request("GET", f"/runs/{run_id}") if run_id else None
            self.findings.checked["versions that answered"] += 1
            if run is None or run.status_code != 200:
                self._once(self.findings.broken, f"an answer names {run_id!r}, which is no run")
            elif not PROVEN & {moment["state"] for moment in run.json()["history"]}:
                self._once(self.findings.broken, f"{run_id} answered and never passed its smoke test")

    def end(self, uploads: Counter[str]) -> None:
        """Every upload became one run, and every run is over."""
        runs = list(self._live.runs())
        lost, doubled = judge_uploads(uploads, runs)
        self.findings.lost += lost
        for line in doubled:
            self._once(self.findings.doubled, line)

    @staticmethod
    def _once(lines: list[str], line: str) -> None:
        if line not in lines:
            lines.append(line)


def judge_runs(runs: list[dict[str, Any]]) -> list[str]:
    """A run's id names its job, its version and its deployment: an id twice, or attempt after attempt, is one too many."""
    twice = [run_id for run_id, count in Counter(run["run_id"] for run in runs).items() if count > 1]
    attempts = Counter(run["run_id"].rpartition("-a")[0] for run in runs)
    return [
        *(f"{run_id} is listed twice" for run_id in twice),
        *(f"{name} has {count} attempts" for name, count in attempts.items() if count > MOST_ATTEMPTS),
    ]


def judge_uploads(uploads: Counter[str], runs: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """What is lost, what is doubled: files against the first attempts that drops began; runs that never ended."""
    begun = Counter(
        run["dataset"] for run in runs if run["cause"] == "drop" and run["run_id"].endswith("-a1")
    )
    lost = [
        f"{name}: {count} uploads, {begun[name]} runs"
        for name, count in uploads.items()
        if begun[name] < count
    ]
    lost += [f"{run['run_id']} is still {run['state']}" for run in runs if run["state"] not in DONE]
    doubled = [
        f"{name}: {uploads[name]} uploads, {count} runs"
        for name, count in begun.items()
        if count > uploads[name]
    ]
    return lost, doubled


def without_run(uploads: Counter[str], runs: list[dict[str, Any]]) -> list[str]:
    begun = _begun(runs)
    return [
        f"{name}: {count} uploads, {begun[name]} runs"
        for name, count in uploads.items()
        if begun[name] < count
    ]


def _begun(runs: list[dict[str, Any]]) -> Counter[str]:
    """First attempts that drops began, by dataset."""
    return Counter(run["dataset"] for run in runs if run["cause"] == "drop" and run["run_id"].endswith("-a1"))
