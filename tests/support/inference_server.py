"""Runs an entry script for tests: in this process, or under the real azureml-inference-server-http over HTTP."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from unittest.mock import patch

import pytest
import requests

from benchmarks.serving_systems import VENVS, free_port
from scorer.errors import RequestError

ROOT = Path(__file__).resolve().parents[2]
SERVER = VENVS / "azmlinfsrv" / "bin" / "azmlinfsrv"


class Deployment(Protocol):
    """A deployment with an entry script. `log`: what it has written since it was started."""

    @property
    def log(self) -> str: ...

    def post(self, body: Any) -> tuple[int, Any]:
        """Status and document of an answer; text and bytes are sent as they are."""


class ScriptRefusalError(Exception):
    """`init` failed; the log says why."""


@dataclass
class InProcess:
    """The script loaded as the server loads it: by its path, under no package's name."""

    script: Any
    log: str

    def post(self, body: Any) -> tuple[int, Any]:
        raw = body if isinstance(body, str | bytes) else json.dumps(body)
        try:
            return 200, json.loads(json.dumps(self.script.run(raw), allow_nan=False))
        except RequestError as error:
            return error.status, json.loads(json.dumps(error.body, allow_nan=False))


@contextmanager
def in_process(model_dir: Path, folder: Path) -> Iterator[Deployment]:
    spec = importlib.util.spec_from_file_location("entry_module", ROOT / "scorer" / "score.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    said = (folder / "log.txt").open("w+")
    with said, contextlib.redirect_stdout(said), patch.dict(os.environ, AZUREML_MODEL_DIR=str(model_dir)):
        try:
            script.init()
        except Exception as error:
            raise ScriptRefusalError(str(error)) from error
    yield InProcess(script, (folder / "log.txt").read_text())


@dataclass
class Served:
    """The server's process, whose code folder holds the files of `scorer/` and nothing else."""

    url: str
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def post(self, body: Any) -> tuple[int, Any]:
        raw = body if isinstance(body, str | bytes) else json.dumps(body)
        headers = {"Content-Type": "application/json"}
        data = raw.encode() if isinstance(raw, str) else raw
        answer = requests.post(f"{self.url}/score", data=data, headers=headers, timeout=60)
        return answer.status_code, answer.json()


@contextmanager
def served(model_dir: Path, folder: Path) -> Iterator[Deployment]:
    """Skips where the server is not installed."""
    if not SERVER.exists():
        pytest.skip(
            f"no azureml-inference-server-http in {SERVER.parents[1]}: `make bench-serving` installs it"
        )
    code = folder / "app" / "5f2e01c4-code"  # as Azure does, under a name that is not the package's
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "scorer", code, ignore=ignored)
    port = free_port()
    command = [str(SERVER), "--entry_script", str(code / "score.py"), "--port", str(port)]
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    environment |= {"AML_APP_ROOT": str(folder / "app"), "PYTHONDONTWRITEBYTECODE": "1"}
    environment["PATH"] = f"{SERVER.parent}{os.pathsep}{environment['PATH']}"
    log_file = folder / "log.txt"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [*command, "--model_dir", str(model_dir)],
            cwd=folder / "app",
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        deployment = Served(f"http://127.0.0.1:{port}", log_file)
        _wait(process, deployment)
        yield deployment
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _wait(process: subprocess.Popen[bytes], deployment: Served) -> None:
    end = time.monotonic() + 180
    while time.monotonic() < end:
        if process.poll() is not None:
            raise ScriptRefusalError(deployment.log)
        with contextlib.suppress(requests.RequestException):
            if requests.get(deployment.url, timeout=10).ok:
                return
        time.sleep(0.1)
    raise ScriptRefusalError(f"not ready in 180 s:\n{deployment.log}")
