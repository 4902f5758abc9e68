"""`dropml azure`: the way from this machine into Azure."""

from __future__ import annotations

from typing import Any

import typer

from dropml.cli.session import Session, command, current
from dropml.cli.stopping import Code

_ARM = "https://management.azure.com/.default"


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="The way from this machine into Azure.", no_args_is_help=True)
    command(group, "check")(check)
    app.add_typer(group, name="azure")


def check() -> int:
    """Tell whether you may upload, and what the app lacks in Azure."""
    from dropml.cli.examining import everything

    session = current()
    found: list[Any] = [_identity(), *_storage(session)]
    told, code = everything(session, quota=True)
    found += told
    session.out.rows([dict(one) for one in found], ("check", "status", "message"))
    for one in found:
        if one["status"] != "ok" and one["remedy"]:
            session.out.say(f"{one['check']}: {one['remedy']}")
    failed = any(one["status"] == "failed" for one in found)
    return code or (Code.ERROR if failed else Code.OK)


def _identity() -> Any:
    from azure.core.exceptions import AzureError
    from azure.identity import DefaultAzureCredential

    from dropml.cli.examining import bad, ok

    try:
        DefaultAzureCredential(process_timeout=10).get_token(_ARM)
    except (AzureError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        return bad("signed in", f"Azure gives you no token: {reason}", "az login")
    return ok("signed in", "Azure gives you a token.")


def _storage(session: Session) -> list[Any]:
    """Whether a file could be dropped: the container is listed, nothing is written."""
    from dropml.cli import dropping
    from dropml.cli.examining import bad, ok
    from dropml.cli.stopping import Stop

    try:
        dropping.look(session.target)
    except Stop as stop:
        return [bad("upload", stop.message, stop.then)]
    return [ok("upload", f"the container {session.target.container} can be reached.")]
