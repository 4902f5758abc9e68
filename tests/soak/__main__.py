"""`python -m tests.soak`: uploads, kills, outages, clock jumps, promotions and rotations under constant scoring, for an hour.

Each minute, and at the end, the invariants are looked at. Prints figures, writes benchmarks/results/soak.json and, with
`--publish`, the report in docs/reliability.md. `--seed` makes the same events at the same times again.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.figure import Figure
from dropml import stack
from dropml.client import DONE
from dropml.common import processes
from tests.soak.deeds import SERVED, Deeds
from tests.soak.growth import Growth
from tests.soak.invariants import Invariants
from tests.soak.plan import Event, plan
from tests.soak.report import Report
from tests.support.live_stack import LiveStack, live_stack
from tests.support.watching import Call, Calls

ROOT = Path(__file__).resolve().parents[2]
LOOK_SECONDS = 60.0
SETTLE_SECONDS = 300.0
#: An upload has its run within this, outages included.
OWNED_SECONDS = 180.0
MEMORY_MIB, HANDLES, DISK_MIB_A_RUN = 60.0, 40, 20.0


@contextmanager
def jumping(clock: Path) -> Iterator[dict[str, str]]:
    """Settings of a host whose clock goes by the file."""
    clock.write_text("0")
    path = f"{ROOT / 'tests' / 'support' / 'jumping_clock'}:{ROOT}"
    yield {"PYTHONPATH": path, "SOAK_CLOCK": str(clock)}


class Soak:
    def __init__(self, live: LiveStack, clock: Path) -> None:
        self.live, self.deeds = live, Deeds(live, clock)
        self.invariants, self.growth = Invariants(live), Growth(live)
        self._looked = 0.0

    def begin(self) -> list[Calls]:
        """What is served from the first minute on; callers of each, and who asks for health."""
        callers = []
        for dataset in SERVED:
            self.deeds.upload(dataset)
        for dataset in SERVED:
            run = self.live.wait(dataset, seconds=180)
            if run["state"] != "live":
                raise RuntimeError(f"{dataset} is not in service: {run['problem'] or run['gate']}")
            url = f"{self.live.running.api}/score/{dataset}"
            headers = {"x-functions-key": self.live.running.key}
            body = {"data": run["snapshot"]["schema"]["example"]}
            callers.append(Calls("POST", url, pause=0.05, threads=2, headers=headers, json=body))
        return callers

    def run(self, events: list[Event], seconds: float) -> None:
        began = time.monotonic()
        for event in events:
            self._wait_until(began + event.at)
            print(f"  {time.monotonic() - began:5.0f} s  {event.kind} {event.amount or ''}", flush=True)
            self._guarded(event)
        self._wait_until(began + seconds)

    def _guarded(self, event: Event) -> None:
        """An event that can't be done (its part is just starting) is told; the soak goes on."""
        try:
            self.deeds.do(event)
        except Exception as error:  # noqa: BLE001 - whatever an event comes to, the next one is due
            self.deeds.failed.append(f"{event.kind}: {type(error).__name__}: {str(error)[:200]}")

    def _wait_until(self, moment: float) -> None:
        while (left := moment - time.monotonic()) > 0:
            if time.monotonic() - self._looked > LOOK_SECONDS:
                self.look()
            time.sleep(min(left, 1.0))

    def look(self) -> None:
        """Once a minute. A stack that is just coming back can't be asked: that is for the next look."""
        self._looked = time.monotonic()
        try:
            self.invariants.look(self.deeds.uploads_before(self._looked - OWNED_SECONDS))
            self.growth.look()
        except (AssertionError, OSError, LookupError) as error:
            print(f"  could not look: {str(error)[:120]}", flush=True)

    def settle(self) -> None:
        """Everything that is open comes to its end."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            if all(run["state"] in DONE for run in self.live.runs()):
                break
            time.sleep(2)
        self.look()
        self.invariants.end(self.deeds.uploads)


def failed_for_good(calls: list[Call], events: list[tuple[float, str]]) -> list[str]:
    """A line for each call that its caller can't repeat, oldest first, with what had been done to the stack just before."""
    lines = []
    for one in sorted((call for call in calls if not call.repeatable), key=lambda call: call.at):
        moment, kind = max((event for event in events if event[0] <= one.at), default=(one.at, "nothing"))
        after = f"{one.at - moment:.1f} s after {kind}, having taken {one.seconds:.1f} s"
        lines.append(f"a call failed for good: {one.status} {one.code}".rstrip() + f", {after}")
    return lines


def answers(calls: list[Call]) -> str:
    """`9 x 200, 2 x 503 overloaded`: what calls came to, most first."""
    counted = Counter(f"{call.status or 'no answer'} {call.code}".strip() for call in calls)
    return ", ".join(f"{count} x {what}" for what, count in counted.most_common(8))


def figures(soak: Soak, calls: list[Call], left: int) -> list[Figure]:
    found, deeds = soak.invariants.findings, soak.deeds
    failed = [call for call in calls if not call.repeatable]
    runs = max(1, sum(deeds.uploads.values()))

    def at_most(name: str, value: float, target: float, note: str = "") -> Figure:
        return Figure(f"soak_{name}", value, target, at_least=False, note=note)

    made = [
        Figure("soak_uploads", sum(deeds.uploads.values()), 1),
        Figure("soak_calls", len(calls), 1, note=answers(calls)),
        at_most("lost", len(found.lost), 0),
        at_most("doubled", len(found.doubled), 0),
        at_most("invariants_broken", len(found.broken), 0, f"{found.checked['ledgers']} ledgers read"),
        at_most("calls_failed_for_good", len(failed), 0),
        at_most("events_failed", len(deeds.failed), 0),
        at_most("processes_left", left, 0, "after `make down`"),
        at_most("disk_mib_a_run", soak.growth.disk_mib() / runs, DISK_MIB_A_RUN),
    ]
    for part in stack.PARTS:
        made.append(at_most(f"memory_growth_{part}_mib", soak.growth.memory_mib(part), MEMORY_MIB))
        made.append(at_most(f"handles_growth_{part}", soak.growth.handles(part), HANDLES))
    return made


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--publish", action="store_true", help="write the report into docs/reliability.md")
    parser.add_argument("--keep", type=Path, help="copy the stack's folder here at the end")
    options = parser.parse_args()
    seconds = options.minutes * 60
    with tempfile.TemporaryDirectory() as folder, jumping(Path(folder) / "clock") as extra:
        home = Path(folder) / "stack"
        with live_stack(home, extra=extra) as live:
            soak = Soak(live, Path(folder) / "clock")
            with ExitStack() as opened:
                callers = [opened.enter_context(caller) for caller in soak.begin()]
                soak.run(plan(seconds, options.seed), seconds)
                soak.settle()
            calls = [call for caller in callers for call in caller.calls]
            soak.invariants.answers(calls)
        left = len(processes.working_in(home))
        if options.keep:
            shutil.copytree(home, options.keep, dirs_exist_ok=True)
    for_good = failed_for_good(calls, soak.deeds.begun)
    told = [*soak.invariants.findings.told(), *soak.deeds.failed, *for_good]
    report = Report(options.minutes, options.seed, figures(soak, calls, left), soak.deeds.done, told)
    report.save()
    print(*told, *(figure.line() for figure in report.figures), sep="\n")
    if options.publish:
        report.publish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
