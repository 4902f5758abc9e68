"""The command `dropml`: over the HTTP API alone, but for what runs on this machine and for the upload of a dropped file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from dropml.cli.commands import (
    azure,
    datasets,
    doctor,
    drop,
    endpoints,
    evidence,
    local,
    pipelines,
    refused,
    runs,
    watchmen,
)

ABOUT = """Drop a CSV; minutes later a better model answers behind one URL, or you are told exactly why not.

Which app is asked: --url and --key; else DROPML_URL and DROPML_KEY; else the stack that was started here
(.dropml/stack.json); else the profile `default` of ~/.config/dropml/config.toml.

Exit codes: 0 live or well, 1 error, 2 usage, 3 quarantined, 4 failed, 5 rejected, 6 timeout, 7 unauthorised,
130 interrupted."""


def _version(asked: bool) -> None:
    if asked:
        import dropml

        print(f"dropml {dropml.__version__}")
        raise typer.Exit


def build() -> typer.Typer:
    """Every command; nothing heavy is imported before one is called."""
    app = typer.Typer(
        help=ABOUT,
        rich_markup_mode=None,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=True,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback()(_root)
    for module in (
        local,
        drop,
        runs,
        evidence,
        datasets,
        endpoints,
        refused,
        pipelines,
        watchmen,
        doctor,
        azure,
    ):
        module.register(app)
    return app


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """What stands before a command."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code; never raises SystemExit."""
    try:
        build()(args=list(sys.argv[1:] if arguments is None else arguments), prog_name="dropml")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
