"""What a connection may cost before anybody knows whose it is: how many, how long, how large a request's head.

uvicorn reads bodies only as fast as they are taken, and `front.bodies` bounds those.
"""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    connections: int = 1024
    head: int = 65_536
    headers: int = 100
    handshake_seconds: float = 10.0
    head_seconds: float = 10.0


LIMITS = Limits()


class Connection(HttpToolsProtocol):
    """One client's connection. Of too many, the one goes that has waited longest with its first request."""

    limits = LIMITS

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.born = time.monotonic()
        self.proven = False  # it has sent a whole head
        self._refused = False
        self._head = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()
        if len(self.connections) > self.limits.connections:
            slow = [c for c in self.connections if isinstance(c, Connection) and not c.proven]
            min(slow, key=lambda c: c.born).cut()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_there()
        super().connection_lost(exc)

    def cut(self) -> None:
        self.connections.discard(self)
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._timer is not None:
            self._head += len(data)
        super().data_received(data)
        if self._timer is not None and self._head > self.limits.head:
            self._refuse()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        self.proven = True
        self._head_is_there()
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if len(self.headers) > self.limits.headers or size > self.limits.head:
            self._refuse()
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._refused:
            super().on_message_complete()

    def _await_head(self) -> None:
        self._head = 0
        self._timer = self.loop.call_later(self.limits.head_seconds, self.cut)

    def _head_is_there(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self) -> None:
        self._refused = True
        self._head_is_there()
        said = b"The request's head is too large."
        head = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\nconnection: close\r\n"
        self.transport.write(head + b"content-length: %d\r\n\r\n%b" % (len(said), said))
        self.transport.close()


class Server(uvicorn.Server):
    """Listens on given sockets; who does not finish the TLS handshake in time is cut."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        secure: dict[str, Any] = {"ssl": self.config.ssl}
        if self.config.ssl:
            secure["ssl_handshake_timeout"] = LIMITS.handshake_seconds
        self.servers = [
            await loop.create_server(self._connection, sock=sock, backlog=self.config.backlog, **secure)
            for sock in sockets or []
        ]
        self.started = True

    def _connection(self) -> Connection:
        return Connection(self.config, self.server_state, self.lifespan.state)
