"""Answers as bytes: status lines, the headers that the service's front door adds, request ids.

What real answers look like: a recorded score of the service (2025) has Server, azureml-model-deployment,
azureml-model-session, x-ms-run-fn-exec-ms, x-ms-run-function-failed, x-ms-server-version and a Content-Type
without charset. Error headers and texts: the service's documentation of status codes ("Troubleshoot online
endpoints"), its envoy filter, and azureml-inference-server-http 1.5.
"""

import random
import re
import time
from email.utils import formatdate
from http import HTTPStatus

import orjson

from dropml.azureml.serving.messages import Answer

SERVER_VERSION = b"x-ms-server-version: dropml-serving/0.1\r\n"
JSON = b"Content-Type: application/json\r\n"
TEXT = b"Content-Type: text/plain\r\n"
HTML = b"Content-Type: text/html; charset=utf-8\r\n"
_HEADER_LIMIT = 100  # characters of a request id, as azureml-inference-server-http has it
_CLIENT_ID_LIMIT = 40
_NOT_CLIENT_ID = re.compile(rb"[^A-Za-z0-9_-]")
_NOT_VISIBLE = re.compile(rb"[^\x21-\x7e]")
_GUID = re.compile(rb"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")


def _status_line(status: int) -> bytes:
    reason = HTTPStatus(status).phrase
    return b"HTTP/1.1 %d %b\r\nServer: azureml-frontdoor\r\n" % (status, reason.encode())


STATUS = {
    status: _status_line(status)
    for status in (200, 400, 401, 403, 404, 405, 408, 413, 414, 417, 424, 429, 431, 500, 503)
}


class Clock:
    """The Date header, made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self.line = b""

    def date(self) -> bytes:
        now = int(time.time())
        if now != self._second:
            self._second = now
            self.line = b"Date: %b\r\n" % formatdate(now, usegmt=True).encode()
        return self.line


CLOCK = Clock()


def head(status: int, *lines: bytes) -> bytes:
    """Status line, Server, Date and the given header lines."""
    return b"".join((STATUS[status], CLOCK.date(), *lines))


def text(status: int, sentence: str, *lines: bytes) -> Answer:
    """A text/plain answer, as the front door gives its own errors."""
    return head(status, TEXT, *lines), sentence.encode()


def json(status: int, value: object, *lines: bytes) -> Answer:
    """A JSON answer."""
    return head(status, JSON, *lines), orjson.dumps(value)


def model_error(reason: bytes, status: int | None = None) -> bytes:
    """Header lines that say what stands behind a 424, 408 or 429."""
    line = b"ms-azureml-model-error-reason: %b\r\n" % reason
    if status is not None:
        line += b"ms-azureml-model-error-statuscode: %d\r\n" % status
    return line


def request_ids(headers: dict[bytes, bytes]) -> tuple[bytes, bytes, bytes]:
    """(request id, client request id or b"", the header lines that carry them).

    x-request-id is the service's own: one that is no GUID is replaced. x-ms-client-request-id is the
    caller's, letters, digits, - and _ up to 40. x-ms-request-id is the older name of both.
    """
    own = headers.get(b"x-request-id")
    request_id = own if own and _GUID.fullmatch(own) else _guid()
    lines = b"x-request-id: " + request_id + b"\r\n"
    client = headers.get(b"x-ms-client-request-id", b"")
    if client:
        client = _NOT_CLIENT_ID.sub(b"", client)[:_CLIENT_ID_LIMIT]
        if client:
            lines += b"x-ms-client-request-id: " + client + b"\r\n"
    legacy = headers.get(b"x-ms-request-id")
    if legacy:
        legacy = _NOT_VISIBLE.sub(b"", legacy)[:_HEADER_LIMIT]
    return request_id, client, lines + b"x-ms-request-id: " + (legacy or client or request_id) + b"\r\n"


def _guid() -> bytes:
    # A trace id, no secret: uuid4's call of the kernel for random bytes costs more than the rest.
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}".encode()
