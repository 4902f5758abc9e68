"""What happens to everybody else while one endpoint hangs, storage is away, or a file burns."""

from __future__ import annotations

import threading
import time

from tests.attack.dropping import drop_all
from tests.attack.files import Drop, Verdict
from tests.attack.stand import Stand
from tests.support.live_stack import small_table
from tests.support.watching import Call, Calls, call

HUNG = "hung"
CALLERS = 230
#: A score is answered within its deadline of 30 s, counted from its arrival; the rest is the caller's own machine.
DEADLINE_SECONDS = 36.0
RECOVERY_SECONDS = 60.0


def hung_endpoint(stand: Stand, endpoint: str, *, callers: int = CALLERS) -> None:
    """The endpoint's process stops in its tracks with so many callers waiting; each gets an answer that it can act on."""
    live, tally = stand.live, stand.tally
    answers: list[Call] = []

    def ask() -> None:
        url = f"{live.running.api}/score/{HUNG}"
        answers.append(call("POST", url, headers=stand.headers, json={"data": stand.rows}, timeout=90))

    with live.paused(live.endpoint_processes(endpoint)):
        waiting = [threading.Thread(target=ask, daemon=True) for _ in range(callers)]
        for caller in waiting:
            caller.start()
        for caller in waiting:
            caller.join(120)
    for one in answers:
        told = one.status == 504 or (one.status == 503 and one.retry)
        seen = f"{one.status} {one.code} retry {one.retry} after {one.seconds:.1f} s"
        tally.expect(
            "hung", "a caller of the hung endpoint", held=told and one.seconds < DEADLINE_SECONDS, seen=seen
        )
    tally.expect("hung", "every caller got an answer", held=len(answers) == callers, seen=len(answers))
    tally.expect("hung", "it serves again", held=_recovers(stand, HUNG), seen="no score within a minute")


def storage_away(stand: Stand, *, seconds: float, strangers: int = 100) -> None:
    """Storage stops answering, and strangers ask for health by the hundred."""
    live, tally = stand.live, stand.tally
    flood = Calls("GET", f"{live.running.api}/health", threads=strangers, pause=0.05, timeout=30)
    with live.paused([live.part("azurite"), live.part("host-storage")]), flood:
        time.sleep(seconds)
    for one in flood.calls:
        tally.expect(
            "storage",
            "health of a flood",
            held=one.status in (200, 429, 503),
            seen=f"{one.status} {one.code}",
        )
    deadline = time.monotonic() + RECOVERY_SECONDS
    while (found := call("GET", f"{live.running.api}/health")).status != 200 and time.monotonic() < deadline:
        time.sleep(0.5)
    tally.expect("storage", "healthy again", held=found.status == 200, seen=found)
    drop_all(live, "storage", [Drop("storage-after.csv", small_table(rows=30))], tally, until=deadline + 60)


def burning_files(stand: Stand, *, mib: int) -> None:
    """Large files that are costly to read, several at once."""
    quoted = b'"' + b'""' * 60 + b'",1,yes\n'
    wide = b",".join([b"0"] * 400) + b"\n"
    header = ",".join(f"c{i}" for i in range(399)).encode() + b",y\n"
    drops = [
        Drop("burning-quotes.csv", b"a,b,y\n" + quoted * (mib * 2**20 // len(quoted)), Verdict.QUARANTINED),
        Drop("burning-wide.csv", header + wide * (mib * 2**20 // len(wide)), Verdict.QUARANTINED),
        Drop("burning-ragged.csv", b"a,b,y\n" + b"1,2\n" * (mib * 2**20 // 4), Verdict.QUARANTINED),
    ]
    drop_all(stand.live, "burning", drops, stand.tally, until=float("inf"))


def _recovers(stand: Stand, dataset: str) -> bool:
    deadline = time.monotonic() + RECOVERY_SECONDS
    while time.monotonic() < deadline:
        found = call(
            "POST", f"{stand.host}/api/score/{dataset}", headers=stand.headers, json={"data": stand.rows}
        )
        if found.status == 200:
            return True
        time.sleep(1)
    return False
