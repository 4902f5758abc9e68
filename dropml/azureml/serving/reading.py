"""Reading HTTP/1.x requests: parsing, and the limits of what a client may send.

httptools (llhttp, strict) parses; nothing here knows what is served.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from typing import Any

import httptools

from dropml.azureml.serving.messages import Answer, ConnectionLimits, Request

#: A body that is larger is read from callers alone whose key has been checked.
_SMALL_BODY = 16_384


class RequestReader(asyncio.Protocol, ABC):
    """The half of a connection that listens; what answers is its subclass."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self.deadline = time.monotonic() + limits.idle_seconds
        self.transport: Any = None
        self.parser = httptools.HttpRequestParser(self)
        self.waiting: deque[Request | Answer] = deque()
        self.current: Request | None = None  # being answered elsewhere
        self.in_message = False
        self.head_done = True
        self.head_bytes = 0
        self.proven = False  # it has sent a whole request
        self.dead = False  # no further request is taken
        self.discarded = 0
        self.write_paused = False
        self.continue_due = False

    @abstractmethod
    def send(self, request: Request, answer: Answer) -> None:
        """Write the answer to a request that was not answered at once."""

    @abstractmethod
    def _answer(self, request: Request) -> None:
        """Take a whole request while no other is being answered."""

    @abstractmethod
    def _enqueue(self, item: Request | Answer) -> None:
        """Keep a request, or the last answer, behind one that is being answered."""

    @abstractmethod
    def _refuse(self, status: int, sentence: str) -> None:
        """Answer what cannot be served, and take nothing more."""

    @abstractmethod
    def _stranger(self, headers: dict[bytes, bytes]) -> Answer | None:
        """The refusal of a caller whose key is wrong, told by the headers alone."""

    @abstractmethod
    def _refuse_with(self, answer: Answer) -> None:
        """As `_refuse`, with an answer of one's own."""

    @abstractmethod
    def _expectation(self, value: bytes) -> None:
        """Act on an Expect header."""

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

    def _discard(self, data: bytes) -> None:
        self.discarded += len(data)
        if self.discarded > self.limits.linger_bytes:
            self.transport.abort()

    # the parser's callbacks

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
        elif self._much_to_come() and (answer := self._stranger(self.headers)) is not None:
            self._refuse_with(answer)
        elif b"expect" in self.headers:
            self._expectation(self.headers[b"expect"])
        if self.current is None and not self.dead:
            self.deadline = time.monotonic() + limits.body_seconds

    def _much_to_come(self) -> bool:
        headers = self.headers
        return b"transfer-encoding" in headers or int(headers.get(b"content-length", 0)) > _SMALL_BODY

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
        self.proven = True
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


def _too_large(limit: int) -> str:
    return f"The request's payload is larger than {limit} bytes."
