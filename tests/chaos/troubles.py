"""Does to a stack what a round says goes wrong, and sees how long it takes to come back."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from azure.core.exceptions import AzureError

from dropml.common import folders, marks, ports, processes
from dropml.common.processes import Child
from dropml.stack import settings
from tests.chaos import strangers
from tests.chaos.emulator import Emulator
from tests.chaos.plan import Trouble
from tests.chaos.tables import refused
from tests.chaos.tally import Recovery, Tally
from tests.soak.deeds import Deeds
from tests.soak.plan import Event
from tests.support.live_stack import SMALL, LiveStack, small_table
from tests.support.watching import Calls, call

#: The local stack's timers come each second; an endpoint without answers is left alone for BREAKER_SECONDS; callers of one
#: that comes back wait for its deployments up to 15 s (docs/seams.md), after the time that its process takes to start.
TICK_SECONDS, BREAKER_SECONDS, COMEBACK_SECONDS, START_SECONDS = 1.0, 10.0, 15.0, 10.0
RECOVERY_SECONDS = 180.0
CROWD, SAME = 200, 20
CALLERS = 20


class Troubles:
    """One trouble at a time. `quiet` is held while one lasts: whoever measures holds it, too."""

    def __init__(self, deeds: Deeds, tally: Tally, rows: list[dict[str, object]]) -> None:
        self.deeds, self._tally, self._rows = deeds, tally, rows
        self.quiet = threading.Lock()
        self._crowds = 0

    @property
    def live(self) -> LiveStack:
        return self.deeds.live

    def meet(self, trouble: Trouble, dataset: str) -> None:
        """Do it, and note how long `dataset` and the health of the app take to come back."""
        with self.quiet:
            try:
                self._do(trouble, dataset)
            except Exception as error:  # noqa: BLE001 - what can't be done just now is told; the round goes on
                self._tally.failed.append(f"{trouble.kind}: {type(error).__name__}: {str(error)[:200]}")
            else:
                self._tally.troubles[trouble.kind] += 1
            seconds = self.seconds_until_served(dataset)
        self._tally.recoveries.append(Recovery(trouble.kind, round(seconds, 2), allowed(trouble.kind)))
        print(f"    {trouble.kind}: back after {seconds:.1f} s", flush=True)

    def seconds_until_served(self, dataset: str) -> float:
        began = time.monotonic()
        api, headers = self.live.running.api, {"x-functions-key": self.live.running.key}
        while (passed := time.monotonic() - began) < RECOVERY_SECONDS:
            if call("GET", f"{api}/health", timeout=10).status == 200:
                scored = call("POST", f"{api}/score/{dataset}", headers=headers, json=self._rows, timeout=40)
                if scored.status == 200:
                    return time.monotonic() - began
            time.sleep(0.2)
        return passed

    def _do(self, trouble: Trouble, dataset: str) -> None:
        what, _, target = trouble.kind.partition(" ")
        doings: dict[str, Callable[[], None]] = {
            "kill": lambda: self.deeds.kill(*target.split("+")),
            "outage": lambda: self.deeds.kill(target, away=trouble.amount),
            "pause": lambda: self._pause(target, trouble.amount),
            "cloud": lambda: self._cloud(target, trouble.amount),
            "two": lambda: self._two_hosts(trouble.amount, killed=target == "hosts kill"),
            "crowd": self._crowd,
            "same": self._same_file,
            "hostile": lambda: self._hostile(target, dataset),
            "untold": lambda: strangers.untold_files(self.deeds, self._name("untold"), self._crowds),
        }
        if what in doings:
            doings[what]()
        else:
            self.deeds.do(Event(0.0, trouble.kind, trouble.amount))

    def _name(self, kind: str) -> str:
        self._crowds += 1
        return f"{kind}-{self._crowds}"

    def _hostile(self, target: str, dataset: str) -> None:
        name = self._name("hostile")
        if target == "files":
            strangers.hostile_files(self.deeds, name, self._crowds)
        else:
            found = strangers.hostile_requests(self.deeds, dataset, self._crowds)
            self._tally.add(self._tally.failed, found)

    def _pause(self, target: str, seconds: float) -> None:
        with self.live.paused(self.deeds.children(target)):
            time.sleep(seconds)

    def _cloud(self, kind: str, seconds: float) -> None:
        with Emulator(self.live).troubled(kind, seed=int(seconds * 10)):
            time.sleep(seconds)

    def _two_hosts(self, seconds: float, *, killed: bool) -> None:
        """Both take files and ticks, and callers ask both; at the end the first one goes, or the second."""
        with second_host(self.live) as (url, second):
            headers = {"x-functions-key": self.live.running.key}
            for _ in range(2):
                self._same_file()
            with Calls("GET", f"{url}/api/runs", pause=0.2, headers=headers) as calls:
                time.sleep(seconds)
                if killed:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(second.pid, signal.SIGKILL)
            if not any(one.status == 200 for one in calls.calls):
                raise RuntimeError(f"the second host answered nobody: {calls.told()}")

    def _crowd(self) -> None:
        """Many files at once, each refused for a reason of its own; each is one run."""
        name = self._name("crowd")
        names = [f"{name}-{i}" for i in range(CROWD)]
        seeds = range(1 + self._crowds, 1 + self._crowds + CROWD)
        with ThreadPoolExecutor(CALLERS) as pool:
            list(pool.map(self.deeds.upload, names, map(refused, seeds, range(CROWD))))

    def _same_file(self) -> None:
        """The same bytes under the same name by many at once: one run."""
        name = self._name("same")
        data = small_table(10_000 + self._crowds)
        self.deeds.upload(name, data)

        def again(_: int) -> None:
            with contextlib.suppress(AzureError):
                self.live.drop(f"{name}.csv", data, metadata=SMALL)

        with ThreadPoolExecutor(CALLERS) as pool:
            list(pool.map(again, range(SAME - 1)))


def allowed(kind: str) -> float:
    """The trouble's own wait and two ticks, in seconds."""
    wait = 0.0
    if kind.startswith(("kill", "outage")):
        wait = START_SECONDS + COMEBACK_SECONDS
    elif kind.startswith("pause"):
        wait = BREAKER_SECONDS
    return wait + 2 * TICK_SECONDS


@contextmanager
def second_host(live: LiveStack) -> Iterator[tuple[str, Child]]:
    """Another host over the same storage, with the same settings and keys; its URL and its process."""
    home, port = live.running.home, ports.free_port()
    file = home / "local.settings.json"
    values = {str(name): str(value) for name, value in settings.read(file)["Values"].items()}
    command = [
        "dropml.functions_host", "--app", str(folders.APP), "--port", str(port),
        "--settings", str(file), "--keys", str(home / "keys.json"),
    ]  # fmt: skip
    log = home / "logs" / "second-host.log"
    child = processes.start_ready("The second Functions host", command, log, values | marks.mark(home))
    try:
        yield f"http://127.0.0.1:{port}", child
    finally:
        child.end()
