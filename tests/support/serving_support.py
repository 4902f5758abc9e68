"""Starts endpoint processes for tests, and speaks to them."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[2]
TINY = Path(__file__).parent / "serving_models"
PRIMARY, SECONDARY, ADMIN = "primary-key-1", "secondary-key-2", "admin-secret-3"
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
EXAMPLE = {"columns": ["age", "job"], "index": [0], "data": [[30, "admin."]]}


def tiny_model(folder: Path, name: str, **knobs: Any) -> Path:
    """A model of tests/serving_models on disk."""
    model_dir = folder / name
    model_dir.mkdir(parents=True, exist_ok=True)
    (model_dir / "MLmodel").write_text("flavors: {}\n")
    (model_dir / "tiny.json").write_text(json.dumps({"threshold": 40, **knobs}))
    (model_dir / "input_example.json").write_text(json.dumps(EXAMPLE))
    return model_dir


def deployment(model_dir: Path, log_file: Path, **settings: Any) -> dict[str, Any]:
    """A deployment's entry of endpoint.json."""
    return {
        "model_dir": str(model_dir),
        "model": f"{model_dir.name}:1",
        "request_timeout_s": 5,
        "app_insights": False,
        "log_file": str(log_file),
        "max_concurrent_requests": 1,
        "max_queue_wait_s": 0.5,
        **settings,
    }


def payload(*ages: Any) -> dict[str, Any]:
    """A request body with one row per age."""
    rows = [[age, "admin."] for age in ages]
    return {"input_data": {"columns": ["age", "job"], "index": list(range(len(rows))), "data": rows}}


@dataclass
class Endpoint:
    """A running endpoint process, and what its control plane knows of it."""

    folder: Path
    settings: dict[str, Any]
    process: subprocess.Popen[str] | None = None
    url: str = ""
    session: requests.Session = field(default_factory=requests.Session)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def log(self) -> str:
        return (self.folder / "m1.log").read_text()

    def write(self) -> None:
        """endpoint.json, written atomically as the control plane does."""
        temporary = self.folder / "endpoint.json.new"
        temporary.write_text(json.dumps(self.settings))
        temporary.replace(self.folder / "endpoint.json")

    def reload(self, *, wait: bool = True) -> dict[str, Any]:
        self.write()
        answer = self.admin("POST", "reload")
        assert answer.status_code == 200, answer.text
        return self.settled() if wait else answer.json()["deployments"]

    def admin(self, method: str, what: str) -> requests.Response:
        headers = {"x-admin-secret": ADMIN}
        return requests.request(method, f"{self.url}/_admin/{what}", headers=headers, timeout=10)

    def settled(self) -> dict[str, Any]:
        """Status once nothing is loading."""
        for _ in range(400):
            states: dict[str, Any] = self.admin("GET", "status").json()["deployments"]
            if all(state["status"] != "loading" for state in states.values()):
                return states
            time.sleep(0.025)
        raise AssertionError(f"still loading: {states}")

    def score(self, body: Any, *, key: str | None = PRIMARY, **headers: str) -> requests.Response:
        """POST /score; header names are given with _ for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            named.setdefault("Authorization", f"Bearer {key}")
        return self.session.post(f"{self.url}/score", json=body, headers=named, timeout=15)

    def raw(self, data: bytes, *, seconds: float = 5.0, half_close: bool = False) -> bytes:
        """Send bytes, return everything until the server closes or stays silent for `seconds`."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as client:
            client.sendall(data)
            if half_close:
                client.shutdown(socket.SHUT_WR)
            return read_all(client)

    def until_closed(self, data: bytes) -> bytes:
        """Send bytes, return everything until the server closes. Raises TimeoutError where it does not."""
        received = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as client:
            client.sendall(data)
            with contextlib.suppress(ConnectionResetError):
                while chunk := client.recv(65536):
                    received += chunk
        return received

    def head(self, path: str = "/score", *, method: str = "POST", version: str = "1.1") -> str:
        """Request line and the headers every request needs, without the blank line."""
        return (
            f"{method} {path} HTTP/{version}\r\nHost: localhost\r\nAuthorization: Bearer {PRIMARY}\r\n"
            "Content-Type: application/json\r\n"
        )

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


def wait_until(seen: Callable[[], bool], seconds: float = 60) -> None:
    """Return once `seen()` is true; an AssertionError after `seconds`."""
    end = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < end, f"not seen in {seconds} s"
        time.sleep(0.02)


def statuses(received: bytes) -> list[int]:
    """Of the answers in a stream of bytes."""
    return [int(status) for status in _STATUS.findall(received)]


def read_all(client: socket.socket) -> bytes:
    received = b""
    try:
        while chunk := client.recv(65536):
            received += chunk
    except (TimeoutError, ConnectionResetError):
        pass
    return received


def settings(deployments: dict[str, Any], traffic: dict[str, int], **changes: Any) -> dict[str, Any]:
    """A whole endpoint.json."""
    return {
        "name": "bank-1a2b3c",
        "auth_mode": "Key",
        "keys": [PRIMARY, SECONDARY],
        "token_secret": "a-token-secret-of-32-characters-!",
        "admin_secret": ADMIN,
        "traffic": traffic,
        "mirror_traffic": {},
        "swagger_title": "bank-1a2b3c",
        "deployments": deployments,
        "app_insights_url": None,
        "instrumentation_key": "",
        "max_request_bytes": 1_572_864,
        **changes,
    }


@contextmanager
def running(folder: Path, document: dict[str, Any], *flags: str, tiny: bool = True) -> Iterator[Endpoint]:
    """An endpoint process that serves the document; ended afterwards."""
    endpoint = Endpoint(folder, document)
    endpoint.write()
    environment = dict(os.environ)
    if tiny:
        environment["PYTHONPATH"] = str(TINY)
    command = [sys.executable, "-m", "dropml.azureml.serving", "--endpoint", str(folder), "--port", "0"]
    with (folder / "stderr.txt").open("w") as errors:
        endpoint.process = subprocess.Popen(
            [*command, *flags], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    assert endpoint.process.stdout is not None
    watchdog = threading.Timer(90, endpoint.process.kill)
    watchdog.start()
    try:
        line = endpoint.process.stdout.readline()
        watchdog.cancel()
        assert line.startswith("ready http://127.0.0.1:"), (line, (folder / "stderr.txt").read_text())
        endpoint.url = line.split()[1]
        yield endpoint
    finally:
        endpoint.session.close()
        if endpoint.process.poll() is None:
            endpoint.process.send_signal(signal.SIGTERM)
            endpoint.process.wait(10)
        endpoint.process.stdout.close()


@contextmanager
def one_model(
    folder: Path, *, traffic: int = 100, tiny: dict[str, Any] | None = None, **changes: Any
) -> Iterator[Endpoint]:
    """An endpoint with deployment m1 of a tiny model."""
    model = tiny_model(folder / "models", "young", **(tiny or {}))
    document = settings({"m1": deployment(model, folder / "m1.log", **changes)}, {"m1": traffic})
    with running(folder, document) as endpoint:
        yield endpoint
