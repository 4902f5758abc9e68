"""Commands about this machine: the demo, a stack, the emulator alone, the version, the page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dropml.cli.session import Session, command, current
from dropml.cli.stopping import Code
from dropml.common.folders import HOME

Label = Annotated[str, typer.Option("--label", "-l", envvar="LABEL", help="The column to predict.")]
Budget = Annotated[str, typer.Option("--budget", envvar="BUDGET", help="Seconds of training.")]
Home = Annotated[Path, typer.Option("--home", help="Where the stack keeps everything.")]


def register(app: typer.Typer) -> None:
    for name, function in (
        ("demo", demo), ("up", up), ("down", down), ("status", status), ("open", open_page), ("version", version),
    ):  # fmt: skip
        command(app, name)(function)
    app.command("azureml", add_help_option=False, context_settings=_PASSED_ON)(azureml)


_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def demo(
    data: Annotated[
        str, typer.Option("--data", envvar="DATA", help="A CSV; else the bank-marketing data.")
    ] = "",
    label: Label = "",
    budget: Budget = "",
) -> int:
    """Go once through everything, and stop it all again."""
    from dropml.cli import demo as walk

    return walk.run(data or None, label or "y", budget or None)


def up(label: Label = "", budget: Budget = "", home: Home = HOME) -> int:
    """Start everything here and print URLs and keys."""
    from dropml.stack import main

    return main(["up", *_options(home, label, budget)])


def down(home: Home = HOME) -> int:
    """Stop everything that was started here; its state stays."""
    from dropml.stack import main

    return main(["down", *_options(home)])


def status(home: Home = HOME) -> int:
    """Tell where the parts of the stack are."""
    from dropml.stack import main

    return main(["status", *_options(home)])


def _options(home: Path, label: str = "", budget: str = "") -> list[str]:
    pairs = (("--label", label), ("--budget", budget))
    return ["--home", str(home), *(word for name, value in pairs if value for word in (name, value))]


def open_page(
    show: Annotated[bool, typer.Option("--print", help="Print the address instead of opening it.")] = False,
) -> None:
    """Open the app's page in the browser, signed in.

    An address signs in once within a minute; the key itself stands in none.
    """
    import webbrowser

    session = current()
    address = _page(session)
    if show or not webbrowser.open(address):
        session.out.document({"url": address}, [("url", address)])


def _page(session: Session) -> str:
    """The dashboard with a ticket; without one where people sign in otherwise; of an app that has none the documentation."""
    from dropml.client import ApiError

    base = session.target.base
    with session.client() as api:
        try:
            return str(api.post("/session/ticket")["url"])
        except ApiError as error:
            if error.code == "sign-in-elsewhere":
                return f"{base}/dashboard"
            if error.status != 404:
                raise
    return f"{base}/docs"


def azureml(context: typer.Context) -> None:
    """Run the emulator of Azure ML alone (`azureml --help`)."""
    from dropml.azureml.command import main

    raise typer.Exit(main(context.args or ["--help"]))


def version() -> int:
    """Print the version."""
    import platform

    import dropml

    session = current()
    found = {"dropml": dropml.__version__, "python": platform.python_version()}
    session.out.document(found, list(found.items()))
    return Code.OK
