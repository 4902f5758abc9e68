"""Requests as bytes on a socket, for what no HTTP client would send."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

#: The server hung up without an answer.
CLOSED = 0
#: It neither answered nor hung up.
SILENT = -1
REFUSED = frozenset({CLOSED, 400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 422, 429, 431, 501, 505})
ANSWER_SECONDS = 20.0


@dataclass(frozen=True)
class Raw:
    """`pieces` are sent one by one with `pause` seconds between. `allowed`: what may be answered."""

    name: str
    pieces: tuple[bytes, ...]
    allowed: frozenset[int] = REFUSED
    pause: float = 0.0


def connect(url: str) -> socket.socket:
    """A connection to the URL's host; its certificate is not the matter here."""
    found = urlsplit(url)
    plain = socket.create_connection((found.hostname or "127.0.0.1", found.port or 443), timeout=10)
    if found.scheme != "https":
        return plain
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(plain)


def send(url: str, raw: Raw, patience: float = ANSWER_SECONDS) -> int:
    """The answer's status, CLOSED or SILENT; one that may stay silent is waited for as long as `patience` (seconds)."""
    with connect(url) as connection:
        try:
            for piece in raw.pieces:
                connection.sendall(piece)
                time.sleep(raw.pause)
        except OSError:
            pass  # hung up on in the middle of a body: the answer, if there is one, was sent before that
        return status(connection, patience if SILENT in raw.allowed else ANSWER_SECONDS)


def status(connection: socket.socket, seconds: float) -> int:
    """What comes within so many seconds."""
    connection.settimeout(seconds)
    try:
        head = connection.recv(64)
    except TimeoutError:
        return SILENT
    except OSError:
        return CLOSED
    words = head.split(b" ", 2)
    return int(words[1]) if len(words) > 1 and words[1][:3].isdigit() else CLOSED


def request(method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> bytes:
    """A request's bytes; nothing is checked or added but `Host`."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body
