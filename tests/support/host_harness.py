"""Start real hosts on small apps written for a test."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

REPOSITORY = Path(__file__).resolve().parents[2]
KEYS: dict[str, Any] = {
    "master": "master-key-of-this-test",
    "default": "host-key-of-this-test",
    "functions": {"guarded": {"default": "key-of-guarded", "second": "second-key-of-guarded"}},
    "system": {"blobs_extension": "system-key-of-blobs"},
}


class RunningHost:
    """A host process: its URL, its log lines so far, and ways to end it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self.url = ""
        self._arrived: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line.rstrip("\n"))
                self._arrived.put(line)
        self._arrived.put(None)

    def wait_ready(self, timeout: float = 30) -> None:
        deadline = time.monotonic() + timeout
        while not self.url:
            line = self._arrived.get(timeout=max(0.01, deadline - time.monotonic()))
            assert line is not None, f"the host ended with {self.process.wait()}:\n{self.log}"
            if line.startswith("ready "):
                self.url = line.split()[1]

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.call("GET", path, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        return self.call("POST", path, **options)

    def call(self, method: str, path: str, *, key: str | None = None, **options: Any) -> requests.Response:
        headers = dict(options.pop("headers", {}))
        if key is not None:
            headers["x-functions-key"] = key
        return requests.request(method, self.url + path, headers=headers, timeout=20, **options)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(8)
        self._reader.join(5)  # its last lines, and its pipe closed
        return code

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(5)


class AppFolder:
    """A function app on disk, with its settings and keys beside it."""

    def __init__(
        self, folder: Path, source: str, *, settings: dict[str, str], host_json: dict[str, Any]
    ) -> None:
        self.app = folder / "app"
        self.app.mkdir(parents=True)
        (self.app / "function_app.py").write_text(textwrap.dedent(source))
        (self.app / "host.json").write_text(json.dumps({"version": "2.0"} | host_json))
        self.settings = folder / "local.settings.json"
        self.keys = folder / "keys.json"
        self.keys.write_text(json.dumps(KEYS))
        self.document: dict[str, Any] = {"IsEncrypted": False, "Values": settings}
        self.save()

    def save(self) -> None:
        self.settings.write_text(json.dumps(self.document))

    def command(self) -> list[str]:
        command = [sys.executable, "-m", "dropml.functions_host", "--app", str(self.app), "--port", "0"]
        return [*command, "--settings", str(self.settings), "--keys", str(self.keys)]

    def launch(self) -> RunningHost:
        env = {name: value for name, value in os.environ.items() if not name.startswith("AzureWebJobs")}
        process = subprocess.Popen(
            self.command(),
            cwd=REPOSITORY,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return RunningHost(process)

    @contextmanager
    def running(self) -> Iterator[RunningHost]:
        host = self.launch()
        try:
            host.wait_ready()
            yield host
        finally:
            try:
                host.stop()
            finally:
                host.kill()


def wait_for(condition: Callable[[], Any], timeout: float = 15, what: str = "the condition") -> Any:
    """Poll until `condition` gives something true, and return it."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come about within {timeout} s"
        time.sleep(0.05)
