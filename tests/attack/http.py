"""Attacks on ports that speak HTTP: oddities, floods of slow connections, large bodies without a key, doors without a key."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

import requests

from tests.attack.tally import Tally
from tests.attack.wire import ANSWER_SECONDS, CLOSED, SILENT, Raw, connect, request, send, status

#: A stranger's half request is cut off within this (seconds).
CUT_SECONDS = 75.0
LARGE = 150 * 2**20
PIECE = b"x" * 2**16


def try_all(
    kind: str, url: str, cases: Iterable[Raw], tally: Tally, *, patience: float = ANSWER_SECONDS
) -> None:
    """Send each case on a connection of its own."""
    for raw in cases:
        tally.answered(kind, raw.name[:120], send(url, raw, patience), set(raw.allowed))


def keyless(kind: str, host: str, swagger: dict[str, Any], words: Iterable[str], tally: Tally) -> None:
    """Every documented operation, the host's own paths: without a key, and with a wrong one, they answer 401 and no word."""
    known = [word for word in words if len(word) > 2]
    for path, operations in swagger["paths"].items():
        for method in operations.keys() & {"get", "post", "put", "delete", "patch"}:
            if operations[method].get("security") == []:
                continue
            filled = re.sub(r"\{\w+\}", "bank", path)
            _both(kind, method.upper(), f"{host}{filled}", known, tally)
    for path in (
        "admin/host/status",
        "admin/host/keys",
        "admin/functions",
        "admin/functions/advance",
        "runtime/webhooks/blobs",
    ):
        _both(kind, "GET", f"{host}/{path}", known, tally)
        _both(kind, "POST", f"{host}/{path}", known, tally)


def _both(kind: str, method: str, url: str, words: list[str], tally: Tally) -> None:
    for headers in ({}, {"x-functions-key": "wrong"}, {"x-functions-key": ""}, {"Authorization": "Bearer x"}):
        answer = requests.request(method, url, headers=headers, json={}, timeout=30)
        what = f"{method} {url} {headers}"
        tally.answered(kind, what, answer.status_code, {401, 403, 404})
        found = [word for word in words if word in answer.text]
        tally.expect(kind, what, held=not found, seen=f"its answer names {found}")


def slow(kind: str, url: str, count: int, tally: Tally) -> None:
    """Connections that send half a request and then nothing: each is cut off in time."""
    half = [
        b"",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        request("POST", "/api/score/bank", {"Content-Length": "1000"}, b"{"),
    ]
    half.append(request("POST", "/admin/host/status", {"Content-Length": "1000"}))
    with ExitStack() as opened:
        waiting: list[socket.socket] = []
        for i in range(count):
            try:
                connection = opened.enter_context(connect(url))
                connection.sendall(half[i % len(half)])
            except OSError:
                tally.expect(kind, f"slow connection {i}", held=True)
                continue
            waiting.append(connection)
        deadline = time.monotonic() + CUT_SECONDS
        for i, connection in enumerate(waiting):
            found = status(connection, max(0.01, deadline - time.monotonic()))
            tally.expect(
                kind,
                f"slow connection {i}: {half[i % len(half)][:30]!r}",
                held=found != SILENT,
                seen="still open",
            )


def large(kind: str, url: str, paths: Iterable[tuple[str, str]], tally: Tally) -> None:
    """150 MiB without a key, with the length told and in chunks: refused, and never held in memory."""
    for method, path in paths:
        for chunked in (False, True):
            headers = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(LARGE)}
            with connect(url) as connection:
                sent = _pour(connection, request(method, path, headers), chunked=chunked)
                found = status(connection, 20)
                what = f"{method} {path} {'chunked' if chunked else 'told'}, {sent >> 20} MiB sent"
                tally.answered(kind, what, found, {CLOSED, 401, 403, 404, 405, 411, 413, 429})


def _pour(connection: socket.socket, head: bytes, *, chunked: bool) -> int:
    """Send until all is sent or the other side hangs up; bytes that it took."""
    piece = b"%x\r\n%s\r\n" % (len(PIECE), PIECE) if chunked else PIECE
    sent = 0
    try:
        connection.sendall(head)
        while sent < LARGE:
            connection.sendall(piece)
            sent += len(PIECE)
    except OSError:
        return sent
    return sent
