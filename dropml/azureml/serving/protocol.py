"""HTTP/1.x on a socket: parsing, limits, keep-alive and the order of answers.

httptools (llhttp, strict) parses; nothing here knows what is served. An app answers a request at once by
returning (head, body), or later by `Connection.send`. Requests that arrive behind an unanswered one wait in
order, so pipelining is safe.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httptools

Answer = tuple[bytes, bytes]  # status line and headers, each ended by CRLF; body


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may cost. Sizes in bytes, times in seconds."""

    body: int = 1_572_864
    head: int = 32_768
    url: int = 8_192
    header_count: int = 100
    head_seconds: float = 10.0
    body_seconds: float = 60.0
    idle_seconds: float = 180.0
    linger_seconds: float = 2.0
    linger_bytes: int = 16_777_216
    pipelined: int = 16
    connections: int = 2048


@dataclass(slots=True, eq=False)
class Request:
    """One parsed request. Header names are lower case; of a repeated header the last value counts."""

    method: str
    target: bytes
    headers: dict[bytes, bytes]
    body: bytes
    connection: "Connection"
    keep_alive: bool
    http10: bool
    received: float
    gone: bool = False  # the client has closed: nobody reads the answer


@dataclass(slots=True)
class Hub:
    """What the connections of one server share."""

    limits: Limits
    handle: Callable[[Request], Answer | None]
    plain: Callable[[int, str], Answer]
    connections: set["Connection"] = field(default_factory=set)
    closing: bool = False


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.limits = hub.limits
        self.deadline = time.monotonic() + hub.limits.idle_seconds
        self.transport: Any = None
        self.parser = httptools.HttpRequestParser(self)
        self.waiting: deque[Request | Answer] = deque()
        self.current: Request | None = None  # being answered elsewhere
        self.in_message = False
        self.head_done = True
        self.head_bytes = 0
        self.dead = False  # no further request is taken
        self.discarded = 0
        self.write_paused = False
        self.read_paused = False
        self.continue_due = False

    # transport callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        if self.hub.closing or len(self.hub.connections) >= self.limits.connections:
            self._write(self.hub.plain(503, "Too many connections."), close=True)
            transport.close()
            self.dead = True
            return
        self.hub.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.dead = True
        self.hub.connections.discard(self)
        self.waiting.clear()
        if self.current is not None:
            self.current.gone = True

    def eof_received(self) -> bool:
        # Half-closed: what was asked completely is still answered, then the connection closes.
        self.dead = True
        return self.current is not None or bool(self.waiting)

    def pause_writing(self) -> None:
        self.write_paused = True
        self.deadline = time.monotonic() + self.limits.body_seconds

    def resume_writing(self) -> None:
        self.write_paused = False
        self._next()

    def data_received(self, data: bytes) -> None:
        if self.dead:
            self._discard(data)
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.dead = True  # answered without upgrading; the connection closes after the answer
        except httptools.HttpParserCallbackError as error:
            raise RuntimeError("request callback failed") from error
        except httptools.HttpParserError:
            if not self.dead:
                self._refuse(400, "The request is not valid HTTP.")
            return
        if self.in_message and not self.head_done:
            self.head_bytes += len(data)
            if self.head_bytes > self.limits.head:
                self._refuse(431, "The request's headers are too large.")

    # parser callbacks

    def on_message_begin(self) -> None:
        self.in_message = True
        self.head_done = False
        self.head_bytes = 0
        self.url = b""
        self.headers: dict[bytes, bytes] = {}
        self.header_count = 0
        self.header_size = 0
        self.body = b""
        self.chunks: list[bytes] = []
        self.body_size = 0
        if self.current is None:
            self.deadline = time.monotonic() + self.limits.head_seconds

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.head_done:
            return  # trailers of a chunked body say nothing to us
        self.header_count += 1
        self.header_size += len(name) + len(value)
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.head_done = True
        if self.dead:
            return
        limits = self.limits
        if len(self.url) > limits.url:
            self._refuse(414, "The request's URL is too long.")
        elif self.header_count > limits.header_count or self.header_size > limits.head:
            self._refuse(431, "The request's headers are too large.")
        elif int(self.headers.get(b"content-length", 0)) > limits.body:
            self._refuse(413, _too_large(limits.body))
        elif b"expect" in self.headers:
            self._expectation(self.headers[b"expect"])
        if self.current is None and not self.dead:
            self.deadline = time.monotonic() + limits.body_seconds

    def on_body(self, chunk: bytes) -> None:
        if self.dead:
            return
        self.body_size += len(chunk)
        if self.body_size > self.limits.body:
            self._refuse(413, _too_large(self.limits.body))
        elif not self.body:
            self.body = chunk
        else:
            self.chunks.append(chunk)

    def on_message_complete(self) -> None:
        self.in_message = False
        if self.dead:
            return
        self.continue_due = False
        parser = self.parser
        http10 = parser.get_http_version() != "1.1"
        request = Request(
            method=parser.get_method().decode("ascii"),
            target=self.url,
            headers=self.headers,
            body=self.body if not self.chunks else b"".join((self.body, *self.chunks)),
            connection=self,
            keep_alive=parser.should_keep_alive() and not parser.should_upgrade(),
            http10=http10,
            received=time.perf_counter(),
        )
        if not request.keep_alive:
            self.dead = True
        if self.current is None and not self.waiting and not self.write_paused:
            self._answer(request)
        else:
            self._enqueue(request)

    # answering

    def send(self, request: Request, answer: Answer) -> None:
        """Write the answer to the request now being answered, then turn to the next."""
        if self.current is request:
            self.current = None
        if request.gone:
            return
        self._finish(request, answer)
        self._next()

    def close_when_idle(self) -> None:
        """Stop taking requests; close as soon as everything asked is answered."""
        if self.current is None and not self.waiting and not self.in_message:
            self.dead = True
            self.transport.close()

    def overdue(self, now: float) -> None:
        """Called from time to time: enforce the deadlines."""
        if now < self.deadline or self.transport is None:
            return
        if self.write_paused or self.dead:
            if self.current is None:
                self.transport.abort()
        elif self.current is None and not self.waiting:
            if self.in_message:
                self._refuse(408, "The request did not arrive in time.")
            else:
                self.transport.close()

    def _answer(self, request: Request) -> None:
        self.current = request
        answer = self.hub.handle(request)
        if answer is not None:
            self.current = None
            self._finish(request, answer)

    def _finish(self, request: Request, answer: Answer) -> None:
        close = not request.keep_alive or self.hub.closing
        self._write(
            answer if request.method != "HEAD" else (answer[0], b""),
            close=close,
            keep=request.http10,
            length=len(answer[1]),
        )
        if close:
            self._close()
            return
        if self.continue_due:
            self._continue()
        limits = self.limits
        self.deadline = time.monotonic() + (limits.head_seconds if self.in_message else limits.idle_seconds)

    def _next(self) -> None:
        while self.waiting and self.current is None and not self.write_paused:
            item = self.waiting.popleft()
            if isinstance(item, Request):
                self._answer(item)
            else:
                self._write(item, close=True)
                self._close()
        if self.read_paused and len(self.waiting) < self.limits.pipelined and not self.transport.is_closing():
            self.read_paused = False
            self.transport.resume_reading()
        if self.dead and self.current is None and not self.waiting:
            self._close()

    def _enqueue(self, item: Request | Answer) -> None:
        self.waiting.append(item)
        if len(self.waiting) >= self.limits.pipelined and not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def _refuse(self, status: int, sentence: str) -> None:
        """Answer what cannot be served, and close once the client has had the time to read that."""
        self.dead = True
        answer = self.hub.plain(status, sentence)
        if self.current is not None or self.waiting:
            self._enqueue(answer)
        else:
            self._write(answer, close=True)
            self._linger()

    def _linger(self) -> None:
        # Closing at once while the client still sends would reset the connection and lose the answer.
        self.deadline = time.monotonic() + self.limits.linger_seconds
        if self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()
        else:
            self.transport.close()

    def _discard(self, data: bytes) -> None:
        self.discarded += len(data)
        if self.discarded > self.limits.linger_bytes:
            self.transport.abort()

    def _close(self) -> None:
        self.dead = True
        if self.in_message:
            self._linger()
        else:
            self.transport.close()

    def _expectation(self, value: bytes) -> None:
        if value.lower() != b"100-continue":
            self._refuse(417, "Only Expect: 100-continue is understood.")
        elif self.parser.get_http_version() == "1.1":
            self.continue_due = True
            if self.current is None and not self.waiting:
                self._continue()

    def _continue(self) -> None:
        self.continue_due = False
        self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _write(self, answer: Answer, *, close: bool, keep: bool = False, length: int = -1) -> None:
        head, body = answer
        fate = b"Connection: close\r\n" if close else b"Connection: keep-alive\r\n" if keep else b""
        size = len(body) if length < 0 else length
        self.transport.write(b"%bContent-Length: %d\r\n%b\r\n%b" % (head, size, fate, body))


def _too_large(limit: int) -> str:
    return f"The request's payload is larger than {limit} bytes."
