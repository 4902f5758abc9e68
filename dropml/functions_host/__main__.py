"""`python -m dropml.functions_host --app DIR --port N --settings FILE --keys FILE`.

Exit codes: 0 stopped, 2 settings or command line wrong, 3 function_app.py cannot be imported or indexed.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from dropml.common.logs import watch
from dropml.functions_host import log as logs
from dropml.functions_host import worker_environment
from dropml.functions_host.config import (
    STORAGE_SETTING,
    apply_settings,
    host_id,
    read_host_json,
    read_local_settings,
)
from dropml.functions_host.errors import BindingError, ConfigError, HostError
from dropml.functions_host.watchdog import end_process

log = logging.getLogger("Host.Startup")

LISTEN_FD = "DROPML_HOST_LISTEN_FD"


def main() -> NoReturn:
    """Run the host in this process until SIGTERM."""
    arguments = _parse()
    environment, directory = dict(os.environ), str(Path.cwd())
    formatter = logs.setup()
    watch(sys.stdout.fileno())
    try:
        _serve(arguments, formatter, environment, directory)
    except (HostError, BindingError) as error:
        print(f"functions host: {formatter.mask(str(error))}", file=sys.stderr, flush=True)
        # Threads that the app started while it was imported must not keep the process.
        end_process(getattr(error, "exit_code", 2))
    log.info("Stopped")
    end_process(0)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m dropml.functions_host", description="Run a function app locally."
    )
    parser.add_argument("--app", type=Path, required=True, help="folder with function_app.py and host.json")
    parser.add_argument("--port", type=int, required=True, help="port to listen on, 0 for a free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--settings", type=Path, required=True, help="a local.settings.json")
    parser.add_argument("--keys", type=Path, required=True, help="key file, made with random keys if absent")
    parser.add_argument("--storage", help="connection string instead of the setting AzureWebJobsStorage")
    return parser.parse_args()


def _serve(
    arguments: argparse.Namespace,
    formatter: logs.LineFormatter,
    environment: Mapping[str, str],
    directory: str,
) -> None:
    app_dir, keys_file = arguments.app.resolve(), arguments.keys.resolve()
    settings = read_local_settings(arguments.settings.resolve())
    if arguments.storage:
        os.environ[STORAGE_SETTING] = arguments.storage
    kept = apply_settings(settings)
    formatter.hide(logs.secret_settings(os.environ))
    for name in kept:
        log.warning(
            "Setting %s of %s is not used: the environment has another value", name, arguments.settings
        )
    config = read_host_json(app_dir)
    logs.filter_by(config.log_levels)
    listener = _listen(arguments.host, arguments.port)
    os.environ.update(worker_environment.variables(app_dir, listener.getsockname()[1], os.environ))

    # Imported only now: the app's settings must be in the environment before any SDK reads it.
    from dropml.functions_host.host import App, Host
    from dropml.functions_host.indexing import load_app
    from dropml.functions_host.keys import load_or_create

    functions = load_app(app_dir)
    keys = load_or_create(keys_file, [function.name for function in functions])
    formatter.hide([*keys.all(), *logs.secret_settings(os.environ)])
    app = App(app_dir, host_id(app_dir), functions, config, settings, keys, os.environ.get(STORAGE_SETTING))
    host = Host(app, lambda: _start_anew(listener, environment, directory))
    runner = asyncio.Runner(loop_factory=_loop_factory())
    runner.run(host.run(listener))  # not closed: that would wait for runs that have been given up


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


def _listen(host: str, port: int) -> socket.socket:
    """The listening socket: the one handed over by the process image before this one, or a new one."""
    inherited = os.environ.pop(LISTEN_FD, None)
    if inherited is not None:
        return socket.socket(fileno=int(inherited))
    try:
        return socket.create_server((host, port), backlog=2048)
    except OSError as error:
        raise ConfigError(
            f"port {port} of {host} cannot be used: {error.strerror}; choose another --port."
        ) from error


def _start_anew(listener: socket.socket, environment: Mapping[str, str], directory: str) -> NoReturn:
    """Replace this process by a fresh one, as the real host replaces a worker that overran its time.

    Nothing else ends a thread that does not return. Process id and listening socket stay, so callers only wait.
    """
    log.info("Starting anew")
    sys.stdout.flush()
    sys.stderr.flush()
    os.set_inheritable(listener.fileno(), True)
    os.chdir(directory)
    os.execve(sys.executable, sys.orig_argv, {**environment, LISTEN_FD: str(listener.fileno())})  # noqa: S606 - the very program that runs, again


if __name__ == "__main__":
    main()
