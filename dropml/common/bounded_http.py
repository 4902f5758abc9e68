"""uvicorn's HTTP connection with limits that hold before the application is asked anything.

Heads are bounded in size and time, bodies in size and by the rate at which they come, connections in number. uvicorn
bounds none of these itself. Figures are Kestrel's where it has one, stricter where a slow caller would hold a place.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

log = logging.getLogger(__name__)

Scope = dict[str, Any]
_LINGER_S = 2.0  # a refused caller that is still sending gets so long to read why


@dataclass(frozen=True)
class Limits:
    """`body_bytes` says how large a request's body may be, from its head alone."""

    body_bytes: Callable[[Scope], int]
    connections: int = 1000
    head_bytes: int = 40 * 1024  # Kestrel: 8 KiB of request line, 32 KiB of headers
    head_seconds: float = 10.0
    body_seconds: float = 10.0  # of grace, and then at least body_rate
    body_rate: float = 4096.0  # bytes a second
    explain: Callable[[int], tuple[bytes, bytes]] = lambda _: (b"text/plain", b"")


def bounded(limits: Limits) -> type[HttpToolsProtocol]:
    """A connection class for uvicorn's setting `http`."""
    return type("BoundedConnection", (BoundedConnection,), {"limits": limits})


class BoundedConnection(HttpToolsProtocol):
    """One connection. What breaks a limit is answered 400, 408, 413, 431 or 503, and hung up on.

    An offer to go on in another protocol is passed over, as Kestrel does: Java's client makes it (h2c) to every server.
    """

    limits: Limits
    #: URL and headers of a request while its parser is replaced.
    _kept: tuple[bytes, list[tuple[bytes, bytes]]] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.began = self.loop.time()
        self._in_head = self._in_body = self._refused = False
        self._head_bytes = self._body_bytes = 0
        self._body_limit = 0
        self._deadline: asyncio.TimerHandle | None = None
        if len(self.connections) > self.limits.connections and not self._make_room():
            self._refuse(503)
            return
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    @property
    def idle(self) -> bool:
        """Nothing that it asked is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _make_room(self) -> bool:
        """Hang up on the idle connection that has waited longest; False if every other one is at work."""
        idle = [c for c in self.connections if c is not self and isinstance(c, BoundedConnection) and c.idle]
        if not idle:
            return False
        min(idle, key=lambda connection: connection.began).transport.abort()
        return True

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        from_body = self._in_body
        if not from_body and self._deadline is None:
            self._wait_for_head()
        self._unset_keepalive_if_required()
        self._feed(data)
        if self._in_head and not from_body and not self._refused:
            # Of a head that isn't complete the parser tells nothing, and keeps all of it.
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.head_bytes:
                self._refuse(431)

    def _feed(self, data: bytes) -> None:
        while not self._refused:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                data = self._framing() + data[offer.args[0] :]
                self._new_parser()
            except httptools.HttpParserError as error:
                self.logger.warning("Invalid HTTP request received.")
                self.send_400_response(str(error))
                return
            else:
                return

    def _framing(self) -> bytes:
        """A head that says how the body comes, and nothing else."""
        framing = [pair for pair in self.headers if pair[0] in (b"content-length", b"transfer-encoding")]
        return b"".join([b"POST / HTTP/1.1\r\n", *(b"%s: %s\r\n" % pair for pair in framing), b"\r\n"])

    def _new_parser(self) -> None:
        """For the parser HTTP ends with the head of an offer: the body is read by another one, after a head without it."""
        self._kept, self.headers = (self.url, self.headers), []
        self.parser = httptools.HttpRequestParser(self)
        with contextlib.suppress(AttributeError):  # as uvicorn; httptools before 0.6.3
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def _should_upgrade(self) -> bool:
        return False

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP at all; the parser's words for it stay in the log."""
        self._refuse(400)

    def on_message_begin(self) -> None:
        if self._kept:
            return
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self._kept:
            (self.url, self.headers), self._kept = self._kept, None
            return
        self._in_head, self._in_body = False, True
        self._disarm()
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self.limits.head_bytes:
            self._refuse(431)
            return
        declared, chunked = _body_of(self.headers)
        self.began, self._body_bytes = self.loop.time(), 0
        if declared or chunked:
            self._wait_for_body()
        super().on_headers_complete()
        # The same scope that is served: what is told from it here is not told again.
        self._body_limit = self.limits.body_bytes(cast("Scope", self.scope)) if declared or chunked else 0
        if declared > self._body_limit:
            self._refuse(413)

    def on_body(self, body: bytes) -> None:
        if self._refused:
            return
        self._body_bytes += len(body)
        if self._body_bytes > self._body_limit:
            self._refuse(413)
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():  # its body is still to come
            return
        self._disarm()
        self._in_body = False
        if not self._refused:
            super().on_message_complete()

    def _wait_for_head(self) -> None:
        self._arm(self.limits.head_seconds, lambda: self._refuse(408))

    def _wait_for_body(self) -> None:
        """Until the rate at which it comes falls short: told by what has come so far."""
        allowed = self.limits.body_seconds + self._body_bytes / self.limits.body_rate
        left = self.began + allowed - self.loop.time()
        if left <= 0:
            self._refuse(408)
        else:
            self._arm(left, self._wait_for_body)

    def _arm(self, seconds: float, action: Callable[[], None]) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(seconds, action)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: int) -> None:
        """Answer where nothing has been answered yet, and hang up; what still comes is thrown away unread."""
        self._disarm()
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        answered = self._in_body and self.cycle is not None and self.cycle.response_started
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # the application hears that its caller is gone
            self.cycle.message_event.set()
        if answered or (status == 408 and not self._in_body and not self._in_head):
            self.transport.close()  # it has its answer, or has asked nothing
            return
        kind, text = self.limits.explain(status)
        head = [STATUS_LINE[status], b"content-type: ", kind, b"\r\ncontent-length: %d\r\n" % len(text)]
        head += [b"retry-after: 1\r\n"] if status == 503 else []
        self.transport.write(b"".join([*head, b"connection: close\r\n\r\n", text]))
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_S, self.transport.abort)


def _body_of(headers: list[tuple[bytes, bytes]]) -> tuple[int, bool]:
    """The length that the head tells (the parser has refused what is no number), and whether it comes in chunks."""
    told, chunked = 0, False
    for name, value in headers:
        if name == b"content-length":
            told = int(value)
        elif name == b"transfer-encoding":
            chunked = True
    return told, chunked
