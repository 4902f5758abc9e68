"""The HTTP front: an ASGI application that authorizes, routes and runs HTTP functions.

Raw ASGI under uvicorn with httptools, no framework: an echo function costs well under half a millisecond.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from dropml.functions_host.admin import AdminApi
from dropml.functions_host.bindings import FAILED, HttpResult, http_request, http_result
from dropml.functions_host.config import HostConfig, LocalSettings
from dropml.functions_host.context import InvocationContext, TraceContext
from dropml.functions_host.indexing import FunctionDefinition
from dropml.functions_host.invocation import Invocation, Invoker, call_arguments
from dropml.functions_host.keys import KeyRing
from dropml.functions_host.places import NoPlaceError, Places
from dropml.functions_host.requests import (
    BodyTooLargeError,
    ClientGoneError,
    Receive,
    Request,
    Scope,
    Send,
    has_body,
    not_found,
    problem,
    read_body,
    respond,
    text_result,
    unauthorized,
)
from dropml.functions_host.routes import Route, RouteTable

log = logging.getLogger("Host.Http")

RESPONSE_LIMIT_S = 230.0  # Azure's load balancer hangs up then, whatever functionTimeout says
#: Of a body that comes without a key that opens more than an anonymous function, and of all such bodies together.
KEYLESS_BODY, KEYLESS_BODIES = 2**20, 32 * 2**20
#: After which a caller may ask again whose call the host's end cut short (seconds).
STOPPED_RETRY_S = 5
_HOME = "Your function app is up and running."
#: Where a request's scope keeps its Call.
_CALL = "dropml.call"


@dataclass(frozen=True, slots=True)
class Call:
    """A request with the route that it asks for; whether its key opens that, or any function of the app."""

    request: Request
    found: tuple[Route, dict[str, str]] | None
    has_key: bool
    of_admin: bool = False


class HttpFront:
    """Answers every request of the host's port."""

    def __init__(
        self,
        routes: RouteTable,
        keys: KeyRing,
        invoker: Invoker,
        admin: AdminApi,
        config: HostConfig,
        settings: LocalSettings,
        body_limit: int,
        threads: int,
    ) -> None:
        self._routes = routes
        self._keys = keys
        self._invoker = invoker
        self._admin = admin
        self._config = config
        self._cors = settings
        self._body_limit = body_limit
        self._pool = ThreadPoolExecutor(threads, "http")
        self._places = Places(config.max_concurrent_requests or threads, config.max_outstanding_requests)
        self._keyless_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = self._call(scope)
        request = call.request
        request.scheme = scope["scheme"]  # a proxy's word for it is heard after the head was read
        extra = self._cors_headers(request) if self._cors.cors else []
        if (
            self._cors.cors
            and request.method == "OPTIONS"
            and "access-control-request-method" in request.headers
        ):
            await respond(send, text_result(204), extra)
            return
        try:
            result = await self._answer(call, receive)
        except BodyTooLargeError:
            result = problem(413, "The body is too large.", ((b"connection", b"close"),))
        except NoPlaceError as error:
            result = _again(
                error.retry_after_s, "Too many calls are being answered just now; try again in a moment."
            )
        except asyncio.CancelledError:  # the server ends and waits no longer; the next one may answer
            result = _again(
                STOPPED_RETRY_S, "The host is stopping before this call was answered; ask again in a moment."
            )
        except ClientGoneError:
            return
        await respond(send, result, extra)

    def body_limit(self, scope: Scope) -> int:
        """The largest body that this request may have, told from its head, before any of it is read."""
        return self._body_limit if self._call(scope).has_key else self._keyless_limit

    @property
    def _keyless_limit(self) -> int:
        return min(KEYLESS_BODY, self._body_limit)

    def _call(self, scope: Scope) -> Call:
        """What is told of it from its head, once: the connection asks for its body's bound before it is served."""
        call: Call | None = scope.get(_CALL)
        if call is None:
            call = scope[_CALL] = self._told(Request.from_scope(scope))
        return call

    def _told(self, request: Request) -> Call:
        if self._admin.serves(request.raw_path):
            return Call(request, None, self._admin.opens(request), of_admin=True)
        found = self._routes.find(request.method, request.raw_path)
        opens = found is not None and self._keys.opens("function", found[0].function.name, request.key)
        return Call(request, found, opens)

    async def _answer(self, call: Call, receive: Receive) -> HttpResult:
        request = call.request
        if call.of_admin:
            body = await read_body(request, receive, self._body_limit) if call.has_key else b""
            return await self._admin.answer(request, body)
        if call.found is None:
            return text_result(200, _HOME) if request.raw_path == "/" else not_found()
        route, values = call.found
        function = route.function
        if function.disabled and not self._keys.is_master(request.key):
            return not_found()
        level = str(function.trigger.get("authLevel", "function")).lower()
        if not (call.has_key if level == "function" else self._keys.opens(level, function.name, request.key)):
            return unauthorized()
        # A share for each function and what its path names first: one dataset's hung calls are not the others'.
        share = f"{function.name}/{next(iter(values.values()), '')}"
        keyless = self._keyless(call)
        self._keyless_bytes += keyless
        try:
            limit = self._body_limit if call.has_key else self._keyless_limit
            body = await read_body(request, receive, limit)
            async with self._places.place(share):
                return await self._run(function, request, values, body)
        finally:
            self._keyless_bytes -= keyless

    def _keyless(self, call: Call) -> int:
        """Bytes of a body without a key, held while it is answered: all of them together are bounded. Raises NoPlaceError."""
        if call.has_key or not has_body(call.request):
            return 0
        size = min(int(call.request.headers.get("content-length") or 0), self._keyless_limit)
        if self._keyless_bytes + size > KEYLESS_BODIES:
            raise NoPlaceError
        return size

    async def _run(
        self, function: FunctionDefinition, request: Request, values: dict[str, str], body: bytes
    ) -> HttpResult:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[HttpResult] = loop.create_future()

        def deliver(result: HttpResult) -> None:
            if not answer.done():
                answer.set_result(result)

        # The answer may come from another thread, also when the host has to end before the function does.
        invocation = Invocation(function, abandon=lambda: _call_soon(loop, deliver, FAILED))
        trace = TraceContext.begin(
            request.headers.get("traceparent", ""), request.headers.get("tracestate", "")
        )
        context = InvocationContext(function.name, invocation.id, trace)
        self._invoker.begin(invocation)
        limit = loop.call_later(RESPONSE_LIMIT_S, deliver, text_result(504))
        try:
            if function.is_async:
                task = loop.create_task(self._run_async(invocation, context, request, values, body))
                task.add_done_callback(lambda done: deliver(FAILED if done.cancelled() else done.result()))
            else:
                self._pool.submit(
                    lambda: _call_soon(
                        loop, deliver, self._run_sync(invocation, context, request, values, body)
                    )
                )
            return await answer
        finally:
            limit.cancel()

    def _arguments(
        self,
        context: InvocationContext,
        invocation: Invocation,
        request: Request,
        values: dict[str, str],
        body: bytes,
    ) -> dict[str, Any]:
        value = http_request(request.method, request.url, request.headers, request.query, values, body)
        return call_arguments(invocation.definition, value, context)

    def _run_sync(
        self,
        invocation: Invocation,
        context: InvocationContext,
        request: Request,
        values: dict[str, str],
        body: bytes,
    ) -> HttpResult:
        try:
            arguments = self._arguments(context, invocation, request, values, body)
            result = http_result(self._invoker.call(invocation, arguments))
        except BaseException as error:  # noqa: BLE001 - whatever the app raises, its caller gets an answer
            self._invoker.end(invocation, error)
            return FAILED
        self._invoker.end(invocation, None)
        return result

    async def _run_async(
        self,
        invocation: Invocation,
        context: InvocationContext,
        request: Request,
        values: dict[str, str],
        body: bytes,
    ) -> HttpResult:
        try:
            arguments = self._arguments(context, invocation, request, values, body)
            result = http_result(await self._invoker.call_async(invocation, arguments))
        except BaseException as error:  # noqa: BLE001 - as above
            self._invoker.end(invocation, error)
            return FAILED
        self._invoker.end(invocation, None)
        return result

    def _cors_headers(self, request: Request) -> list[tuple[bytes, bytes]]:
        origin = request.headers.get("origin")
        if origin is None:
            return []
        allowed: Sequence[str] = self._cors.cors
        if "*" not in allowed and origin not in allowed:
            return []
        headers = [
            (b"access-control-allow-origin", b"*" if "*" in allowed else origin.encode("latin-1")),
            (b"vary", b"Origin"),
        ]
        if self._cors.cors_credentials and "*" not in allowed:
            headers.append((b"access-control-allow-credentials", b"true"))
        wanted = request.headers.get("access-control-request-method")
        if request.method == "OPTIONS" and wanted:
            headers.append((b"access-control-allow-methods", wanted.encode("latin-1")))
            names = request.headers.get("access-control-request-headers", "")
            headers.append((b"access-control-allow-headers", names.encode("latin-1")))
        return headers


def _again(seconds: int, why: str) -> HttpResult:
    """503 says that the caller may repeat it, and when (RFC 9110, 15.6.4)."""
    return problem(503, why, ((b"retry-after", b"%d" % seconds),))


def explain(status: int) -> tuple[bytes, bytes]:
    """Content type and text of what the connection itself refuses."""
    details = {
        400: "The request is no valid HTTP.",
        408: "The request did not arrive in time.",
        413: "The body is too large.",
        431: "The request's head is too large.",
        503: "Too many connections are open; try again in a moment.",
    }
    return b"application/problem+json", problem(status, details[status]).body


def _call_soon(loop: asyncio.AbstractEventLoop, callback: Any, *args: Any) -> None:
    try:
        loop.call_soon_threadsafe(callback, *args)
    except RuntimeError:  # the loop has ended: nobody waits for this answer any more
        log.debug("an answer came after the host's end")
