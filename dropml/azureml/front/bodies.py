"""The size and the time of a request's body, counted while it is read.

Resource Manager takes 4 MB: https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
"""

from __future__ import annotations

import asyncio
import contextlib
import time

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dropml.azureml.core.arm import GatewayError, reply

ARM_BYTES, ARM_SECONDS = 4 * 2**20, 60.0
#: A block of an upload; azure-storage-blob puts up to 64 MiB at once.
STORAGE_BYTES, STORAGE_SECONDS = 256 * 2**20, 600.0
#: A body that the server reads and forgets without further ado.
_SMALL_BYTES = 65_536
#: How much a refused client may go on sending while it reads its answer.
_LINGER_BYTES, _LINGER_SECONDS = 16 * 2**20, 2.0


def _refusal(status: int, code: str, message: str) -> GatewayError:
    return GatewayError(status, message, code)


class Body:
    """Receives for the app; `inner` is what the server gave."""

    def __init__(self, inner: Receive, most: int, seconds: float) -> None:
        self.inner, self._most, self._left = inner, most, most
        self._seconds, self._deadline = seconds, time.monotonic() + seconds
        self.complete = False

    async def receive(self) -> Message:
        if self.complete:  # what comes now is the end of the connection, whenever that is
            return await self.inner()
        try:
            async with asyncio.timeout(max(0.0, self._deadline - time.monotonic())):
                message = await self.inner()
        except TimeoutError:
            text = f"The request's content did not arrive within {self._seconds:.0f} s."
            raise _refusal(408, "RequestTimeout", text) from None
        self._left -= len(message.get("body", b""))
        self.expect(0)
        self.complete = not message.get("more_body", False)
        return message

    def expect(self, size: int) -> None:
        """Raises GatewayError if so much more is beyond the limit."""
        if size > self._left or self._left < 0:
            text = f"The request's content is larger than {self._most} bytes."
            raise _refusal(413, "RequestContentTooLarge", text)


class Answer:
    """Sends for the app. Where a large body is left unread, the client hears the answer, and the connection ends.

    Closing at once while the client still sends would reset the connection and lose the answer.
    """

    def __init__(self, send: Send, body: Body, headers: Headers) -> None:
        self._send, self._body = send, body
        self.large = "transfer-encoding" in headers or told(headers) > _SMALL_BYTES
        self._waits = "expect" in headers  # such a client sends nothing once it is refused
        self.started = False

    async def send(self, message: Message) -> None:
        self.started = True
        if not self.large or self._body.complete:
            await self._send(message)
        elif message["type"] == "http.response.start":
            headers = [*(message.get("headers") or []), (b"connection", b"close")]
            await self._send({**message, "headers": headers})
        elif message.get("more_body") or self._waits:
            await self._send(message)
        else:
            await self._send({**message, "more_body": True})
            await self._linger()
            await self._send({"type": "http.response.body"})

    async def _linger(self) -> None:
        left = _LINGER_BYTES
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while left > 0 and (message := await self._body.inner()).get("more_body"):
                    left -= len(message["body"])


class Bodies:
    """ASGI middleware: 413 beyond the size, 408 beyond the time."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        storage = scope["path"].startswith("/_storage/")
        most, seconds = (STORAGE_BYTES, STORAGE_SECONDS) if storage else (ARM_BYTES, ARM_SECONDS)
        headers = Headers(scope=scope)
        body = Body(receive, most, seconds)
        answer = Answer(send, body, headers)
        try:
            body.expect(told(headers))
            await self._app(scope, body.receive, answer.send)
        except GatewayError as error:
            if not answer.started:
                await (await refused(Request(scope), error))(scope, receive, answer.send)


def told(headers: Headers) -> int:
    """The length that the head tells; the server has checked that it is a number."""
    return int(headers.get("content-length", "0")[:20])


async def refused(_request: Request, error: Exception) -> Response:
    """A Starlette exception handler, for an application without one of its own."""
    assert isinstance(error, GatewayError)
    return reply(error.body("", 0.0), error.status, error.headers)
