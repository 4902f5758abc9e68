"""`dropml doctor`: what is there and what is missing, a line each; and a small file sent all the way through."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from dropml.cli.output import Format
from dropml.cli.session import Session, command, current
from dropml.cli.stopping import Code, Stop

DATASET = "dropml-canary"
ROWS = 240
#: It trains, deploys and waits for a person: so it never gets traffic, and a word ends it.
SETTINGS = {
    "label": "y", "task": "classification", "approval": "required", "timeout_minutes": "15", "max_trials": "2",
    "schema": "free",
}  # fmt: skip
COSTS = (
    "The canary trains two models on 240 rows and deploys the better one. In Azure that is some 20 minutes of one node of the"
    " compute and of one instance of the deployment (INSTANCE_TYPE); its deployment is deleted at the end, its endpoint, which"
    " costs nothing without one, stays."
)


def register(app: typer.Typer) -> None:
    command(app, "doctor")(doctor)


def doctor(
    quota: Annotated[bool, typer.Option("--quota", help="Ask for the region's cores, too.")] = False,
    canary: Annotated[
        bool, typer.Option("--canary", help="Send a small file all the way; it costs.")
    ] = False,
    canary_intake: Annotated[
        bool, typer.Option("--canary-intake", help="Send an empty table through intake alone; free.")
    ] = False,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds that a canary may take.")] = 3600.0,
) -> int:
    """Tell what is missing, and the command that mends it."""
    from dropml.cli.examining import everything

    session = current()
    found, code = everything(session, quota=quota)
    if not code and (canary or canary_intake):
        found = [*found, _canary(session, timeout, whole=canary)]
        code = Code.OK if found[-1]["status"] == "ok" else Code.ERROR
    rows = [dict(one) for one in found]
    session.out.rows(rows, ("check", "status", "message"))
    if session.out.format is Format.TABLE:
        _mend(session, found)
    return code


def _mend(session: Session, found: list[Any]) -> None:
    odd = [one for one in found if one["status"] != "ok" and one["remedy"]]
    for one in odd:
        session.out.say(f"{one['check']}: {one['remedy']}")
    if not odd:
        session.out.say("Nothing is missing.")


def _canary(session: Session, timeout: float, *, whole: bool) -> Any:
    """The finding of a small file, which is taken away again whatever becomes of it."""
    from dropml.cli import dropping
    from dropml.cli.examining import bad, ok

    if whole:
        session.out.say(COSTS)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{DATASET}.csv"
        file.write_text(_table() if whole else f"a,y,seen{random.randrange(10**9)}\n", encoding="utf-8")
        settings = {f"dropml_{k}": v for k, v in SETTINGS.items()}
        dropped = dropping.upload(session.target, file, file.name, settings)
    try:
        wanted = "awaiting_approval" if whole else "quarantined"
        run = _watched(session, dropped, wanted, begun + timeout)
    except (Stop, TimeoutError) as stop:
        return bad("canary", str(stop), "dropml runs --dataset dropml-canary")
    finally:
        dropping.remove(session.target, dropped.blob)
    took = time.monotonic() - begun
    if run["state"] != wanted:
        message = (
            f"{run['run_id']} is {run['state']}: {(run['problem'] or {}).get('message', 'see its page')}"
        )
        return bad("canary", message, f"dropml show {run['run_id']}")
    _clean(session, run, begun + timeout)
    way = "trained, deployed, compared and taken away again" if whole else "found, judged and discarded"
    return ok("canary", f"{run['run_id']} was {way}; {took:.0f} s.")


def _table() -> str:
    """A table that a model learns at once, and no earlier one's bytes."""
    salt = random.randrange(1000)
    rows = [
        f"{i * 7 % 101},{(i + salt) * 13 % 997},{'yes' if i * 7 % 101 > 50 else 'no'}" for i in range(ROWS)
    ]
    return "\n".join(["a,b,y", *rows]) + "\n"


def _watched(session: Session, dropped: Any, wanted: str, deadline: float) -> Any:
    """The file's run, once it is in the wanted state or done."""
    from dropml.cli.dropping import Search
    from dropml.cli.following import FAR, Progress
    from dropml.client import DONE

    progress = Progress(sys.stderr, quiet=session.out.quiet)
    try:
        with session.client() as api:
            search, came = Search(api, dropped), None
            while time.monotonic() < deadline:
                came = came or search.look()
                if came is not None:
                    run: Any = api.run(came.id)
                    progress.show(run)
                    if run["state"] in {wanted, *DONE}:
                        return run
                time.sleep(0.5 if session.target.local else FAR)
    finally:
        progress.close()
    where = f"{came.id} was not done" if came else "nothing had come of it; is the trigger told of files?"
    raise Stop(f"After its time {where}.", "dropml runs")


def _clean(session: Session, run: Any, deadline: float) -> None:
    """The run's deployment goes with a rejection, a refused file with being given up."""
    with session.client() as api:
        if run["state"] == "quarantined":
            api.post(f"/quarantine/{run['run_id']}/discard")
            return
        api.post(f"/runs/{run['run_id']}/reject", {"note": "a canary of dropml doctor"})
        while api.run(run["run_id"])["state"] != "rejected" and time.monotonic() < deadline:
            time.sleep(0.5 if session.target.local else 2.0)
