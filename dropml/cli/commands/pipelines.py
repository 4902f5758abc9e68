"""`dropml pipeline`: the published retraining pipeline."""

from __future__ import annotations

import time
import uuid
from shlex import quote
from typing import Annotated, Any

import typer

from dropml.cli.commands.datasets import Name
from dropml.cli.commands.runs import HOURS, Note, Timeout, Wait, pages, wait_for
from dropml.cli.output import Format, age
from dropml.cli.session import command, current
from dropml.cli.stopping import Code, Stop

PipelineRunId = Annotated[str, typer.Argument(metavar="ID", help="As `dropml pipeline list` tells it.")]
_OPEN = ("publishing", "running")
_PAUSE_S = 1.0


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="The published retraining pipeline.", no_args_is_help=True)
    for name, function in (
        ("run", run),
        ("list", listed),
        ("show", show),
        ("cancel", cancel),
        ("publish", publish),
    ):
        command(group, name)(function)
    app.add_typer(group, name="pipeline")


def run(
    dataset: Name,
    wait: Wait = False,
    timeout: Timeout = HOURS,
    once: Annotated[str, typer.Option("--idempotency-key", help="The same one is the same run.")] = "",
) -> int:
    """Train the dataset's newest data anew."""
    session, deadline = current(), time.monotonic() + timeout
    with session.client() as api:
        found: Any = api.trigger_pipeline(dataset, once or uuid.uuid4().hex)
        while wait and not found["run_id"] and found["status"] in _OPEN:
            if time.monotonic() > deadline:
                raise Stop(
                    "The pipeline has trained nothing yet.",
                    f"dropml pipeline list {quote(dataset)}",
                    Code.TIMEOUT,
                )
            time.sleep(_PAUSE_S)
            found = api.pipeline_run(dataset, found["id"])
    if wait and found["run_id"]:
        return wait_for(session, found["run_id"], max(1.0, deadline - time.monotonic()))
    session.out.document(found, _lines(found))
    if found["status"] == "failed":
        return Code.FAILED
    session.out.say(f"Next: dropml pipeline show {quote(dataset)} {found['id']}")
    return Code.OK


def listed(
    dataset: Name,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
) -> None:
    """List the pipeline's runs, newest first."""
    session = current()
    found = list(pages(session, f"/pipelines/{_part(dataset)}/runs", "items", limit))
    rows = (
        [one | {"age": age(one["created_at"])} for one in found]
        if session.out.format is Format.TABLE
        else found
    )
    columns = ("id", "status", "age", "actor", "run_id", "run_state")
    session.out.rows(rows, columns, f"Never run. Next: dropml pipeline run {quote(dataset)}")


def show(dataset: Name, pipeline_run: PipelineRunId) -> None:
    """Tell one run of the pipeline."""
    session = current()
    with session.client() as api:
        found: Any = api.pipeline_run(dataset, pipeline_run)
    session.out.document(found, _lines(found))


def cancel(dataset: Name, pipeline_run: PipelineRunId, note: Note = "") -> None:
    """End a run of the pipeline, with its job and the run that came of it."""
    session = current()
    path = f"/pipelines/{_part(dataset)}/runs/{_part(pipeline_run)}/cancel"
    with session.client() as api:
        found: Any = api.post(path, {"note": note} if note else None)
    session.out.document(found, _lines(found))


def publish(dataset: Name) -> None:
    """Publish the dataset's pipeline without running it."""
    session = current()
    with session.client() as api:
        found: Any = api.post(f"/pipelines/{_part(dataset)}/publish")
    session.out.document(found, _lines(found))
    session.out.say(f"Next: dropml pipeline show {quote(dataset)} {found['id']}")


def _lines(found: Any) -> list[tuple[str, object]]:
    error, gate = found.get("error") or {}, found.get("gate") or {}
    return [
        *(
            (name, found.get(name))
            for name in ("id", "dataset", "status", "actor", "job", "run_id", "run_state")
        ),
        *(
            (f"step {i}", f"{step['name']}  {step['status']}  {step['error'] or ''}".rstrip())
            for i, step in enumerate(found.get("steps") or (), 1)
        ),
        ("gate", gate.get("reason")),
        ("problem", error.get("message")),
        ("remedy", error.get("remedy")),
    ]


def _part(text: str) -> str:
    from dropml.client import part

    return part(text)
