"""One client's connection: keep-alive, deadlines and the order of answers.

An app answers a request at once by returning (head, body), or later by `Connection.send`. Requests that arrive behind an
unanswered one wait in order, so pipelining is safe.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dropml.azureml.serving.messages import Answer, ConnectionLimits, Request
from dropml.azureml.serving.reading import RequestReader


@dataclass(slots=True)
class Hub:
    """What the connections of one server share."""

    limits: ConnectionLimits
    handle: Callable[[Request], Answer | None]
    plain: Callable[[int, str], Answer]
    stranger: Callable[[dict[bytes, bytes]], Answer | None]
    connections: dict["Connection", None] = field(default_factory=dict)  # in the order they came
    closing: bool = False

    def room(self, most: int) -> bool:
        """Whether one more connection may be; of too many, the one goes that has waited longest with its first request."""
        if len(self.connections) < most:
            return True
        slow = next((c for c in self.connections if not c.proven), None)
        if slow is None:
            return False
        del self.connections[slow]
        slow.transport.abort()
        return True


class Connection(RequestReader):
    """One client's connection."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub.limits)
        self.hub = hub
        self.read_paused = False

    # the transport's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        if self.hub.closing or not self.hub.room(self.limits.connections):
            self._write(self.hub.plain(503, "Too many connections."), close=True)
            transport.close()
            self.dead = True
            return
        self.hub.connections[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        self.dead = True
        self.hub.connections.pop(self, None)
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
        self._refuse_with(self.hub.plain(status, sentence))

    def _stranger(self, headers: dict[bytes, bytes]) -> Answer | None:
        return self.hub.stranger(headers)

    def _refuse_with(self, answer: Answer) -> None:
        self.dead = True
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
