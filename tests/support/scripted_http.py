"""A small real HTTP server that answers as a test has written down, and keeps what it was asked."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Reply:
    """`seconds` passes before the answer; `hang_up` closes the connection without any."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    hang_up: bool = False


@dataclass
class Service:
    """Answers `script` in turn, then `usual` for ever."""

    url: str = ""
    script: list[Reply] = field(default_factory=list)
    usual: Reply = field(default_factory=Reply)
    seen: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    #: By their names in small letters.
    headers: list[dict[str, str]] = field(default_factory=list)


def _handler(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            service.seen.append(f"{self.command} {self.path}")
            service.bodies.append(body)
            service.headers.append({name.lower(): value for name, value in self.headers.items()})
            reply = service.script.pop(0) if service.script else service.usual
            time.sleep(reply.seconds)
            if reply.hang_up:
                self.close_connection = True
                return
            self.send_response(reply.status)
            headers = {"Content-Type": "application/json", "Content-Length": str(len(reply.body))}
            for name, value in (headers | reply.headers).items():
                self.send_header(name, value)
            with suppress(ConnectionError):  # a caller that has gone
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else reply.body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Handler


@contextmanager
def scripted(
    *script: Reply, usual: Reply | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[Service]:
    service = Service(script=list(script), usual=usual or Reply())
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(service))
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    service.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
