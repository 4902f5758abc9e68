"""The three servers of the serving benchmark, each a process tree started on the same model."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from benchmarks.serving_script import SCORE_PY

ROOT = Path(__file__).resolve().parents[1]
VENVS = Path(__file__).parent / "venvs"
KEY = "a-key-of-the-benchmark"
MLFLOW = "3.17.2"
AZMLINFSRV = "1.5.1"
_START_LIMIT = 180.0
_MODEL_PACKAGES = ("scikit-learn", "lightgbm", "xgboost-cpu", "numpy", "pandas")

#: Of the entry script's folder, what isn't uploaded with it.
_NO_MODULES = shutil.ignore_patterns("*.md", "__pycache__")


class SystemUnavailableError(Exception):
    """A peer could not be installed or started."""


class System:
    """One server: how it is started and what a request to it looks like."""

    name: str

    def __init__(self, model_dir: Path, columns: list[str], rows: list[list[Any]]) -> None:
        self.model_dir, self.columns, self.rows = model_dir, columns, rows
        self.folder = Path(tempfile.mkdtemp(prefix=f"dropml-bench-{self.name}-"))
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Install what is missing. Raises SystemUnavailableError."""

    def command(self) -> tuple[list[str], dict[str, str]]:
        raise NotImplementedError

    path = "/score"

    def headers(self) -> dict[str, str]:
        return {}

    def document(self) -> Any:
        split = {"columns": self.columns, "index": list(range(len(self.rows))), "data": self.rows}
        return {"input_data": split}

    def labels(self, answer: Any) -> list[Any]:
        """The labels in a decoded answer."""
        return list(answer)

    def request(self) -> bytes:
        """The whole request as bytes."""
        body = json.dumps(self.document()).encode()
        lines = {
            "Host": f"127.0.0.1:{self.port}",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **self.headers(),
        }
        head = f"POST {self.path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
        return head.encode() + b"\r\n" + body

    def start(self) -> float:
        """Start; the seconds until the first scored request."""
        self.port = free_port()
        command, extra = self.command()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", **extra}
        started = time.perf_counter()
        with (self.folder / "log.txt").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self._wait(started)
        return time.perf_counter() - started

    def _wait(self, started: float) -> None:
        assert self.process is not None
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{self.path}",
            data=json.dumps(self.document()).encode(),
            headers={"Content-Type": "application/json", **self.headers()},
        )
        while time.perf_counter() - started < _START_LIMIT:
            if self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    if self.labels(json.load(answer)):
                        return
            except (OSError, urllib.error.HTTPError):
                time.sleep(0.02)
        tail = (self.folder / "log.txt").read_text(errors="replace")[-2000:]
        self.stop()
        raise SystemUnavailableError(f"{self.name} did not answer a score:\n{tail}")

    def memory_mb(self) -> float:
        """Resident memory of the process and all its children, in 10^6 bytes."""
        assert self.process is not None
        tree = psutil.Process(self.process.pid)
        return float(sum(one.memory_info().rss for one in (tree, *tree.children(recursive=True))) / 1e6)

    def cpu_seconds(self) -> float:
        """CPU time that the process tree has used."""
        assert self.process is not None
        tree = psutil.Process(self.process.pid)
        times = [one.cpu_times() for one in (tree, *tree.children(recursive=True))]
        return float(sum(one.user + one.system for one in times))

    def stop(self) -> None:
        """End the whole tree and remove its folder's contents."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Local(System):
    """The emulator's endpoint with the app's entry script, which answers labels, probabilities and classes."""

    name = "local"

    def command(self) -> tuple[list[str], dict[str, str]]:
        code = self.folder / "code"
        shutil.copytree(ROOT / "scorer", code, ignore=_NO_MODULES, dirs_exist_ok=True)
        deployment = {
            "model_dir": str(self.model_dir),
            "model": "bank:1",
            "request_timeout_s": 90,
            "app_insights": False,
            "log_file": str(self.folder / "m1.log"),
            "max_concurrent_requests": 32,
            "max_queue_wait_s": 0.5,
            "script": {
                "code_dir": str(code),
                "code_name": "scorer",
                "entry": "score.py",
                "model_as": "mlflow-model",
                "mounts": str(self.folder / "app"),
                "variables": {"DROPML_MODEL": "bank:1"},
            },
        }
        endpoint = {
            "name": "bench",
            "auth_mode": "Key",
            "keys": [KEY, KEY[::-1]],
            "token_secret": "",
            "admin_secret": KEY,
            "traffic": {"m1": 100},
            "deployments": {"m1": deployment},
        }
        (self.folder / "endpoint.json").write_text(json.dumps(endpoint))
        (self.folder / "parity.json").unlink(missing_ok=True)  # a start measures the forms anew
        flags = ["--endpoint", str(self.folder), "--port", str(self.port)]
        return [sys.executable, "-m", "dropml.azureml.serving", *flags], {}

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {KEY}"}

    def labels(self, answer: Any) -> list[Any]:
        found, rows, classes = answer["result"], answer["probabilities"], answer["classes"]
        return found if [len(row) for row in rows] == [len(classes)] * len(found) else []

    def status(self) -> dict[str, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/_admin/status", headers={"x-admin-secret": KEY}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            state: dict[str, Any] = json.load(answer)["deployments"]["m1"]
        return state


class MlflowServe(System):
    """`mlflow models serve`, as it comes: one worker."""

    name = "mlflow"
    path = "/invocations"

    def prepare(self) -> None:
        install(self.name, [f"mlflow=={MLFLOW}"])

    def command(self) -> tuple[list[str], dict[str, str]]:
        folder = VENVS / self.name / "bin"
        serve = ["models", "serve", "-m", str(self.model_dir), "-h", "127.0.0.1", "-p", str(self.port)]
        path = f"{folder}{os.pathsep}{os.environ['PATH']}"
        return [str(folder / "mlflow"), *serve, "--env-manager", "local"], {"PATH": path}

    def document(self) -> Any:
        return {"dataframe_split": {"columns": self.columns, "data": self.rows}}

    def labels(self, answer: Any) -> list[Any]:
        return list(answer["predictions"])


class Azmlinfsrv(System):
    """azureml-inference-server-http with an entry script like Azure's: one worker."""

    name = "azmlinfsrv"

    def prepare(self) -> None:
        install_azmlinfsrv()

    def command(self) -> tuple[list[str], dict[str, str]]:
        (self.folder / "score.py").write_text(SCORE_PY)
        folder = VENVS / self.name / "bin"
        flags = ["--entry_script", str(self.folder / "score.py"), "--port", str(self.port)]
        path = f"{folder}{os.pathsep}{os.environ['PATH']}"
        extra = {"PATH": path, "HEALTH_PORT": str(free_port())}
        return [str(folder / "azmlinfsrv"), *flags, "--model_dir", str(self.model_dir)], extra


def install(name: str, packages: list[str]) -> None:
    """A virtual environment with the packages and the model's libraries. Raises SystemUnavailableError."""
    folder = VENVS / name
    libraries = [f"{package}=={version(package)}" for package in _MODEL_PACKAGES if installed(package)]
    wanted = " ".join([*packages, *libraries, "PyYAML"])
    mark = folder / "installed.txt"
    if mark.is_file() and mark.read_text() == wanted:
        return
    print(f"installing {name} into {folder.relative_to(ROOT)} ...", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=300)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        pip += ["--disable-pip-version-check", *wanted.split()]
        subprocess.run(pip, check=True, timeout=1800)
    except (OSError, subprocess.SubprocessError) as error:
        raise SystemUnavailableError(f"{name} could not be installed: {error}") from error
    mark.write_text(wanted)


def install_azmlinfsrv() -> None:
    """Raises SystemUnavailableError."""
    install(Azmlinfsrv.name, [f"azureml-inference-server-http=={AZMLINFSRV}", "mlflow-skinny"])


def installed(package: str) -> bool:
    try:
        version(package)
    except ImportError:
        return False
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_constant_server() -> tuple[subprocess.Popen[str], int]:
    """The server that shows what the load client itself can do."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.serving_load", "--constant-server"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline().rpartition(":")[2])


SYSTEMS: list[Callable[[Path, list[str], list[list[Any]]], System]] = [Local, MlflowServe, Azmlinfsrv]
