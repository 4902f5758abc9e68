"""Starts and stops everything: Azurite, the Azure ML emulator and the Functions host, each on a free port, detached."""

from __future__ import annotations

import contextlib
import fcntl
import secrets
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dropml.azurite import process
from dropml.common import family, folders, marks, private, processes
from dropml.common.ports import Ports
from dropml.common.processes import Child, StartError
from dropml.stack import settings
from dropml.stack.places import PARTS, Places, Stack, load

CONTAINERS = ("incoming", "dropml-data", "dropml-quarantine", "dropml-state", "dropml-batch")
#: Looked for until so many looks in a row find nothing: one that was just being started has its mark a moment later.
_LOOKS, _PAUSE_S = 2, 0.05

#: Of the function app, as Core Tools has it.
HOST_PORT = 7071


def up(
    home: Path,
    *,
    label: str | None = None,
    budget: float | None = None,
    extra: dict[str, str] | None = None,
    host_port: int | None = HOST_PORT,
) -> Stack:
    """Start what isn't running; a half-dead stack is taken down first. Whatever ends this early ends what it started.

    One that was there before keeps its ports; a new one takes `host_port`, or any (None) and where that is taken.

    Raises StartError, AzuriteError, OSError.
    """
    private.folder(home)
    with alone(home):
        found = load(home)
        if found and found.running:
            return found
        previous = found.places if found else None
        try:
            down(home)
            started = _start_all(home, previous, label, budget, extra or {}, host_port)
            if started.gone:
                raise StartError(f"{', '.join(started.gone)} ended while the others started.")
        except BaseException:
            with uninterrupted():
                down(home)
            raise
        return started


@contextlib.contextmanager
def alone(home: Path) -> Iterator[None]:
    """Raises StartError where another process is starting the stack."""
    path = home / "up.lock"
    with open(path, "w", opener=private.opener) as lock:
        path.chmod(0o600)  # an earlier release left it open
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StartError(
                f"Another `{folders.COMMAND} up` is starting the stack under {home}: wait for it, or end it first."
            ) from None
        yield


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """A second Ctrl-C doesn't keep what the first one asked for from being done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {n: signal.signal(n, signal.SIG_IGN) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start_all(
    home: Path,
    previous: Places | None,
    label: str | None,
    budget: float | None,
    extra: dict[str, str],
    wanted: int | None,
) -> Stack:
    root = folders.azurite_root()
    process.install(root)
    with ThreadPoolExecutor(2) as pool:
        begun = pool.map(
            lambda name: process.start(home / name, root=root, env=marks.mark(home)),
            ("azurite-data", "host-data"),
        )
        azurite, of_host = begun
    with Ports() as ports:
        stack = Stack(home, _places(home, azurite.connection_string, previous, wanted, ports))
        stack = stack.keep(host_storage=of_host.connection_string)
        stack = stack.note("azurite", azurite.child).note("host-storage", of_host.child)
        stack = stack.note("azureml", _start_emulator(stack))
        values = settings.app_settings(
            stack.places,
            settings.LABEL if label is None else label,
            settings.BUDGET_SECONDS if budget is None else budget,
            extra,
        )
        given = settings.chosen(label, budget) | frozenset(extra)
        merged = _write_settings(stack, values, given)
        stack = stack.keep(settings={n: v for n, v in values.items() if n not in settings.OWNED})
        return stack.note("host", _start_host(stack, merged))


def _places(home: Path, storage: str, previous: Places | None, wanted: int | None, ports: Ports) -> Places:
    host_port = ports.take(previous.host_port if previous else wanted)
    return Places(
        storage=storage,
        emulator_port=ports.take(previous.emulator_port if previous else None),
        ingestion_port=ports.take(previous.ingestion_port if previous else None),
        host_port=host_port,
        host_url=f"http://127.0.0.1:{host_port}",
        ca=str(home / "azureml" / "ca.pem"),
        identity_header=previous.identity_header if previous else secrets.token_hex(16),
        instrumentation_key=previous.instrumentation_key if previous else str(uuid.uuid4()),
        emulator_secret=(previous.emulator_secret if previous else "") or secrets.token_hex(16),
        settings=previous.settings if previous else {},
        processes={},
    )


def _start_emulator(stack: Stack) -> Child:
    home, places = stack.home, stack.places
    command = [
        "dropml.azureml",
        "--port", str(places.emulator_port), "--http-port", str(places.ingestion_port),
        "--data", str(home / "azureml"), "--datastore", "dropml_data=dropml-data",
        "--subscription", settings.SUBSCRIPTION, "--resource-group", settings.GROUP,
        "--workspace", settings.WORKSPACE,
    ]  # fmt: skip
    # Every user of the machine can read arguments.
    env = {
        "DROPML_STORAGE": places.storage,
        "DROPML_IDENTITY_HEADER": places.identity_header,
        "DROPML_EMULATOR_SECRET": places.emulator_secret,
    }
    log = home / "logs" / "azureml.log"
    return processes.start_ready("The Azure ML emulator", command, log, env | marks.mark(home))


def _write_settings(stack: Stack, values: dict[str, str], given: frozenset[str]) -> dict[str, str]:
    """The settings file of this start; what it says in the end."""
    file = stack.home / "local.settings.json"
    document = settings.read(file)
    found = {str(name): str(value) for name, value in document.get("Values", values).items()}
    merged = settings.with_edits(values, found, stack.places.settings, given)
    settings.write(file, document, merged)
    return merged


def _start_host(stack: Stack, values: dict[str, str]) -> Child:
    home = stack.home
    _containers(stack.storage)
    command = [
        "dropml.functions_host",
        "--app", str(folders.APP), "--port", str(stack.places.host_port),
        "--settings", str(home / "local.settings.json"), "--keys", str(home / "keys.json"),
    ]  # fmt: skip
    # In the environment too: there a variable of the shell would win over the settings file, as in Core Tools.
    env = values | marks.mark(home)
    return processes.start_ready("The Functions host", command, home / "logs" / "host.log", env)


def _containers(storage: str) -> None:
    """In Azure the deployment makes the containers; here it's the stack."""
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.blob import BlobServiceClient

    with BlobServiceClient.from_connection_string(storage) as service:
        for name in CONTAINERS:
            try:
                service.create_container(name)
            except ResourceExistsError:
                continue


def down(home: Path) -> list[Child]:
    """End every process of the stack, the host first; state stays under `home`. Returns those that would not end.

    The parts are found by what was written down, all else (what a killed part has left behind, or a start that was
    broken off) by the mark that it was started with.
    """
    for child in _written_down(home):
        child.end()
    looks = 0
    while looks < _LOOKS:
        left = [*marks.marked(home), *processes.working_in(home / "azureml")]
        for child in left:
            child.end()
        looks = 0 if any(not child.alive() for child in left) else looks + 1
        time.sleep(_PAUSE_S)
    return left_behind(home)


def _written_down(home: Path) -> list[Child]:
    try:
        found = load(home)
    except StartError:  # the file is broken: the marks tell
        return []
    started = found.places.processes if found else {}
    children = [started[name].find() for name in PARTS if name in started]
    return [child for child in children if child is not None]


def left_behind(home: Path) -> list[Child]:
    """Live processes of the stack of which no live part of it knows."""
    parts = {child.pid for child in _written_down(home)}
    known = parts | {relative.pid for pid in parts for relative in family.descendants(pid)}
    return [child for child in marks.marked(home) if child.pid not in known]
