"""What every command shares: its options, the app that it asks, how it speaks."""

from __future__ import annotations

import functools
import getpass
import inspect
import os
import sys
import typing
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dropml.cli.output import Format, Output, complain, plain_terminal
from dropml.cli.stopping import Code, Stop
from dropml.cli.target import Target, find
from dropml.common.folders import COMMAND

if TYPE_CHECKING:
    from dropml.client import Client

#: The options of every command: kind and default.
COMMON: dict[str, tuple[Any, object]] = {
    "output": (
        Annotated[Format, typer.Option("--output", "-o", help="Of what stdout gets.")],
        Format.TABLE,
    ),
    "quiet": (Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")], False),
    "no_color": (Annotated[bool, typer.Option("--no-color", help="No colours; so does NO_COLOR.")], False),
    "profile": (Annotated[str, typer.Option("--profile", help="Of the configuration file.")], ""),
    "url": (Annotated[str, typer.Option("--url", help="Of the app; else DROPML_URL.")], ""),
    "key": (
        Annotated[str, typer.Option("--key", help="A function key; DROPML_KEY keeps it out of the history.")],
        "",
    ),
}
NO_TARGET = "No app is named: neither by --url, nor by DROPML_URL, nor by a stack that was started here, nor by a profile."


@dataclass(frozen=True)
class Session:
    """One command's."""

    out: Output
    profile: str = ""
    url: str = ""
    key: str = ""

    @functools.cached_property
    def target(self) -> Target:
        """Raises Stop where there is none."""
        found = find(self.url, self.key, self.profile)
        if found is None:
            raise Stop(NO_TARGET, f"{COMMAND} up, or set DROPML_URL and DROPML_KEY")
        return found

    def target_if_any(self) -> Target | None:
        try:
            return self.target
        except Stop:
            return None

    def client(self) -> Client:
        from dropml.client import Client

        return Client(self.target.base, self.target.key, actor())


_current: ContextVar[Session] = ContextVar("session")


def current() -> Session:
    return _current.get()


def actor() -> str:
    """Who asks, for the ledger: DROPML_ACTOR, else the name at this machine, as a header takes it."""
    try:
        name = os.environ.get("DROPML_ACTOR") or getpass.getuser()
    except (KeyError, OSError):
        name = ""
    return " ".join("".join(c if "!" <= c <= "~" else " " for c in name).split())[:80] or "cli"


def ended(work: Callable[[], int | None], session: Session) -> int:
    """The exit code; whatever ends the work early is told on stderr, with the command that comes next."""
    from dropml.cli.failures import explain

    try:
        return int(work() or Code.OK)
    except KeyboardInterrupt:
        session.out.say("Interrupted.")
        return Code.INTERRUPTED
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Code.OK
    except Exception as error:
        stop = explain(error, session.target_if_any())
        if stop is None:
            raise
        complain(stop.message, stop.then)
        return stop.code


def command(app: typer.Typer, name: str | None = None) -> Callable[[Callable[..., int | None]], None]:
    """Registers a function as a command that takes the common options as well; it returns its exit code, None for 0."""

    def register(function: Callable[..., int | None]) -> None:
        hints = typing.get_type_hints(function, include_extras=True)
        signature = inspect.signature(function)
        own = [p.replace(annotation=hints[p.name]) for p in signature.parameters.values()]
        shared = [
            inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for n, (kind, default) in COMMON.items()
        ]

        @functools.wraps(function)
        def run(**given: Any) -> None:
            common = {n: given.pop(n) for n in COMMON}
            colour = not (common["no_color"] or plain_terminal())
            out = Output(common["output"], common["quiet"], colour)
            token = _current.set(Session(out, common["profile"], common["url"], common["key"]))
            try:
                code = ended(lambda: function(**given), _current.get())
            finally:
                _current.reset(token)
            if code:
                raise typer.Exit(code)

        parameters = [*own, *shared]
        run.__signature__ = signature.replace(parameters=parameters, return_annotation=None)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        app.command(name)(run)

    return register
