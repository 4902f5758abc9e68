"""Azurite (blob and queue storage), installed with npm and run as a child process.

`install` is a no-op once the lockfile's version is in place; `start` gives a running server.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from dropml.azurite.node import AzuriteError, find_node
from dropml.common import private, processes
from dropml.common.logs import rotate, tail
from dropml.common.processes import Child

REPOSITORY = Path(__file__).resolve().parents[2]
MANIFEST = Path(__file__).resolve().parent

# The name of Azurite's development account. Its documented key is public knowledge: each data folder has one of its own.
ACCOUNT = "devstoreaccount1"
KEY_BYTES = 64

SERVICES = ("blob", "queue", "table")
INSTALL_TIMEOUT_S = 600
START_TIMEOUT_S = 60.0
STOP_GRACE_S = 5.0
_LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at http://\S+:(\d+)")


def install(root: Path = REPOSITORY) -> None:
    """Install Azurite as locked into `root/.dropml/azurite`; a second call does nothing.

    Raises AzuriteError with npm's last lines if the installation fails.
    """
    target = root / ".dropml" / "azurite"
    private.folder(target.parent)
    target.mkdir(exist_ok=True)
    with (target / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs may start at once
        if not installed(root):
            _npm_ci(target)
            (target / ".installed").write_text(_lock_hash())


def installed(root: Path = REPOSITORY) -> bool:
    """True if what stands under `root/.dropml/azurite` is what the lockfile asks for."""
    target = root / ".dropml" / "azurite"
    stamp = target / ".installed"
    return stamp.is_file() and stamp.read_text() == _lock_hash() and _entry_point(root).is_file()


def _lock_hash() -> str:
    return hashlib.sha256((MANIFEST / "package-lock.json").read_bytes()).hexdigest()


def _entry_point(root: Path) -> Path:
    return root / ".dropml" / "azurite" / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"


def _npm_ci(target: Path) -> None:
    runtime = find_node()
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(MANIFEST / name, target / name)
    flags = [
        "--ignore-scripts",
        "--omit=dev",
        "--omit=optional",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]
    env = os.environ | {
        "PATH": str(Path(runtime.node).parent) + os.pathsep + os.environ.get("PATH", ""),
        "npm_config_update_notifier": "false",
    }
    try:
        done = subprocess.run(
            [*runtime.npm, "ci", *flags],
            check=False,
            cwd=target,
            env=env,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise AzuriteError(
            f"`npm ci` of Azurite took over {INSTALL_TIMEOUT_S} s. Is the npm registry within reach?"
        ) from error
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise AzuriteError(
            f"`npm ci` of Azurite in {target} failed (exit {done.returncode})."
            f" Is the npm registry within reach?\n{tail}"
        )


class AzuriteProcess:
    """A running Azurite; `connection_string` reaches its blob and queue services."""

    def __init__(self, child: Child, host: str, ports: dict[str, int], key: str) -> None:
        self.child = child
        self.host = host
        self.key = key
        self.blob_port = ports["blob"]
        self.queue_port = ports["queue"]

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def blob_endpoint(self) -> str:
        return f"http://{self.host}:{self.blob_port}/{ACCOUNT}"

    @property
    def queue_endpoint(self) -> str:
        return f"http://{self.host}:{self.queue_port}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={self.key};"
            f"BlobEndpoint={self.blob_endpoint};QueueEndpoint={self.queue_endpoint};"
        )

    def stop(self) -> None:
        """Let Azurite write its state, then make sure that it is gone."""
        self.child.end(STOP_GRACE_S)


def start(
    data_dir: Path,
    host: str = "127.0.0.1",
    *,
    root: Path = REPOSITORY,
    env: Mapping[str, str] | None = None,
    die_with_parent: bool = False,
) -> AzuriteProcess:
    """Start Azurite on `data_dir`, on the ports it had there before if they are free, else on free ones.

    `die_with_parent` (Linux) has the kernel end it with the starting thread, even if that is killed.
    Raises AzuriteError if it isn't installed or doesn't answer within 60 s.
    """
    if not installed(root):
        raise AzuriteError(f"Azurite is not installed under {root / '.dropml'}: call install() first.")
    private.folder(data_dir)
    key = _account_key(data_dir / "account.key")
    remembered, log = data_dir / "ports.json", data_dir / "azurite.log"
    ports = {name: port for name, port in _read_ports(remembered).items() if _is_free(host, port)}
    # Node gives memory back while little goes on, by collections that cost an idle Azurite more than all its answers.
    flags = ["--no-memory-reducer"]
    command = [find_node().node, *flags, str(_entry_point(root)), "--silent", "--disableTelemetry"]
    command += ["--skipApiVersionCheck", "--location", str(data_dir.resolve())]
    for service in SERVICES:
        command += [f"--{service}Host", host, f"--{service}Port", str(ports.get(service, 0))]
    # Longer than any pause between two polls, so that pooled connections aren't cut under a request.
    command += ["--blobKeepAliveTimeout", "75", "--queueKeepAliveTimeout", "75"]
    rotate(log)
    # In a session of its own: Ctrl-C goes to the launcher, which stops its children in order.
    accounts = {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"}
    child = processes.start(
        command, log, cwd=data_dir, env=accounts | dict(env or {}), die_with_parent=die_with_parent
    )
    try:
        found = _wait_listening(child, log)
    except BaseException:
        child.end(0)
        raise
    private.write_json(remembered, found)
    return AzuriteProcess(child, host, found, key)


def _account_key(path: Path) -> str:
    """The account's key, made at random with the data folder and kept beside it."""
    if not path.is_file():
        private.write(path, base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode())
    return path.read_text().strip()


def _wait_listening(child: Child, log: Path) -> dict[str, int]:
    """The ports, once every service has said where it listens."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        ended = not child.alive()
        said = log.read_text(errors="replace")
        ports = {name.lower(): int(port) for name, port in _LISTENING.findall(said)}
        if len(ports) == len(SERVICES):
            return ports
        if ended:
            raise AzuriteError(f"Azurite ended with exit code {child.code} at its start:\n{tail(log, 15)}")
        time.sleep(0.02)
    raise AzuriteError(f"Azurite did not answer within {START_TIMEOUT_S:.0f} s; see {log}.")


def _read_ports(path: Path) -> dict[str, int]:
    try:
        return {str(name): int(port) for name, port in json.loads(path.read_text()).items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
