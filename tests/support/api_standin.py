"""An app that answers what a test says, over real HTTP, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "the-key"
Answers = dict[str, Any]


@dataclass
class Asked:
    method: str
    path: str
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Api:
    """`answers`: "GET /runs" -> a document, (status, document), or a list of them, one a call, the last one for ever."""

    url: str
    answers: Answers
    asked: list[Asked] = field(default_factory=list)

    def answer(self, method: str, path: str) -> tuple[int, Any]:
        found = self.answers.get(f"{method} {path}")
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if found is None:
            return 404, {"title": "Not found", "detail": f"There is no {path}.", "code": "not-found"}
        return found if isinstance(found, tuple) else (200, found)


@contextmanager
def api(answers: Answers) -> Iterator[Api]:
    """Calls without the key get 401 and no body, as the Functions host answers them."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            path = self.path.removeprefix("/api")
            headers = {name.lower(): value for name, value in self.headers.items()}
            standin.asked.append(Asked(self.command, path, raw, headers))
            if headers.get("x-functions-key") != KEY and path != "/health":
                status, document = 401, None
            else:
                status, document = standin.answer(self.command, path.partition("?")[0])
            body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
            body = b"" if document is None else body
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _serve  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    standin = Api(f"http://127.0.0.1:{server.server_port}", answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield standin
    finally:
        server.shutdown()
        server.server_close()
