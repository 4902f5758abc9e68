"""Runs an entry script for tests: in this process, in the emulator's endpoint, under the real azureml-inference-server-http."""

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

from benchmarks.serving_systems import VENVS, SystemUnavailableError, free_port, install_azmlinfsrv
from scorer.errors import RequestError
from tests.support import serving_support

ROOT = Path(__file__).resolve().parents[2]
SERVER = VENVS / "azmlinfsrv" / "bin" / "azmlinfsrv"

#: Run by the server's own Python, which has MLflow: two models as people save them.
_SAVE = """
import sys
import mlflow.pyfunc, mlflow.sklearn, pandas
from mlflow.models import infer_signature
from sklearn.tree import DecisionTreeClassifier

class Doubled(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input["a"] * 2

x = pandas.DataFrame({"a": [0.5, 1.5, 2.5, 3.5], "b": [1, 2, 3, 4]})
y = ["low", "low", "high", "high"]
tree = DecisionTreeClassifier().fit(x, y)
folder = sys.argv[1]
mlflow.sklearn.save_model(tree, folder + "/tree", signature=infer_signature(x, y), serialization_format="cloudpickle")
mlflow.pyfunc.save_model(folder + "/doubled", python_model=Doubled())
"""


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

    def swagger(self, version: str) -> Any:
        return requests.get(f"{self.url}/swagger.json", params={"version": version}, timeout=10).json()


@dataclass
class Emulated:
    """The emulator's endpoint process with one deployment, whose code is the folder of `scorer/`."""

    endpoint: serving_support.Endpoint

    @property
    def log(self) -> str:
        return self.endpoint.log

    def post(self, body: Any) -> tuple[int, Any]:
        """The script's own status, which the endpoint of the service tells in a header beside its 424."""
        raw = body if isinstance(body, str | bytes) else json.dumps(body)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {serving_support.PRIMARY}"}
        data = raw.encode() if isinstance(raw, str) else raw
        answer = requests.post(f"{self.endpoint.url}/score", data=data, headers=headers, timeout=60)
        status = int(answer.headers.get("ms-azureml-model-error-statuscode") or answer.status_code)
        kind = answer.headers.get("Content-Type", "")
        return status, answer.json() if kind.startswith("application/json") else answer.text


@contextmanager
def emulated(model_dir: Path, folder: Path) -> Iterator[Deployment]:
    """A registered model is one below `azureml-models/NAME/VERSION`; another folder is named to the script by its variable."""
    name, version = model_dir.parent.name, model_dir.name
    registered = model_dir.parents[1].name == "azureml-models"
    (folder / "mounts").mkdir()
    told = {
        "code_dir": str(ROOT / "scorer"),
        "code_name": "5f2e01c4-code",
        "entry": "score.py",
        "model_as": "mlflow-model",
        "mounts": str(folder / "mounts"),
        "variables": {} if registered else {"AZUREML_MODEL_DIR": str(model_dir)},
    }
    entry = serving_support.deployment(
        model_dir / "mlflow-model", folder / "m1.log", script=told, models_dir=str(model_dir)
    )
    entry |= {"model": f"{name}:{version}", "request_timeout_s": 60}
    entry |= {} if registered else {"model_dir": None}
    document = serving_support.settings({"m1": entry}, {"m1": 100}, max_request_bytes=16 * 2**20)
    with serving_support.running(folder, document, tiny=False) as endpoint:
        if endpoint.settled()["m1"]["status"] != "ready":
            raise ScriptRefusalError(endpoint.log)
        yield Emulated(endpoint)


def _required() -> None:
    """Installs the server on first use, in a minute or two; skips where that can't be."""
    try:
        install_azmlinfsrv()
    except SystemUnavailableError as error:
        pytest.skip(str(error))


def save_with_mlflow(folder: Path) -> None:
    """`tree`, a classifier with a signature, and `doubled`, a Python model without one. Skips where MLflow can't be had."""
    _required()
    command = [str(SERVER.parent / "python"), "-W", "ignore", "-c", _SAVE, str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=180)


@contextmanager
def served(model_dir: Path, folder: Path) -> Iterator[Served]:
    """Skips where the server can't be installed."""
    _required()
    code = folder / "app" / "5f2e01c4-code"  # as Azure does, under a name that is not the package's
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "scorer", code, ignore=ignored)
    port = free_port()
    command = [str(SERVER), "--entry_script", str(code / "score.py"), "--port", str(port)]
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    environment |= {"AML_APP_ROOT": str(code), "PYTHONDONTWRITEBYTECODE": "1"}
    environment["PATH"] = f"{SERVER.parent}{os.pathsep}{environment['PATH']}"
    log_file = folder / "log.txt"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [*command, "--model_dir", str(model_dir)],
            cwd=code,
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
