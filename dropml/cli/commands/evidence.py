"""Commands about what is known of a run beside its states: the rows that flip, and the log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from dropml.cli.commands.runs import RunId
from dropml.cli.output import Format, shown
from dropml.cli.session import Session, command, current
from dropml.cli.stopping import Code, Stop

#: Seconds between two looks at a log: at a stack here, at an app in Azure (which asks the service each time).
NEAR, FAR = 1.0, 5.0
#: Segments that a table shows; JSON has all.
_SEGMENTS = 12


def register(app: typer.Typer) -> None:
    command(app, "diff")(diff)
    command(app, "logs")(logs)


def diff(
    run_id: RunId,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="Rows at most.")] = 20,
) -> None:
    """Tell where a run's model and the live one differ: segments, and the rows that flip."""
    session = current()
    with session.client() as api:
        found: Any = api.get(f"/runs/{_part(run_id)}/diff")
    if session.out.format is not Format.TABLE:
        if session.out.format is Format.JSON:
            session.out.document(found, ())
        else:
            session.out.rows(found["shown"], ())
        return
    session.out.document(found, _summary(found))
    if found["champion_run"] is None:
        session.out.say("Nothing was live, so nothing flips.")
        return
    if found["segments"]:
        print(f"\nSegments by {found['measure']}, those that got worse first")
        columns = ("column", "value", "rows", "flips", "champion", "challenger", "verdict")
        session.out.rows([_segment(one) for one in found["segments"][:_SEGMENTS]], columns)
    print("\nRows that flip")
    names = ("row", "truth", "champion", "challenger", "champion_probability", "challenger_probability")
    session.out.rows(found["shown"][:limit], names, "None.")


def _summary(found: Any) -> list[tuple[str, object]]:
    return [
        ("run", found["run_id"]),
        ("champion", found["champion_run"]),
        ("rows", found["rows"]),
        ("flips", found["flips"]),
        ("lost", found["lost"]),
        ("won", found["won"]),
    ]


def _segment(one: Any) -> Any:
    verdict = "worse" if one["worse"] else "better" if one["better"] else None
    return one | {"verdict": verdict}


def logs(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A run's id, or an endpoint's name.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run's end.")] = False,
    deployment: Annotated[
        str, typer.Option("--deployment", help="Of an endpoint; the live one by default.")
    ] = "",
) -> int:
    """Print the end of the log of a run (its failure, its deployment or its job), or of an endpoint's deployment."""
    session = current()
    with session.client() as api:
        path, found = _first(api, name, deployment)
        if session.out.format is not Format.TABLE:
            session.out.document(found, ())
            return Code.OK
        whose = found.get("of") or found.get("deployment")
        session.out.say(_head(whose, found["log"]))
        _print(found["log"].splitlines())
        if follow:
            _follow(session, api, path, deployment, found["log"].splitlines())
    return Code.OK


def _head(whose: str | None, log: str) -> str:
    if not whose:
        return "Nothing has written a log yet."
    return f"The log of {whose}:" if log else f"The log of {whose} is empty."


def _first(api: Any, name: str, deployment: str) -> tuple[str, Any]:
    """The log and the path it came from: a run's where there is such a run, else an endpoint's. Raises ApiError, Stop."""
    from dropml.client import ApiError

    endpoint = f"/endpoints/{_part(name)}/logs"
    if deployment:
        return endpoint, api.get(endpoint, deployment=deployment)
    path = f"/runs/{_part(name)}/logs"
    try:
        return path, api.get(path)
    except ApiError as error:
        if error.status != 404:
            raise
    try:
        return endpoint, api.get(endpoint)
    except ApiError as error:
        if error.status != 404:
            raise
        message = f"There is neither a run nor an endpoint {name!r}."
        raise Stop(message, "dropml runs, or dropml datasets, names what there is") from error


def _follow(session: Session, api: Any, path: str, deployment: str, before: list[str]) -> None:
    """New lines as they come. A run's end is its log's; an endpoint has none but Ctrl-C."""
    from dropml.client import DONE

    pause = NEAR if session.target.local else FAR
    run = path.removesuffix("/logs") if path.startswith("/runs/") else ""
    while True:
        done = bool(run) and api.get(run)["state"] in DONE
        now = api.get(path, deployment=deployment)["log"].splitlines()
        _print(fresh(before, now))
        if done:
            return
        before = now
        time.sleep(pause)


def fresh(before: Sequence[str], now: Sequence[str]) -> Sequence[str]:
    """The lines of a log's end that an earlier look at it did not show: those after the longest overlap."""
    for size in range(min(len(before), len(now)), 0, -1):
        if list(before[-size:]) == list(now[:size]):
            return now[size:]
    return now


def _print(lines: Sequence[str]) -> None:
    for line in lines:
        print(shown(line.expandtabs()), flush=True)


def _part(text: str) -> str:
    from dropml.client import part

    return part(text)
