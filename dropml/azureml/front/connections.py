"""What a caller may cost before anybody knows who it is, by `dropml/common/bounded_http.py`."""

from __future__ import annotations

import asyncio
import json
import socket
from http import HTTPStatus
from typing import Any

import uvicorn

from dropml.common.bounded_http import Limits, Scope

#: Resource Manager takes 4 MB:
#: https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
ARM_BYTES = 4 * 2**20
#: A block of an upload; azure-storage-blob puts up to 64 MiB at once.
STORAGE_BYTES = 256 * 2**20
HANDSHAKE_SECONDS = 10.0


def _body_bytes(scope: Scope) -> int:
    return STORAGE_BYTES if scope["path"].startswith("/_storage/") else ARM_BYTES


def _explain(status: int) -> tuple[bytes, bytes]:
    phrase = HTTPStatus(status).phrase
    error = {"code": phrase.title().replace(" ", ""), "message": f"{phrase}: the emulator's limit."}
    return b"application/json; charset=utf-8", json.dumps({"error": error}).encode()


LIMITS = Limits(_body_bytes, explain=_explain)


class Server(uvicorn.Server):
    """Listens on given sockets; who does not finish the TLS handshake in time is cut."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        secure: dict[str, Any] = {"ssl": self.config.ssl}
        if self.config.ssl:
            secure["ssl_handshake_timeout"] = HANDSHAKE_SECONDS
        self.servers = [
            await loop.create_server(self._connection, sock=sock, backlog=self.config.backlog, **secure)
            for sock in sockets or []
        ]
        self.started = True

    def _connection(self) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        found: asyncio.Protocol = make(self.config, self.server_state, self.lifespan.state)
        return found
