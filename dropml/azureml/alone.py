"""The emulator by itself: started with Azurite or on a storage account that is there, written down, found again, ended.

Everything lies in one folder: the emulator's state, Azurite's, the logs, and `emulator.json`, which says where it runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dropml.azureml.shell import Running, kept, load
from dropml.azurite import process
from dropml.common import folders, marks, private, processes
from dropml.common.ports import Ports
from dropml.common.processes import Child, StartError

#: Where nothing else is said: beside the program that is tried, as a virtual environment is.
FOLDER = Path(".azureml-emulator")
_LOOKS, _PAUSE_S = 2, 0.05


@dataclass(frozen=True)
class Wanted:
    """How an emulator is to be started. `options` are those of `serve` but its ports and folder."""

    options: tuple[str, ...] = ()
    subscription: str = ""
    resource_group: str = ""
    workspace: str = ""
    #: A connection string; None for an Azurite of its own, empty for none.
    storage: str | None = None
    port: int = 0
    http_port: int = 0


def start(home: Path, wanted: Wanted) -> Running:
    """Start it, or find the one that runs under `home`. Raises StartError, AzuriteError, OSError."""
    home = home.resolve()
    private.folder(home)
    private.write(home / ".gitignore", "*\n")
    with _by_nobody_else(home):
        found = load(home)
        if found and found.alive():
            return found
        stop(home)
        try:
            return _start(home, wanted, found)
        except BaseException:
            stop(home)
            raise


@contextlib.contextmanager
def _by_nobody_else(home: Path) -> Iterator[None]:
    with open(home / "start.lock", "w", opener=private.opener) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StartError(
                f"Another command is starting the emulator under {home}: wait for it, or give another --folder."
            ) from None
        yield


def _start(home: Path, wanted: Wanted, before: Running | None) -> Running:
    storage, children = wanted.storage, dict[str, Child]()
    if storage is None:
        root = folders.azurite_root()
        process.install(root)
        azurite = process.start(home / "azurite", root=root, env=marks.mark(home))
        storage, children["azurite"] = azurite.connection_string, azurite.child
    header = before.identity_header if before else secrets.token_hex(16)
    with Ports() as ports:
        port = _port(ports, "--port", wanted.port, before.port if before else 0)
        http_port = _port(ports, "--http-port", wanted.http_port, before.http_port if before else 0)
        options = ["--port", str(port), "--http-port", str(http_port), "--data", str(home / "state")]
        command = ["dropml.azureml", "serve", *options, *wanted.options]
        env = {"DROPML_STORAGE": storage, "DROPML_IDENTITY_HEADER": header} | marks.mark(home)
        children["emulator"] = processes.start_ready(
            "The emulator", command, home / "logs" / "emulator.log", env
        )
    return kept(
        Running(
            folder=str(home),
            port=port,
            http_port=http_port,
            subscription=wanted.subscription,
            resource_group=wanted.resource_group,
            workspace=wanted.workspace,
            storage=storage,
            identity_header=header,
            pids={name: child.pid for name, child in children.items()},
            started={name: child.started for name, child in children.items()},
        )
    )


def _port(ports: Ports, option: str, wanted: int, before: int) -> int:
    """The one that is asked for, else that of the last time, else any. Raises StartError where the first is taken."""
    found = ports.take(wanted or before or None)
    if wanted and found != wanted:
        raise StartError(f"Port {wanted} is taken: give another {option}, or none for any that is free.")
    return found


def stop(home: Path) -> list[Child]:
    """End the emulator and all that it and Azurite have started; state stays. Those that would not end."""
    home = home.resolve()
    found = load(home)
    for child in reversed(
        found.children() if found else []
    ):  # the emulator first: it may have something to store
        child.end()
    looks, left = 0, list[Child]()
    while looks < _LOOKS:
        left = [*marks.marked(home), *processes.working_in(home / "state")]
        for child in left:
            child.end()
        looks = 0 if any(not child.alive() for child in left) else looks + 1
        time.sleep(_PAUSE_S)
    return [child for child in left if child.alive()]
