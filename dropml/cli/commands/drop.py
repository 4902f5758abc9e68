"""`dropml drop`: upload a file, follow what comes of it, tell how to use it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer

from dropml.cli.commands.refused import complaint
from dropml.cli.commands.runs import HOURS, story, told
from dropml.cli.installing import local_set
from dropml.cli.output import Format, shown
from dropml.cli.session import NO_TARGET, Session, command, current
from dropml.cli.stopping import Code, Stop
from dropml.cli.target import find
from dropml.common.folders import COMMAND, HOME

_PREFIX = "dropml_"
_BATCH_DONE = ("completed", "failed")


def register(app: typer.Typer) -> None:
    command(app, "drop")(drop)


def drop(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A CSV (.csv, .csv.gz, .tsv), a NAME.yaml, or NAME.score.csv."),
    ],
    label: Annotated[str, typer.Option("--label", "-l", help="The column to predict.")] = "",
    task: Annotated[str, typer.Option("--task", help="classification, regression or auto.")] = "",
    name: Annotated[str, typer.Option("--name", help="The dataset's name; else the file's.")] = "",
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other key of the dataset's configuration, KEY=VALUE."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it to its end.")] = True,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait at most.")] = HOURS,
) -> int:
    """Upload a file and follow what comes of it.

    A model answers in the end, or you are told why not.
    Where no app is named and the stack can run here, it is started first.
    """
    from dropml.cli import dropping

    if not file.is_file():
        raise Stop(f"There is no file {file}.", "dropml drop --help", Code.USAGE)
    metadata = _metadata(label, task, setting or [])
    session = _with_stack(current())
    blob = dropping.name_of(file, name)
    if wait:
        with session.client() as api:
            api.runs(limit=1)  # what is wrong with app or key is told before anything is dropped
    session.out.say(f"Dropping {file} into {session.target.container} as {blob} ...")
    dropped = dropping.upload(session.target, file, blob, metadata)
    if not wait or blob.lower().endswith(".yaml"):
        where = f"{dropped.container}/{dropped.blob}"
        session.out.document({"file": where, "etag": dropped.etag}, [("file", where), ("etag", dropped.etag)])
        session.out.say("Next: dropml watch")
        return Code.OK
    return _followed(session, dropped, timeout)


def _metadata(label: str, task: str, settings: list[str]) -> dict[str, str]:
    """As the service reads it beside the file."""
    said = {"label": label, "task": task}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.replace("_", "").replace(".", "").isalnum():
            raise Stop(f"--set takes KEY=VALUE, not {setting!r}.", "dropml drop --help", Code.USAGE)
        said[key.replace(".", "_")] = value
    wrong = [key for key, value in said.items() if not value.isascii() or not (value.isprintable())]
    if wrong:
        raise Stop(
            f"{wrong[0]} holds characters that a blob's metadata can't.",
            "put it into NAME.yaml and drop that first",
            Code.USAGE,
        )
    return {_PREFIX + key: value for key, value in said.items() if value}


def _with_stack(session: Session) -> Session:
    """The session itself; where no app is named at all, one with a stack that is started here."""
    if find(session.url, session.key, session.profile) is not None:
        return session
    try:
        from dropml import stack
    except ModuleNotFoundError as error:
        raise Stop(NO_TARGET, f"set DROPML_URL, or: {local_set()}") from error
    session.out.say(f"No app is named: starting a stack here ({HOME}); `{COMMAND} down` stops it ...")
    try:
        stack.start(HOME)
    except RuntimeError as error:
        raise Stop(str(error), f"{COMMAND} up") from error
    return session


def _followed(session: Session, dropped: Any, timeout: float) -> int:
    from dropml.cli.dropping import Search
    from dropml.cli.following import FAR, NEAR, Progress, follow

    deadline, pause = time.monotonic() + timeout, NEAR if session.target.local else FAR
    with session.client() as api:
        search = Search(api, dropped)
        came = search.look()
        while came is None:
            if time.monotonic() > deadline:
                message = f"Nothing has come of {dropped.blob} after {timeout:.0f} s."
                raise Stop(message, "dropml doctor", Code.TIMEOUT)
            time.sleep(pause)
            came = search.look()
        if came.kind == "batch":
            return _batch(session, api, dropped.dataset, came.id, deadline)
        if came.kind == "report":
            refused = api.get(f"/quarantine/{came.id}")
            session.out.document(refused, complaint(refused))
            session.out.say("Next: mend the file and drop it again")
            return Code.QUARANTINED
        if came.known:
            session.out.say(f"These bytes had a run already: {came.id}.")
        progress = Progress(sys.stderr, quiet=session.out.quiet)
        left = max(1.0, deadline - time.monotonic())
        run: Any = follow(api, lambda: came.id, left, progress=progress, pause=pause)
        if run["state"] == "quarantined":
            refused = api.get(f"/quarantine/{run['run_id']}")
            session.out.document(run, [("run", run["run_id"]), ("state", run["state"]), *complaint(refused)])
        else:
            session.out.document(run, [*story(run), *_how_to_call(session, run)])
    return told(session, run)


def _how_to_call(session: Session, run: Any) -> list[tuple[str, object]]:
    """For copying: the key stays out of it."""
    from dropml.client import part

    if run["state"] != "live" or session.out.format is not Format.TABLE:
        return []
    example = json.dumps({"data": run["snapshot"]["schema"]["example"][:1]}, ensure_ascii=False).replace(
        "'", "'\\''"
    )
    call = (
        f'curl -s {session.target.base}/score/{part(run["dataset"])} -H "x-functions-key: $DROPML_KEY"'
        f" -H 'Content-Type: application/json' -d '{shown(example)}'"
    )
    return [("call", call)]


def _batch(session: Session, api: Any, dataset: str, batch_id: str, deadline: float) -> int:
    """A file of rows to score: followed until they are."""
    from dropml.client import part

    found = api.get(f"/score/{part(dataset)}/batch/{batch_id}")
    said = ""
    while found["status"] not in _BATCH_DONE:
        now = f"  {batch_id}  {found['status']}  {found['progress']:.0%}"
        if now != said:
            session.out.say(now)
            said = now
        if time.monotonic() > deadline:
            raise Stop(
                f"{batch_id} is {found['status']}.",
                f"dropml batches --dataset {quote(dataset)}",
                Code.TIMEOUT,
            )
        time.sleep(1)
        found = api.get(f"/score/{part(dataset)}/batch/{batch_id}")
    error = found["error"] or {}
    lines = [
        *((name, found[name]) for name in ("id", "status", "rows", "rows_failed", "output")),
        ("problem", error.get("message")),
        ("remedy", error.get("remedy")),
    ]
    session.out.document(found, lines)
    return Code.FAILED if found["status"] == "failed" else Code.OK
