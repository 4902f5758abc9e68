"""Starts the Azure ML emulator for tests, and speaks to it as a plain REST client."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
import requests
from azure.storage.blob import BlobServiceClient

ROOT = Path(__file__).resolve().parents[2]
WS = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/dropml/providers/"
    "Microsoft.MachineLearningServices/workspaces/dropml-local"
)
API = "2024-01-01-preview"
STANDIN = f"{sys.executable} {Path(__file__).with_name('emulator_standin.py')}"


@dataclass
class Emulator:
    """A running emulator. `arm` and `data` answer with `requests.Response`."""

    folder: Path
    storage: str | None = None
    options: tuple[str, ...] = ()
    process: subprocess.Popen[str] | None = None
    url: str = ""
    session: requests.Session = field(default_factory=requests.Session)

    def start(self, port: int = 0) -> Emulator:
        command = [sys.executable, "-m", "dropml.azureml", "--port", str(port), "--data", str(self.folder)]
        command += self.options
        env = os.environ | ({"DROPML_STORAGE": self.storage} if self.storage else {})
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=env)
        assert self.process.stdout is not None
        line = self.process.stdout.readline().split()
        assert line[:1] == ["ready"], f"the emulator did not start: {line}"
        self.url = line[1]
        self.session.close()
        self.session = requests.Session()
        self.session.verify = str(self.folder / "ca.pem")
        # The machine's own settings must not stand in for what the emulator gives.
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {self.token()}"
        self.session.headers["x-emulator-secret"] = (self.folder / "emulator.secret").read_text()
        return self

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self._ended()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self._ended()

    def _ended(self) -> int:
        assert self.process is not None
        code = self.process.wait(timeout=10)
        if self.process.stdout:
            self.process.stdout.close()
        return code

    def token(self, resource: str = "https://management.azure.com") -> str:
        answer = self.session.get(
            f"{self.url}/msi/token",
            params={"api-version": "2019-08-01", "resource": resource},
            headers={"X-IDENTITY-HEADER": "x"},
            timeout=10,
        )
        return str(answer.json()["access_token"])

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        url = path if path.startswith("https://") else f"{self.url}{path}"
        return self.session.request(method, url, json=body, timeout=more.pop("timeout", 30), **more)

    def arm(self, method: str, path: str, body: Any = None, api: str = API, **more: Any) -> requests.Response:
        """`path` is below the workspace."""
        params = {"api-version": api, **more.pop("params", {})}
        return self.call(method, f"{WS}{path}", body, params=params, **more)

    def properties(self, path: str, **more: Any) -> dict[str, Any]:
        answer = self.arm("GET", path, **more)
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["properties"])

    def status(self, job: str) -> str:
        """Of a job or a child, from run history."""
        answer = self.call("GET", f"/history/v1.0{WS}/runs/{job}", params={"api-version": "v1.0"})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["status"])

    def history(self, path: str, /, **params: Any) -> Any:
        answer = self.call("GET", f"/history/v1.0{WS}/{path}", params={"api-version": "v1.0", **params})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def mlflow(self, path: str, /, **params: Any) -> Any:
        answer = self.call("GET", f"/mlflow/v2.0{WS}/api/2.0/mlflow/{path}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait_job(self, name: str, *statuses: str, seconds: float = 60) -> str:
        wanted = statuses or ("Completed", "Failed", "Canceled")
        return str(eventually(lambda: (s := self.status(name)) in wanted and s, seconds, f"job {name}"))

    def wait_state(self, path: str, state: str = "Succeeded", seconds: float = 60) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            found = self.properties(path)
            return found if found["provisioningState"] == state else None

        return dict(eventually(look, seconds, f"{path} to be {state}"))

    def processes(self) -> list[psutil.Process]:
        """Live processes that work for this emulator: their command lines name its folder."""
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            line = " ".join(process.info["cmdline"] or [])
            if str(self.folder) in line and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found


def eventually(look: Callable[[], Any], seconds: float = 30, what: str = "the condition") -> Any:
    """The first truthy answer of `look`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s for {what}")


@contextmanager
def emulator(folder: Path, storage: str | None = None, *options: str) -> Iterator[Emulator]:
    """A running emulator; whatever works for it is gone afterwards."""
    running = Emulator(folder, storage, options)
    try:
        yield running.start()
    finally:
        if running.process and running.process.poll() is None:
            running.stop()
        for left in running.processes():
            left.kill()
        running.session.close()


@contextmanager
def no_schema_download() -> Iterator[None]:
    """The SDK fetches a JSON schema from Microsoft's CDN and goes on without it; where there is no network, at once."""
    from azure.ai.ml.operations._data_operations import DataOperations

    with mock.patch.object(DataOperations, "_try_get_mltable_metadata_jsonschema", return_value=None):
        yield


@contextmanager
def sdk_environment(running: Emulator) -> Iterator[None]:
    """The variables, and only those, that point azure-ai-ml and azure-identity at the emulator."""
    values = {
        "AZUREML_DEV_URL_MFE": running.url,
        "REQUESTS_CA_BUNDLE": str(running.folder / "ca.pem"),
        "IDENTITY_ENDPOINT": f"{running.url}/msi/token",
        "IDENTITY_HEADER": "x",
    }
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


MLTABLE = """type: mltable
paths:
  - file: ./data.csv
transformations:
  - read_delimited:
      delimiter: ','
      encoding: utf8
      header: all_files_same_headers
      support_multi_line: true
"""


def table(rows: int = 240) -> str:
    """A CSV with a label that three columns explain well, but not fully."""
    lines = ["age,balance,job,y"]
    for i in range(rows):
        age, balance, job = 20 + (i * 7) % 50, (i * 37) % 900, ("admin", "student", "retired")[i % 3]
        yes = age + balance / 30 + (12 if job == "student" else 0) + (i % 11) > 62
        lines.append(f"{age},{balance},{job},{'yes' if yes else 'no'}")
    return "\n".join(lines) + "\n"


def upload_table(storage: str, container: str, path: str, csv: str | None = None) -> None:
    """A folder with an MLTable and its CSV."""
    with BlobServiceClient.from_connection_string(storage) as service:
        client = service.get_container_client(container)
        if not client.exists():
            client.create_container()
        client.upload_blob(f"{path}/MLTable", MLTABLE, overwrite=True)
        client.upload_blob(f"{path}/data.csv", csv or table(), overwrite=True)


def automl(uri: str, target: str = "y", **more: Any) -> dict[str, Any]:
    """The body of an AutoML job's PUT; `limits` and `properties` are taken out of `more`."""
    limits = {"timeout": "PT1M", "trialTimeout": "PT30S", "maxTrials": 2} | more.pop("limits", {})
    details = {
        "taskType": "Classification",
        "targetColumnName": target,
        "trainingData": {"jobInputType": "mltable", "uri": uri},
        "limitSettings": limits,
        "primaryMetric": "AUCWeighted",
        "trainingSettings": {"enableStackEnsemble": False},
    } | more.pop("details", {})
    properties = {"jobType": "AutoML", "computeId": f"{WS}/computes/cpu-cluster", "taskDetails": details}
    return {"properties": properties | more}


@cache
def trained_model() -> Path:
    """An MLflow model folder that the real engine made of `table()`; once a session, some seconds."""
    folder = Path(tempfile.mkdtemp(prefix="emulator-model-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    data = folder / "input"
    data.mkdir()
    (data / "MLTable").write_text(MLTABLE)
    (data / "data.csv").write_text(table())
    training = {"allowedTrainingAlgorithms": ["LogisticRegression"], "enableVoteEnsemble": False}
    training |= {"enableStackEnsemble": False, "enableModelExplainability": False}
    spec = {
        "job": "model",
        "task": "Classification",
        "target": "y",
        "training_data": str(data),
        "n_cross_validations": 3,
        "primary_metric": "AUCWeighted",
        "limits": {"timeout_s": 60, "trial_timeout_s": 60, "max_trials": 1, "max_concurrent_trials": 1},
        "training": training,
        "properties": {},
        "cpus": 1,
        "memory_mb": 4096,
    }
    (folder / "spec.json").write_text(json.dumps(spec))
    command = [sys.executable, "-m", "dropml.azureml.automl", "--job", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    return folder / "trials" / "0" / "outputs" / "mlflow-model"


def upload_folder(storage: str, container: str, path: str, folder: Path) -> None:
    with BlobServiceClient.from_connection_string(storage) as service:
        client = service.get_container_client(container)
        if not client.exists():
            client.create_container()
        for file in folder.rglob("*"):
            if file.is_file():
                name = f"{path}/{file.relative_to(folder).as_posix()}"
                client.upload_blob(name, file.read_bytes(), overwrite=True)
