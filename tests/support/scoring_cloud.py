"""The whole app on a real Functions host, with an endpoint, its keys and an identity that are small real HTTP servers.

For tests of the HTTP surface that need no training: what is in service is written where promotion writes it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from azure.storage.blob import BlobServiceClient, ContainerClient

from dropml.azurite import process
from shared.adapters.documents import JsonStore
from shared.adapters.ledger import LedgerStore
from shared.domain.documents import to_json
from shared.domain.run.documents import Run
from shared.domain.run.states import State
from shared.domain.schema import Schema
from shared.services.run.store import RunStore
from tests.support.host_harness import REPOSITORY, RunningHost
from tests.support.scoring_support import SCHEMA, Endpoint, serve, serving_document

HOST_KEY = "host-key-of-this-test"
CONTAINERS = ("incoming", "dropml-data", "dropml-quarantine", "dropml-state", "dropml-batch")


def _arm_handler(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    """Managed identity, and the ARM calls about an endpoint's address and keys."""
    busy = [0.0]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if "/onlineEndpoints/" in self.path:
                self._send(200, {"name": "x", "properties": {"scoringUri": endpoint.address("")}})
                return
            ends = int(time.time()) + 3600
            self._send(
                200,
                {
                    "access_token": "arm-token",
                    "expires_on": str(ends),
                    "resource": "x",
                    "token_type": "Bearer",
                },
            )

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            action = self.path.partition("?")[0].rpartition("/")[2]
            if self.headers.get("Authorization") != "Bearer arm-token":
                self._send(401, {"error": {"code": "AuthenticationFailed", "message": "no token"}})
            elif action == "listKeys":
                primary, secondary = endpoint.keys("")
                self._send(200, {"primaryKey": primary, "secondaryKey": secondary})
            elif action == "regenerateKeys" and time.monotonic() < busy[0]:
                self._send(409, {"error": {"code": "UserError", "message": "an operation is in progress"}})
            elif action == "regenerateKeys":
                busy[0] = time.monotonic() + 0.5  # an endpoint takes one operation at a time
                kind = json.loads(body)["keyType"]
                endpoint.begin_regenerate("", "primary" if kind == "Primary" else "secondary")
                self._send(202, None)
            else:
                self._send(404, {"error": {"code": "NotFound", "message": self.path}})

        def _send(self, status: int, doc: Any) -> None:
            raw = b"" if doc is None else json.dumps(doc).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *args: Any) -> None:
            """Quiet."""

    return Handler


@dataclass
class Cloud:
    """A running app: its host, its endpoint, and its state."""

    host: RunningHost
    endpoint: Endpoint
    state: ContainerClient
    storage: str
    key: str = HOST_KEY
    headers: dict[str, str] = field(default_factory=lambda: {"x-functions-key": HOST_KEY})

    @property
    def api(self) -> str:
        return f"{self.host.url}/api"


@contextmanager
def running(
    folder: Path,
    storage: str,
    *,
    external: Endpoint | None = None,
    schema: Schema = SCHEMA,
    **settings: str,
) -> Iterator[Cloud]:
    """Start it all; one dataset, `bank`, is in service. The containers have fixed names: use a fresh account.

    `external` is an endpoint that is served elsewhere: its URL and keys are used as they are.
    """
    service = BlobServiceClient.from_connection_string(storage)
    existing = {container.name for container in service.list_containers()}
    for name in CONTAINERS:
        if name not in existing:
            service.create_container(name)
    state = service.get_container_client("dropml-state")
    with nullcontext(external) if external else serve(Endpoint(scripts={"m1-a1": ["no", "yes"]})) as endpoint:
        arm = ThreadingHTTPServer(("127.0.0.1", 0), _arm_handler(endpoint))
        threading.Thread(target=arm.serve_forever, args=(0.05,), daemon=True).start()
        _seed(state, endpoint, schema)
        host = _launch(folder, storage, f"http://127.0.0.1:{arm.server_port}", settings)
        try:
            host.wait_ready(60)
            yield Cloud(host, endpoint, state, storage)
        finally:
            host.stop()
            arm.shutdown()
            arm.server_close()
            service.close()


def _launch(folder: Path, storage: str, arm: str, settings: dict[str, str]) -> RunningHost:
    values = {
        "AzureWebJobsStorage": storage,
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "DATA_STORAGE": storage,
        "INCOMING_CONTAINER": "incoming",
        "LIFECYCLE_SCHEDULE": "*/2 * * * * *",
        "SWEEP_SCHEDULE": "0 0 0 1 1 *",
        "RETRAIN_SCHEDULE": "0 0 0 1 1 *",
        "AZURE_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000001",
        "AZURE_RESOURCE_GROUP": "dropml",
        "AZUREML_WORKSPACE": "dropml",
        "AZUREML_DEV_URL_MFE": arm,
        "IDENTITY_ENDPOINT": f"{arm}/msi/token",
        "IDENTITY_HEADER": "secret",
        **settings,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": values}))
    keys = {"master": "master-key-of-this-test", "default": HOST_KEY, "functions": {}}
    (folder / "keys.json").write_text(json.dumps(keys))
    command = [sys.executable, "-m", "dropml.functions_host", "--app", str(REPOSITORY), "--port", "0"]
    command += ["--settings", str(folder / "local.settings.json"), "--keys", str(folder / "keys.json")]
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return RunningHost(process)


def _seed(state: ContainerClient, endpoint: Endpoint, schema: Schema) -> None:
    """One dataset in service, and the run behind it."""
    documents = JsonStore(state)
    path = "serving/bank.json"
    found = documents.get(path)
    if found:
        documents.replace(path, serving_document(endpoint, schema=to_json(schema)), found[1])
        return
    documents.create(path, serving_document(endpoint, schema=to_json(schema)))
    store = RunStore(documents, LedgerStore(state), time.time)
    store.ensure_dataset("bank")

    def build(n: int, attempt: int) -> Run:
        now = time.time()
        run = Run(
            run_id=f"bank-{n}-a{attempt}",
            dataset="bank",
            slug="bank",
            n=n,
            attempt=attempt,
            key="k",
            cause="drop",
            state=State.FAILED,
            created_at=now,
            entered_at=now,
            config_hash="c",
        )
        return run.opened(now, "test")

    run_id, _ = store.claim("bank", "k", build)
    store.settle(*store.load(run_id))


@contextmanager
def cloud_in(folder: Path) -> Iterator[Cloud]:
    """The app on a Functions host and an Azurite of its own: its containers have fixed names."""
    process.install()
    azurite = process.start(folder / "azurite", die_with_parent=True)
    try:
        with running(folder / "app", azurite.connection_string) as cloud:
            yield cloud
    finally:
        azurite.stop()
