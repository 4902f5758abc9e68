"""The front door: rewrites ARM and data-plane paths to short ones, checks ids, tokens and api-version, logs versions."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dropml.azureml.core.arm import ArmError, EmptyNotFoundError, GatewayError, reply
from dropml.azureml.core.clock import Clock
from dropml.azureml.core.config import PROVIDER, Settings
from dropml.azureml.core.identity import ARM_AUDIENCES, ML_AUDIENCES, Identity

log = logging.getLogger(__name__)
_WS = re.compile(
    rf"^/subscriptions/([^/]+)/resourcegroups/([^/]+)/providers/{re.escape(PROVIDER)}/workspaces(?:/([^/]+)(/.*)?)?$",
    re.IGNORECASE,
)
_AREA = re.compile(
    r"^/(history|mlflow|pipelines|artifact|data|modelregistry|datastore)/v([\d.]+)(/subscriptions/.+)$",
    re.IGNORECASE,
)
#: The same API without Resource Manager before it: azure-ai-ml lists a batch endpoint's jobs there, with the service's own token.
_MFE = re.compile(r"^/mferp/managementfrontend(/subscriptions/.+)$", re.IGNORECASE)
_GUID = re.compile(r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")
_LOCATION = re.compile(
    rf"^/subscriptions/([^/]+)/providers/{re.escape(PROVIDER)}/locations/[^/]+"
    r"/(mfeOperationsStatus|mfeOperationResults|computeOperationsStatus)/([^/]+)$",
    re.IGNORECASE,
)
_SUPPLY = re.compile(
    rf"^/subscriptions/([^/]+)/providers/{re.escape(PROVIDER)}/locations/[^/]+/(vmSizes|usages)$",
    re.IGNORECASE,
)
#: Resource Manager compares the segments of a path without case.
_SEGMENTS = {
    name.lower(): name
    for name in (
        "onlineEndpoints", "batchEndpoints", "deployments", "jobs", "data", "versions", "models", "computes",
        "components", "schedules", "datastores", "codes", "environments", "listKeys", "regenerateKeys",
        "token", "getLogs", "listSecrets", "cancel", "listNodes", "startPendingUpload", "skus", "connections",
    )
}  # fmt: skip
_PUBLIC = ("/msi/", "/metadata/", "/discovery", "/_emulator/", "/_storage", "/batch/")


class Gateway:
    """ASGI middleware. Handlers see `/ws/...`, `/history/...`, `/mlflow/...`, `/operations/...`."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        identity: Identity,
        clock: Clock,
        versions: Counter[tuple[str, str, str]],
    ) -> None:
        self.app, self.settings, self.identity, self.clock = app, settings, identity, clock
        #: How often (method, route, api-version) was asked for.
        self.versions = versions
        # With `cloud=` and the emulator's own metadata, the SDK asks for tokens for this address.
        self.audiences = (*ARM_AUDIENCES, settings.base_url, f"{settings.base_url}/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if not str(scope["path"]).startswith("/_"):
            send = self._stamped(Request(scope), send)
        try:
            scope = self._route(scope)
        except ArmError as error:
            await self.failure(Request(scope), error)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _stamped(self, request: Request, send: Send) -> Send:
        """Resource Manager's headers on every answer: the caller's correlation id or a new one, place and time."""
        given = request.headers.get("x-ms-correlation-request-id", "")
        correlation = given if _GUID.match(given) else str(uuid.uuid4())
        began, place = time.perf_counter(), self.settings.location.upper()

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                moment = f"{datetime.fromtimestamp(self.clock.now(), UTC):%Y%m%dT%H%M%SZ}"
                headers = MutableHeaders(scope=message)
                headers["x-ms-correlation-request-id"] = correlation
                headers["x-ms-routing-request-id"] = f"{place}:{moment}:{uuid.uuid4()}"
                headers["x-request-time"] = f"{time.perf_counter() - began:.3f}"
            await send(message)

        return stamped

    def failure(self, _request: Request, error: Exception) -> Any:
        """A Starlette exception handler."""
        assert isinstance(error, ArmError)
        if isinstance(error, EmptyNotFoundError):
            from starlette.responses import Response

            return Response(None, 404, {"x-ms-response-type": "standard"})
        body = error.body(self.settings.location, self.clock.now())
        return reply(body, error.status, error.headers)

    def _route(self, scope: Scope) -> Scope:
        path = str(scope["path"])
        if path.startswith(_PUBLIC) or path == "/":
            return scope
        authorization = Request(scope).headers.get("authorization")
        if found := _AREA.match(path):
            area, _, rest = found.groups()
            self.identity.check(authorization, self.audiences + ML_AUDIENCES)
            return self._moved(scope, f"/{area.lower()}", rest)
        audiences: tuple[str, ...] = self.audiences
        if found := _MFE.match(path):
            path, audiences = found[1], audiences + ML_AUDIENCES
        self.identity.check(authorization, audiences)
        version = Request(scope).query_params.get("api-version")
        if not version:
            raise GatewayError(
                400,
                "The api-version query parameter (?api-version=) is required for all requests.",
                "MissingApiVersionParameter",
            )
        moved = self._arm(scope, path)
        parts = moved["path"].split("/")
        shape = "/".join("*" if i >= 3 and i % 2 else part for i, part in enumerate(parts))
        self.versions[(scope["method"], shape, version)] += 1
        log.info("%s %s %s", scope["method"], shape, version)
        return moved

    def _arm(self, scope: Scope, path: str) -> Scope:
        if found := _LOCATION.match(path):
            subscription, kind, operation = found.groups()
            self._check_subscription(subscription)
            return {**scope, "path": f"/operations/{kind.lower()}/{operation}", "original_path": path}
        if found := _SUPPLY.match(path):
            subscription, what = found.groups()
            self._check_subscription(subscription)
            return {**scope, "path": f"/locations/{what.lower()}", "original_path": path}
        return self._moved(scope, "/ws", path)

    def _moved(self, scope: Scope, prefix: str, path: str) -> Scope:
        found = _WS.match(path)
        if not found:
            raise GatewayError(
                404,
                f"The resource type could not be found in the namespace '{PROVIDER}' for path '{path}'.",
                "InvalidResourceType",
            )
        subscription, group, workspace, rest = found.groups()
        self._check_subscription(subscription)
        if group.lower() != self.settings.resource_group.lower():
            raise GatewayError(404, f"Resource group '{group}' could not be found.", "ResourceGroupNotFound")
        if workspace is None:
            return {**scope, "path": "/workspaces", "original_path": scope["path"]}
        if workspace.lower() != self.settings.workspace.lower():
            raise GatewayError(
                404,
                f"The Resource '{PROVIDER}/workspaces/{workspace}' under resource group '{group}' was not "
                "found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
                "ResourceNotFound",
            )
        parts = (rest or "").split("/")
        if prefix == "/ws":
            parts = [_SEGMENTS.get(p.lower(), p) if i % 2 else p for i, p in enumerate(parts)]
        return {**scope, "path": prefix + "/".join(parts), "original_path": scope["path"]}

    def _check_subscription(self, subscription: str) -> None:
        if subscription.lower() != self.settings.subscription.lower():
            raise GatewayError(
                404, f"The subscription '{subscription}' could not be found.", "SubscriptionNotFound"
            )
