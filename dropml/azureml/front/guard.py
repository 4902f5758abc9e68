"""The emulator's own routes, `/_emulator/...`, want its secret: they stop the clock, show jobs and order faults."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from dropml.azureml.core.arm import reply
from dropml.azureml.core.secret import FILE, HEADER, Secret

PREFIX = "/_emulator/"


class Guard:
    """ASGI middleware: 401 without the secret, or for a read, without a signed URL."""

    def __init__(self, app: ASGIApp, secret: Secret) -> None:
        self._app, self._secret = app, secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX) and not self._passes(Request(scope)):
            message = (
                f"The header {HEADER} is missing or wrong; its value is in {FILE} of the emulator's folder."
            )
            await reply({"message": message}, 401)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _passes(self, request: Request) -> bool:
        if self._secret.opens(request.headers.get(HEADER)):
            return True
        signature = request.query_params.get("sig")
        return request.method == "GET" and self._secret.signed(request.url.path, signature)
