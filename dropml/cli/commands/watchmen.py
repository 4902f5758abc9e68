"""Commands about what the app watches and tells by itself: drift, performance, notifications."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dropml.cli.commands.datasets import Name
from dropml.cli.output import Format, age
from dropml.cli.session import command, current


def register(app: typer.Typer) -> None:
    command(app, "drift")(drift)
    command(app, "performance")(performance)
    group = typer.Typer(help="What the app tells people, and what became of it.", no_args_is_help=True)
    command(group, "list")(listed)
    command(group, "resend")(resend)
    app.add_typer(group, name="notifications")


def drift(dataset: Name) -> None:
    """Tell how far scored rows have moved from the training data."""
    session = current()
    with session.client() as api:
        found: Any = api.get(f"/datasets/{_part(dataset)}/drift")
    if session.out.format is Format.JSON:
        session.out.document(found, ())
        return
    rows = (
        [_window(one) for one in found["windows"]] if session.out.format is Format.TABLE else found["windows"]
    )
    session.out.rows(rows, ("until", "rows", "evidence", "drifted", "moved"), "No window is full yet.")


def _window(one: Any) -> dict[str, Any]:
    names = [str(column.get("name") or column.get("column")) for column in one["columns"]]
    kept = {name: one[name] for name in ("rows", "evidence", "drifted")}
    return {"until": f"{age(one['end'])} ago", **kept, "moved": ", ".join(names[:3]) or "-"}


def performance(dataset: Name) -> None:
    """Tell how live models did on each new file, before training."""
    session = current()
    with session.client() as api:
        found: Any = api.get(f"/datasets/{_part(dataset)}/performance")
    if session.out.format is Format.JSON:
        session.out.document(found, ())
        return
    rows = [point | {"age": age(point["at"])} for point in found["points"]]
    columns = ("run_id", "age", "champion", "metric", "value", "low", "high", "rows")
    session.out.rows(rows, columns, "No new file has met a live model yet.")


def listed(
    state: Annotated[str, typer.Option("--state", help="pending, dead or sent.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="At most so many.")] = 20,
) -> None:
    """List notifications that wait, or those in another state."""
    session = current()
    with session.client() as api:
        found: Any = api.get("/notifications", state=state, limit=str(limit))["notifications"]
    table = session.out.format is Format.TABLE
    rows = [one | {"age": age(one["at"])} for one in found] if table else found
    columns = ("id", "event", "age", "receiver", "sentence", "trouble")
    session.out.rows(rows, columns, "No such notifications.")


def resend(
    notification: Annotated[str, typer.Argument(metavar="ID", help="As `notifications list` tells it.")],
) -> None:
    """Send one again."""
    session = current()
    with session.client() as api:
        done: Any = api.post(f"/notifications/{_part(notification)}/resend")
    session.out.document(done, [(name, done.get(name)) for name in ("id", "state", "receiver", "sentence")])


def _part(text: str) -> str:
    from dropml.client import part

    return part(text)
