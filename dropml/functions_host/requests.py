"""An HTTP request as the host sees it, read from ASGI and passed on by the real host's rules."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from dropml.functions_host.bindings import HttpResult
from dropml.functions_host.routes import decode_path, encode_path

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class BodyTooLargeError(Exception):
    """The request's body is over the limit."""


class ClientGoneError(Exception):
    """The caller hung up before its body was complete."""


@dataclass
class Request:
    """Method, path and query as sent; header names lower-case, repeated ones joined by a comma."""

    method: str
    scheme: str
    raw_path: str
    query_string: str
    headers: dict[str, str]

    @classmethod
    def from_scope(cls, scope: Scope) -> Request:
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        raw_path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        return cls(
            scope["method"], scope["scheme"], raw_path, scope["query_string"].decode("latin-1"), headers
        )

    @cached_property
    def query(self) -> dict[str, str]:
        """Query values as functions get them: empty ones dropped, repeats joined by a comma, names case-insensitive."""
        values: dict[str, str] = {}
        spelling: dict[str, str] = {}
        for name, value in parse_qsl(self.query_string):  # drops what is empty
            name = spelling.setdefault(name.lower(), name)
            values[name] = f"{values[name]},{value}" if name in values else value
        return values

    @cached_property
    def url(self) -> str:
        """The absolute URL, its path percent-encoded as ASP.NET Core's PathString does it."""
        suffix = f"?{self.query_string}" if self.query_string else ""
        return f"{self.scheme}://{self.headers.get('host', '')}/{encode_path(decode_path(self.raw_path))}{suffix}"

    @property
    def key(self) -> str | None:
        """The access key: the header wins over `?code=`, even if it is the wrong one."""
        header = self.headers.get("x-functions-key")
        if header is not None or "code" not in self.query_string:
            return header
        return next((v for n, v in parse_qsl(self.query_string) if n.lower() == "code"), None)


def has_body(request: Request) -> bool:
    return "content-length" in request.headers or "transfer-encoding" in request.headers


async def read_body(request: Request, receive: Receive, limit: int) -> bytes:
    """The body if its length was declared, else b"" (the real host passes no chunked body on).

    Raises BodyTooLargeError, ClientGoneError.
    """
    declared = int(request.headers.get("content-length") or 0)
    if declared > limit:
        raise BodyTooLargeError
    if not declared and "transfer-encoding" not in request.headers:
        return b""
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise BodyTooLargeError
        if declared:
            chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)


async def respond(send: Send, result: HttpResult, extra: list[tuple[bytes, bytes]]) -> None:
    """Send a whole response."""
    headers = [*result.headers, *extra]
    if result.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(result.body)))
    await send({"type": "http.response.start", "status": result.status, "headers": headers})
    await send({"type": "http.response.body", "body": result.body})


def json_result(status: int, document: Any) -> HttpResult:
    """A JSON response."""
    headers = [(b"content-type", b"application/json; charset=utf-8")]
    return HttpResult(status, headers, json.dumps(document).encode())


def problem(status: int, detail: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> HttpResult:
    """The host's own refusal, as a problem document (RFC 9457). It says nothing of the app."""
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    kind = (b"content-type", b"application/problem+json")
    return HttpResult(status, [kind, *headers], json.dumps(document).encode())


def unauthorized() -> HttpResult:
    """No key, or a wrong one."""
    return problem(401, "A valid key is needed: send it as x-functions-key.")


def not_found() -> HttpResult:
    return problem(404, "Nothing here answers that method and path.")


def text_result(status: int, text: str = "") -> HttpResult:
    """A plain text response, empty by default."""
    headers = [(b"content-type", b"text/plain; charset=utf-8")] if text else []
    return HttpResult(status, headers, text.encode())
