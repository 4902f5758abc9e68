"""Blob storage under the emulator's own address, so that azure-ai-ml can upload to an account on this machine.

The SDK builds `https://{accountName}.blob.core.windows.net` from a datastore and has no setting for another address.
For an account on localhost the datastore therefore answers the accountName `localhost:PORT/_storage/NAME`, and what
comes back to that path is passed on, signature and all.
"""

from __future__ import annotations

import asyncio
import io
from collections import deque
from collections.abc import AsyncIterator, Iterator
from tempfile import SpooledTemporaryFile
from typing import IO
from urllib.parse import quote

import requests
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from dropml.azureml.core.arm import GatewayError
from dropml.azureml.core.config import Settings
from dropml.azureml.core.identity import Identity
from dropml.azureml.workspace.blob_listing import real_listing, told
from dropml.azureml.workspace.blob_sas import reads_one_blob, signed_by, without_signature
from dropml.azureml.workspace.shared_key import signed_with
from dropml.azureml.workspace.storage import Account, DataError, Storage

PREFIX = "/_storage/"
_AUDIENCES = ("https://storage.azure.com", "https://storage.azure.com/")
_HOP = {"host", "connection", "transfer-encoding", "content-length", "keep-alive", "authorization"}
_CHUNK = 1 << 20
_FORBIDDEN = (
    '<?xml version="1.0" encoding="utf-8"?><Error><Code>AuthenticationFailed</Code><Message>Server failed to '
    "authenticate the request. Make sure the value of Authorization header is formed correctly including the "
    "signature.</Message></Error>"
)


class BlobProxy:
    def __init__(self, settings: Settings, storage: Storage, identity: Identity) -> None:
        self._settings, self._storage, self._identity = settings, storage, identity
        #: Signatures that were given to clients as a datastore's secret, newest last.
        self.given: deque[str] = deque(maxlen=256)
        self._session = requests.Session()
        self._session.trust_env = False

    def account_name(self) -> str | None:
        """What a datastore answers as its account's name."""
        account = self._storage.account()
        if account is None:
            return None
        if not account.local:
            return account.name
        return f"localhost:{self._settings.port}{PREFIX}{account.name}"

    def blob_url(self, container: str, blob: str, token: str) -> str:
        """A blob's address for clients, below this proxy for an account of this machine."""
        account = self._storage.account()
        if account is None:
            raise DataError("No storage account is configured: start the emulator with --storage.")
        base = account.blob_url
        if account.local:
            base = f"{self._settings.base_url}{PREFIX}{account.name}.blob.core.windows.net"
        return f"{base}/{container}/{quote(blob, safe='/~')}?{token}"

    def own_url(self, url: str) -> str:
        """The account's URL of a URL below the proxy; others stay."""
        account = self._storage.account()
        base = f"{self._settings.base_url}{PREFIX}"
        if account is None or not url.startswith(base):
            return url
        return account.blob_url + "/" + url[len(base) :].partition("/")[2]

    async def relay(self, request: Request) -> Response:
        account = self._storage.account()
        name = request.path_params["account"].partition(".")[0]
        if account is None or name != account.name:
            return Response(f"The emulator has no storage account '{name}'.", 404, media_type="text/plain")
        raw = request.scope["raw_path"].decode()
        rest = raw[len(PREFIX) :].partition("/")[2]
        query = request.scope["query_string"].decode()
        signed = await self._resigned(request, account, query)
        if signed is None:
            return Response(_FORBIDDEN, 403, {"x-ms-error-code": "AuthenticationFailed"}, "application/xml")
        query = signed
        url = f"{account.blob_url}/{rest}" + (f"?{query}" if query else "")
        headers = {k: v for k, v in request.headers.items() if k not in _HOP}
        try:
            # On disk beyond a mebibyte: whose it is, the account alone can tell, and has not yet.
            with SpooledTemporaryFile(_CHUNK) as body:
                async for piece in request.stream():
                    await asyncio.to_thread(body.write, piece)
                answer = await asyncio.to_thread(self._send, request.method, url, headers, body)
        except requests.RequestException as error:
            return Response(f"The storage account does not answer: {error}", 502, media_type="text/plain")
        kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP - {"content-length"}}
        return StreamingResponse(_pieces(answer), answer.status_code, kept)

    async def _resigned(self, request: Request, account: Account, query: str) -> str | None:
        """The query that the account takes: what a client signed with its key, or a token of the emulator's identity, is
        nothing to the account, which gets a signature instead.

        None where signature or token is wrong.
        """
        authorization = request.headers.get("authorization", "")
        if not authorization and self._signed_for_one_blob(request, account, query):
            token, rest = self._storage.sas(1.0)[0], without_signature(query)
            return f"{rest}&{token}" if rest else token
        if authorization.startswith("Bearer "):
            try:
                self._identity.check(authorization, _AUDIENCES)
            except GatewayError:
                return None
        elif not authorization.startswith("SharedKey "):
            return query
        elif not signed_with(
            account.key, request.method, request.scope["raw_path"].decode(), query, request.headers
        ):
            return None
        token, _ = await asyncio.to_thread(self._storage.sas, 1.0)
        return f"{query}&{token}" if query else token

    def _signed_for_one_blob(self, request: Request, account: Account, query: str) -> bool:
        """A client's own signature, of this proxy's address. azure-ai-ml 1.35 takes the secret that it was given for a key."""
        if request.method not in ("GET", "HEAD") or not reads_one_blob(query):
            return False
        path = request.scope["raw_path"].decode()[len(PREFIX) :]
        name = f"localhost:{self._settings.port}{PREFIX}{account.name}"
        return signed_by([account.key, *self.given], name, f"/{path.partition('/')[2]}", query)

    async def listing(self, request: Request) -> Response:
        """Blobs below a prefix that names the container, too."""
        account, query = self._storage.account(), request.scope["query_string"].decode()
        asked = real_listing(query)
        if account is None or asked is None:
            return Response("There is no such container.", 404, media_type="text/plain")
        if await self._resigned(request, account, query) in (None, query):
            return Response(_FORBIDDEN, 403, {"x-ms-error-code": "AuthenticationFailed"}, "application/xml")
        before, container, own = asked
        token, _ = await asyncio.to_thread(self._storage.sas, 1.0)
        try:
            url = f"{account.blob_url}/{container}?{own}&{token}"
            headers = {k: v for k, v in request.headers.items() if k == "x-ms-version"}
            answer = await asyncio.to_thread(self._send, "GET", url, headers, io.BytesIO())
            xml = told(await asyncio.to_thread(lambda: answer.text), before)
        except requests.RequestException as error:
            return Response(f"The storage account does not answer: {error}", 502, media_type="text/plain")
        return Response(xml, answer.status_code, media_type="application/xml")

    def _send(self, method: str, url: str, headers: dict[str, str], body: IO[bytes]) -> requests.Response:
        # An empty file would be sent in chunks, which the storage protocol refuses.
        data = body if body.tell() else b""
        body.seek(0)
        return self._session.request(method, url, headers=headers, data=data, stream=True, timeout=(5, 120))

    def routes(self) -> list[Route]:
        methods = ["GET", "HEAD", "PUT", "POST", "DELETE"]
        return [
            Route(PREFIX.rstrip("/"), self.listing, methods=["GET"]),
            Route(PREFIX + "{account}", self.relay, methods=methods),
            Route(PREFIX + "{account}/{path:path}", self.relay, methods=methods),
        ]


async def _pieces(answer: requests.Response) -> AsyncIterator[bytes]:
    # The raw stream: an encoded body must keep the length that its headers tell.
    source: Iterator[bytes] = answer.raw.stream(_CHUNK, decode_content=False)
    try:
        while piece := await asyncio.to_thread(next, source, b""):
            yield piece
    finally:
        answer.close()
