"""An online endpoint over real HTTP, as far as the proxy can tell: keys, pinned deployments, scripted trouble."""

from __future__ import annotations

import asyncio
import inspect
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import azure.functions as func
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.adapters.endpoint import EndpointHttp
from shared.adapters.serving_directory import StoredServing
from shared.domain.documents import to_json
from shared.domain.schema import Column, Schema
from shared.services.scoring.calling import EndpointCalls
from shared.services.scoring.endpoints import Endpoints
from shared.services.scoring.exchange import ScoreLimits
from shared.services.scoring.keys import KeyRing, Slot
from shared.services.scoring.proxy import Scoring
from shared.services.scoring.rotation import Rotations
from tests.support.memory import MemoryDocuments

SCHEMA = Schema(
    label="y",
    columns=(
        Column("age", "integer", minimum=17, maximum=98),
        Column("job", "string", categories=("admin.", "technician")),
        Column("euribor3m", "number"),
        Column("member", "boolean", nullable=True),
    ),
    classes=("no", "yes"),
    example=(
        {"age": 57, "job": "technician", "euribor3m": 1.299, "member": True},
        {"age": 30, "job": "admin.", "euribor3m": 4.86, "member": None},
    ),
)
ROW: dict[str, Any] = dict(SCHEMA.example[0])


@dataclass
class Scripted:
    """An answer given instead of the usual one; `hang_up` closes the connection without any."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    hang_up: bool = False


@dataclass
class Endpoint:
    """State of the endpoint; tests change it while it serves. Also the source of its keys."""

    url: str = ""
    live_keys: list[str] = field(default_factory=lambda: ["p0", "s0"])
    deployments: set[str] = field(default_factory=lambda: {"m1-a1"})
    #: Deployments that run a scoring script, and the classes of each.
    scripts: dict[str, list[Any]] = field(default_factory=dict)
    script: list[Scripted] = field(default_factory=list)
    seen: list[dict[str, Any]] = field(default_factory=list)
    key_reads: int = 0
    regenerated: list[str] = field(default_factory=list)
    token_value: str = "t0"
    idle_seconds: float | None = None
    delay: float = 0.0
    swagger: bytes = b'{"swagger": "2.0", "paths": {"/score": {}}}'
    lock: threading.Lock = field(default_factory=threading.Lock)

    # -- shared.services.scoring.keys.KeySource --------------------------------------------------------------------

    def keys(self, endpoint: str) -> tuple[str, str]:
        with self.lock:
            self.key_reads += 1
            return self.live_keys[0], self.live_keys[1]

    def token(self, endpoint: str) -> tuple[str, float]:
        return self.token_value, time.time() + 3600

    def address(self, endpoint: str) -> str:
        return f"{self.url}/score"

    def begin_regenerate(self, endpoint: str, which: Slot) -> None:
        at = 0 if which == "primary" else 1
        with self.lock:
            self.regenerated.append(which)
            self.live_keys[at] = f"{which[0]}{len(self.regenerated)}"

    # -- answers -------------------------------------------------------------------------------------------

    def answer(self, headers: Any, body: bytes) -> Scripted:
        with self.lock:
            self.seen.append({"headers": {k.lower(): v for k, v in headers.items()}, "body": body})
            scripted = self.script.pop(0) if self.script else None
            allowed = {f"Bearer {key}" for key in [*self.live_keys, self.token_value]}
        if scripted:
            return scripted
        if headers.get("Authorization") not in allowed:
            return Scripted(401, b'{"message": "key_auth_bad_header_forbidden"}')
        deployment = headers.get("azureml-model-deployment") or "m1-a1"
        if deployment not in self.deployments:
            return Scripted(404, b'{"message": "no such deployment"}')
        sent = json.loads(body)
        said = {"azureml-model-deployment": deployment}
        if deployment in self.scripts:
            found: Any = scripted_answer(sent, self.scripts[deployment])
        elif sent.keys() != {"input_data"}:
            return Scripted(424, b"unknown parameters", {"ms-azureml-model-error-statuscode": "400"})
        else:
            found = ["yes" if age > 50 else "no" for age in _ages(sent)]
        return Scripted(200, json.dumps(found).encode(), said, self.delay)


def _ages(sent: dict[str, Any]) -> list[float]:
    table = sent["input_data"]
    return [row[table["columns"].index("age")] for row in table["data"]]


def scripted_answer(sent: dict[str, Any], classes: list[Any]) -> dict[str, Any]:
    """What `scorer/score.py` answers: the probability of the second class is a hundredth of the age."""
    params, shares = sent.get("params", {}), [min(max(age / 100, 0.0), 1.0) for age in _ages(sent)]
    threshold = params.get("threshold")
    bound = 0.5 if threshold is None else threshold
    found: dict[str, Any] = {"result": [classes[share >= bound] for share in shares], "model": "bank:1"}
    if params.get("method") != "predict":
        rest = [0.0] * (len(classes) - 2)
        found["probabilities"] = [[1 - share, share, *rest] for share in shares]
        found["classes"] = classes
    if threshold is not None:
        found["threshold"] = threshold
    if params.get("explain"):
        columns = sent["input_data"]["columns"]
        found["contributions"] = {
            "columns": columns,
            "of": [classes[1]] * len(shares),
            "base": [0.4] * len(shares),
            "values": [[share - 0.4 if name == "age" else 0.0 for name in columns] for share in shares],
            "method": "a hundredth of the age",
        }
    return found


def _handler(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = endpoint.idle_seconds
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._send(endpoint.answer(self.headers, body))

        def do_GET(self) -> None:
            self._send(
                Scripted(200, endpoint.swagger if self.path.startswith("/swagger.json") else b'"Healthy"')
            )

        def _send(self, answer: Scripted) -> None:
            time.sleep(answer.delay)
            if answer.hang_up:
                self.close_connection = True
                return
            head = f"HTTP/1.1 {answer.status} X\r\nContent-Length: {len(answer.body)}\r\nConnection: keep-alive\r\n"
            head += "".join(f"{k}: {v}\r\n" for k, v in answer.headers.items())
            self.wfile.write(head.encode() + b"\r\n" + answer.body)

        def log_message(self, *args: Any) -> None:
            """Quiet."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no news."""


@contextmanager
def serve(endpoint: Endpoint, tls: ssl.SSLContext | None = None) -> Iterator[Endpoint]:
    server = _Server(("127.0.0.1", 0), _handler(endpoint))
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    endpoint.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()


def certificate(folder: Path) -> Path:
    """A self-signed certificate for 127.0.0.1: `server.pem` with its key; returns the authority's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(private + public)
    (folder / "ca.pem").write_bytes(public)
    return folder / "ca.pem"


def serving_document(endpoint: Endpoint, dataset: str = "bank", **changes: Any) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "slug": dataset,
        "endpoint": f"{dataset}-abc123",
        "scoring_uri": f"{endpoint.url}/score",
        "auth_mode": "key",
        "traffic": {"m1-a1": 100},
        "deployments": {
            "m1-a1": {
                "run_id": f"{dataset}-1-a1",
                "model": f"{dataset}:1",
                "mode": "script" if "m1-a1" in endpoint.scripts else "no_code",
            },
            "m2-a1": {"run_id": f"{dataset}-2-a1", "model": f"{dataset}:2"},
        },
        "live": "m1-a1",
        "schema": to_json(SCHEMA),
        "updated_at": 1.0,
        **changes,
    }


@dataclass
class App:
    """The scoring side, wired as the bootstrap does, over memory and a real socket."""

    endpoint: Endpoint
    documents: MemoryDocuments = field(default_factory=MemoryDocuments)
    limits: ScoreLimits = field(default_factory=lambda: ScoreLimits(timeout_seconds=5.0))

    def __post_init__(self) -> None:
        self.directory = StoredServing(self.documents)
        self.calls = EndpointCalls(EndpointHttp(), KeyRing(self.endpoint))
        self.scoring = Scoring(self.directory, self.calls, self.limits)
        self.endpoints = Endpoints(self.directory, self.calls)
        self.rotations = Rotations(self.endpoints, self.documents, time.time)

    def publish(self, dataset: str = "bank", **changes: Any) -> None:
        """Write the serving document, as promotion does."""
        doc, path = serving_document(self.endpoint, dataset, **changes), f"serving/{dataset}.json"
        found = self.documents.get(path)
        if found is None:
            self.documents.create(path, doc)
        else:
            self.documents.replace(path, doc, found[1])


def request(
    body: Any = None,
    *,
    method: str = "POST",
    url: str = "http://host/api/score/bank",
    headers: dict[str, str] | None = None,
    params: dict[str, str] | None = None,
    route: dict[str, str] | None = None,
) -> func.HttpRequest:
    """A request as the host hands it to a function: lower-case headers, body bytes."""
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    lower = {k.lower(): v for k, v in ({"content-type": "application/json"} | (headers or {})).items()}
    return func.HttpRequest(
        method=method, url=url, headers=lower, params=params or {}, route_params=route or {}, body=raw
    )


def call(function: Callable[..., Any], req: func.HttpRequest) -> func.HttpResponse:
    """Call a function of a blueprint: the decorator keeps the plain one inside."""
    target = function
    while not callable(target) or hasattr(target, "_function"):
        target = target._function.get_user_function()
    returned = target(req)
    response: func.HttpResponse = asyncio.run(returned) if inspect.iscoroutine(returned) else returned
    return response


def body_of(response: func.HttpResponse) -> Any:
    return json.loads(response.get_body())
