"""What the host itself answers: /admin/* (master key) and the blob extension's webhook under /runtime/*."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from dropml.functions_host.bindings import HttpResult
from dropml.functions_host.eventgrid import EventGridWebhook
from dropml.functions_host.indexing import HTTP, FunctionDefinition
from dropml.functions_host.keys import BLOBS_EXTENSION, KeyRing
from dropml.functions_host.requests import Request, json_result, not_found, problem, text_result, unauthorized
from dropml.functions_host.routes import decode_path

log = logging.getLogger("Host.Admin")

ManualRun = Callable[[FunctionDefinition, str], None]
WEBHOOK = "runtime/webhooks/blobs"


class AdminApi:
    """The reserved paths. `run` starts a function by hand and returns at once."""

    def __init__(
        self,
        host_id: str,
        functions: Sequence[FunctionDefinition],
        errors: dict[str, str],
        keys: KeyRing,
        run: ManualRun,
        webhook: EventGridWebhook | None,
        route_prefix: str,
    ) -> None:
        self._host_id = host_id
        self._functions = {function.name.lower(): function for function in functions}
        self._errors = errors
        self._keys = keys
        self._run = run
        self._webhook = webhook
        self._prefix = route_prefix
        self._started = time.monotonic()

    @staticmethod
    def serves(raw_path: str) -> bool:
        first = decode_path(raw_path).split("/", 1)[0].lower()
        return first in ("admin", "runtime")

    def opens(self, request: Request) -> bool:
        """True if the request's key may have its body read."""
        if decode_path(request.raw_path).strip("/").lower() == WEBHOOK:
            return self._keys.opens_system(BLOBS_EXTENSION, request.key)
        return self._keys.is_master(request.key)

    async def answer(self, request: Request, body: bytes) -> HttpResult:
        path = decode_path(request.raw_path).strip("/").lower()
        if path == WEBHOOK:
            return await self._answer_webhook(request, body)
        if path == "admin/host/ping":
            return text_result(200)
        if not self._keys.is_master(request.key):
            return unauthorized()
        if path == "admin/host/status" and request.method == "GET":
            return json_result(200, self._status())
        parts = path.split("/")
        if parts[:2] != ["admin", "functions"]:
            return not_found()
        if len(parts) == 2 and request.method == "GET":
            return json_result(200, [self._describe(f, request) for f in self._functions.values()])
        function = self._functions.get(parts[2]) if len(parts) in (3, 4) else None
        if function is None:
            return not_found()
        return self._answer_function(function, parts[3:], request, body)

    def _answer_function(
        self, function: FunctionDefinition, rest: list[str], request: Request, body: bytes
    ) -> HttpResult:
        error = self._errors.get(function.name)
        if rest == ["status"] and request.method == "GET":
            return json_result(200, {"errors": [error]} if error else {})
        if rest:
            return not_found()
        if request.method == "GET":
            return json_result(200, self._describe(function, request))
        if request.method != "POST":
            return problem(405, "That method is not allowed here.")
        if error:
            return text_result(500, error)
        try:
            document = json.loads(body) if body else {}
            value = document.get("input") or ""
        except (ValueError, AttributeError, RecursionError):
            return text_result(400, 'The body must be JSON such as {"input": ""}.')
        log.info("Function '%s' is run by hand", function.name)
        self._run(function, value if isinstance(value, str) else json.dumps(value))
        return text_result(202)

    async def _answer_webhook(self, request: Request, body: bytes) -> HttpResult:
        if self._webhook is None:
            return not_found()
        if not self._keys.opens_system(BLOBS_EXTENSION, request.key):
            return unauthorized()
        if request.method != "POST":
            return problem(405, "That method is not allowed here.")
        name = next((v for n, v in request.query.items() if n.lower() == "functionname"), "")
        kind = request.headers.get("aeg-event-type", "")
        return await asyncio.to_thread(self._webhook.answer, name, kind, body)

    def _status(self) -> dict[str, Any]:
        return {
            "id": self._host_id,
            "state": "Running",
            "version": "4.0",
            "processUptime": round((time.monotonic() - self._started) * 1000),
            "functions": sorted(function.name for function in self._functions.values()),
            "errors": [f"{name}: {error}" for name, error in self._errors.items()],
        }

    def _describe(self, function: FunctionDefinition, request: Request) -> dict[str, Any]:
        base = f"{request.scheme}://{request.headers.get('host', '')}"
        described: dict[str, Any] = {
            "name": function.name,
            "isDisabled": function.disabled,
            "language": "python",
            "href": f"{base}/admin/functions/{function.name}",
            "config": {"name": function.name, "scriptFile": "function_app.py", "bindings": function.bindings},
        }
        if function.trigger_type == HTTP:
            route = "/".join(part for part in (self._prefix, str(function.trigger.get("route", ""))) if part)
            described["invoke_url_template"] = f"{base}/{route}"
        return described
