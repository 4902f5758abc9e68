"""`dropml quarantine`: refused files, and what is made of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from dropml.cli.commands.runs import HOURS, Timeout, Wait, pages, wait_for
from dropml.cli.output import Format, age
from dropml.cli.session import command, current
from dropml.cli.stopping import Code

FileId = Annotated[str, typer.Argument(metavar="ID", help="As `dropml quarantine list` tells it.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Refused files, and what is made of them.", no_args_is_help=True)
    for name, function in (
        ("list", listed), ("show", show), ("release", release), ("accept-schema", accept_schema), ("discard", discard),
    ):  # fmt: skip
        command(group, name)(function)
    app.add_typer(group, name="quarantine")


def listed(
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Only this dataset's.")] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Those, too, that nobody needs to decide on any more.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
) -> None:
    """List refused files that wait for a person, newest first."""
    session = current()
    decided = "" if everything else "waiting"
    found = list(pages(session, "/quarantine", "files", limit, dataset=dataset, decided=decided))
    rows = (
        [file | {"age": age(file["at"])} for file in found] if session.out.format is Format.TABLE else found
    )
    session.out.rows(rows, ("id", "file", "age", "code", "message", "decision"), "No refused files.")


def show(file_id: FileId) -> None:
    """Tell why a file was refused: the report, the lines that offend, what can be done."""
    session = current()
    with session.client() as api:
        found: Any = api.get(f"/quarantine/{_part(file_id)}")
    session.out.document(found, complaint(found))
    if found["actions"]:
        session.out.say("Next: " + ", or ".join(f"dropml quarantine {a} {file_id}" for a in found["actions"]))


def complained(problem: Any) -> Iterator[tuple[str, object]]:
    """What is wrong, with an example, and what to do; each of several mistakes by itself."""
    for number, one in enumerate(problem.get("mistakes") or [problem], 1):
        count = f" {number}" if problem.get("mistakes") else ""
        line = one["where"].get("line") if count else None
        yield f"problem{count}", f"line {line}: {one['message']}" if line else one["message"]
        if example := one.get("example"):
            yield f"wrong{count}", example["bad"]
            yield f"right{count}", example["good"]
        yield f"remedy{count}", one["remedy"]


def complaint(found: Any) -> list[tuple[str, object]]:
    """A refused file in lines."""
    problem = found["problem"]
    lines = [("> " if one["wrong"] else "  ") + f"{one['line']}: {one['text']}" for one in found["lines"]]
    return [
        ("file", f"{found['source']['container']}/{found['source']['blob']}"),
        ("code", problem["code"]),
        *complained(problem),
        ("where", problem["where"]),
        *((f"line {i}", text) for i, text in enumerate(lines, 1)),
        *((f"change {i}", change["message"]) for i, change in enumerate(problem.get("changes") or (), 1)),
        ("decided", decided(found["decision"])),
    ]


def decided(decision: Any) -> str | None:
    """What became of a refused file, by whom, and the run that came of it."""
    if decision is None:
        return None
    run = f": {decision['run_id']}" if decision["run_id"] else ""
    return f"{decision['action']} by {decision['actor']}{run}"


def release(file_id: FileId, wait: Wait = False, timeout: Timeout = HOURS) -> int:
    """Take the file as it is, this once."""
    return _decide(file_id, "release", wait, timeout)


def accept_schema(file_id: FileId, wait: Wait = False, timeout: Timeout = HOURS) -> int:
    """Take the file, and hold the next ones against its schema."""
    return _decide(file_id, "accept-schema", wait, timeout)


def discard(file_id: FileId) -> int:
    """Give the file up."""
    return _decide(file_id, "discard", False, 0.0)


def _decide(file_id: str, action: str, wait: bool, timeout: float) -> int:
    session = current()
    with session.client() as api:
        done: Any = api.post(f"/quarantine/{_part(file_id)}/{action}")
    if wait and done["run_id"]:
        return wait_for(session, done["run_id"], timeout)
    session.out.document(done, [(name, done[name]) for name in ("id", "action", "actor", "run_id")])
    if done["run_id"]:
        session.out.say(f"Next: dropml watch {done['run_id']}")
    return Code.OK


def _part(text: str) -> str:
    from dropml.client import part

    return part(text)
