"""`python -m dropml.stack up|down|status`."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from dropml.azurite.node import AzuriteError
from dropml.common import marks
from dropml.common.folders import COMMAND
from dropml.common.processes import Child, StartError
from dropml.stack import app_check, poison
from dropml.stack.life import down, left_behind, uninterrupted, up
from dropml.stack.places import HOME, Stack, load

NOT_RUNNING = f"The stack is not running; `{COMMAND} up` starts it."
_NAMES = {
    "host": "The Functions host",
    "azureml": "The Azure ML emulator",
    "azurite": "Azurite",
    "host-storage": "The host's own Azurite",
}
INTERRUPTED = 130
LITTLE_SPACE = 2**30


def describe(stack: Stack) -> str:
    """What a person wants to know of a running stack."""
    lines = [
        "",
        f"  API            {stack.api}   (docs: {stack.api}/docs)",
        f"  function key   {stack.key}",
        f"  storage        {stack.storage}",
        "  drop files in  container `incoming`",
        f"  Azure ML       https://localhost:{stack.places.emulator_port}  (CA: {stack.places.ca})",
        f"  settings       {stack.home / 'local.settings.json'}  (your changes stay, and hold from the next start)",
        f"  logs           {stack.home / 'logs'}",
        "",
    ]
    return "\n".join(lines)


def budget_of(text: str | None) -> float | None:
    """Seconds of training, None where nothing is asked for. Raises StartError."""
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 1 <= seconds <= 86_400:
        raise StartError(f"BUDGET is {text!r}: write the seconds of training, 1 to 86400.")
    return seconds


def main(argv: list[str] | None = None) -> int:
    """Exit code: 0; 1 where something could not be started, stopped or doesn't run; 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="dropml.stack", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status"])
    parser.add_argument("--home", type=Path, default=HOME)
    parser.add_argument("--label", default=os.environ.get("LABEL") or None)
    parser.add_argument("--budget", default=os.environ.get("BUDGET") or None)
    options = parser.parse_args(argv)
    home = options.home.resolve()
    command = {"up": lambda: _up(home, options.label, options.budget), "down": lambda: _down(home)}
    try:
        return command.get(options.command, lambda: _status(home))()
    except (StartError, AzuriteError) as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"{home}: {error}. The disk may be full, or not yours to write to.", file=sys.stderr)
    return 1


def _up(home: Path, label: str | None, budget: str | None) -> int:
    seconds = budget_of(budget)
    try:
        with _ends_as_by_ctrl_c():
            running = _up_and_working(home, label, seconds)
    except KeyboardInterrupt:
        print("Interrupted; everything is stopped.", file=sys.stderr)
        return INTERRUPTED
    print(describe(running))
    _warn_of_space(home)
    return 0


def start(home: Path) -> Stack:
    """A stack that answers, started where it doesn't run. Raises StartError, AzuriteError, OSError."""
    return _up_and_working(home, None, None)


def _up_and_working(home: Path, label: str | None, seconds: float | None) -> Stack:
    running = up(home, label=label, budget=seconds)
    try:
        app_check.check(running)
    except BaseException:
        with uninterrupted():
            down(home)
        raise
    return running


@contextlib.contextmanager
def _ends_as_by_ctrl_c() -> Iterator[None]:
    """A closed terminal and a `kill` leave as little behind as Ctrl-C."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _down(home: Path) -> int:
    with uninterrupted():
        left = down(home)
    if left:
        print(f"These would not end:\n{_listed(left)}", file=sys.stderr)
        return 1
    print("Everything is stopped.")
    return 0


def _status(home: Path) -> int:
    found, left = load(home), left_behind(home)
    if left:
        print(
            f"Left behind by a part that is gone; `{COMMAND} down` ends them:\n{_listed(left)}",
            file=sys.stderr,
        )
    if found is None or not found.running:
        print(_what_is_gone(found), file=sys.stderr)
        return 1
    print(describe(found))
    print("\n".join(poison.told(found.storage)))
    _warn_of_space(home)
    return 0


def _what_is_gone(found: Stack | None) -> str:
    """Which parts have ended by themselves, and where they told why."""
    started = found.places.processes if found else {}
    if found is None or not started or set(started) <= set(found.gone):
        return NOT_RUNNING
    lines = [
        f"{_NAMES[name]} has ended by itself (pid {started[name].pid}); its last words are in {found.home / 'logs'}."
        for name in found.gone
        if name in started
    ]
    lines += [f"  {name} still runs (pid {started[name].pid})" for name in started if name not in found.gone]
    return "\n".join([*lines, NOT_RUNNING])


def _listed(children: list[Child]) -> str:
    return "\n".join(f"  pid {child.pid}  {marks.command_of(child)}" for child in children)


def _warn_of_space(home: Path) -> None:
    free = shutil.disk_usage(home).free
    if free < LITTLE_SPACE:
        print(f"Only {free // 2**20} MiB are left on the disk of {home}.", file=sys.stderr)
