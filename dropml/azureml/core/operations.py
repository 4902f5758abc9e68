"""Long-running operations: begun by a PUT or DELETE, polled at mfeOperationsStatus, resumed after a restart.

Words, bodies and headers differ by kind of resource, as recorded from the service.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import secrets
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.core.arm import ArmError, conflict, not_found, reply
from dropml.azureml.core.clock import Clock, stamp
from dropml.azureml.core.config import PROVIDER, Settings
from dropml.azureml.core.store import Doc, Store

log = logging.getLogger(__name__)
_ZERO_DATE = "0001-01-01T00:00:00+00:00"


class OperationFailedError(Exception):
    """The operation ends `Failed` with this code and message."""

    def __init__(self, message: str, code: str = "UserError") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Form:
    """How operations of one kind of resource look on the wire. `word` is their status while they are pending."""

    prefix: str
    word: str = "Updating"
    body: str = "online"
    signed: bool = True
    path: str = "mfeOperationsStatus"
    empty: bool = False


@dataclass(frozen=True)
class Kind:
    """One kind of operation. `work` does it (any number of times); `settle` records how it ended."""

    form: Form
    work: Callable[[Doc], Awaitable[None]]
    settle: Callable[[Doc, OperationFailedError | None], None]


class Operations:
    """Operations are documents; each pending one has a task that does its work."""

    def __init__(self, store: Store, clock: Clock, settings: Settings, workspace_guid: str) -> None:
        self._store, self._clock, self._settings, self._guid = store, clock, settings, workspace_guid
        self._kinds: dict[str, Kind] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._secret = store.meta_once("operations.secret", lambda: secrets.token_hex(32)).encode()

    def register(self, name: str, kind: Kind) -> None:
        self._kinds[name] = kind

    def begin(self, name: str, target: str, api_version: str, **payload: Any) -> Doc:
        """Record the operation and start its work. Inside a transaction the two records stand together."""
        prefix = self._kinds[name].form.prefix
        if prefix == "s":
            unique = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        elif prefix == "jc":
            unique = target
        else:
            unique = str(uuid.uuid4())
        key = f"{prefix}:{self._guid}:{unique}" if prefix else unique
        started = self._clock.now()
        operation = {
            "id": key,
            "kind": name,
            "target": target,
            "status": "pending",
            "started": started,
            "ready": started + self._settings.operation_seconds,
            "ended": None,
            "error": None,
            "api_version": api_version,
            **payload,
        }
        self._store.put("operation", key, operation)
        self._start(operation)
        return operation

    def resume(self) -> None:
        """Take up every operation that a stop of the process left pending."""
        for _, _, operation in self._store.find("operation", statuses=("pending",), oldest_first=True):
            self._start(operation)

    def pending(self, key: str | None) -> bool:
        found = self._store.get("operation", key) if key else None
        return bool(found and found["status"] == "pending")

    def check_idle(self, doc: Doc, label: str) -> None:
        """409 while an operation on this document's resource is in progress."""
        if self.pending(doc.get("operation")):
            raise conflict(
                f"The {label} {doc['name']} has an operation in progress ({doc['state']}): wait for it.",
                "Conflict",
                "OperationInProgress",
            )

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, operation: Doc) -> None:
        task = asyncio.get_running_loop().create_task(self._run(operation))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, operation: Doc) -> None:
        # Let the request that began it commit and answer first.
        await asyncio.sleep(0)
        failure: OperationFailedError | None = None
        # After a restart it takes what is left, and never longer than a whole one: the clock may have jumped.
        due = operation["ready"] - self._clock.now()
        begun, lasts = self._clock.steady(), min(max(due, 0.0), self._settings.operation_seconds)
        try:
            await self._kinds[operation["kind"]].work(operation)
        except OperationFailedError as error:
            failure = error
        except Exception as error:
            log.exception("operation %s: its work", operation["id"])
            failure = _unexpected(error)
        await self._clock.sleep(begun + lasts - self._clock.steady())
        try:
            self._settle(operation, failure)
        except Exception as error:
            log.exception("operation %s: its end", operation["id"])
            # Its resource stays as it is; an operation that never ended would refuse every later one.
            unsettled = _unexpected(error)
            self._store.update("operation", operation["id"], lambda o: self._end(o, unsettled))

    def _settle(self, operation: Doc, failure: OperationFailedError | None) -> None:
        with self._store.transaction():
            self._kinds[operation["kind"]].settle(operation, failure)
            self._store.update("operation", operation["id"], lambda o: self._end(o, failure))

    def _end(self, operation: Doc, failure: OperationFailedError | None) -> None:
        operation["status"] = "Failed" if failure else "Succeeded"
        operation["ended"] = self._clock.now()
        if failure:
            operation["error"] = {"code": failure.code, "message": str(failure)}

    # -- URLs and headers ----------------------------------------------------------------------------------

    def _relative(self, operation: Doc, path: str) -> str:
        s = self._settings
        return f"/subscriptions/{s.subscription}/providers/{PROVIDER}/locations/{s.location}/{path}/{operation['id']}"

    def unsigned_url(self, operation: Doc, path: str = "mfeOperationsStatus") -> str:
        url = f"{self._settings.base_url}{self._relative(operation, path)}"
        return f"{url}?api-version={operation['api_version']}"

    def url(self, operation: Doc, path: str | None = None) -> str:
        """The polling URL; signed ones carry about 3,000 characters, as the service's do."""
        form = self._kinds[operation["kind"]].form
        path = path or form.path
        url = self.unsigned_url(operation, path)
        if path == "computeOperationsStatus":
            url += "&service=new"
        if not form.signed:
            return url
        ticks = int(operation["started"] * 10_000_000) + 621_355_968_000_000_000
        return f"{url}&t={ticks}&{self._signature(operation['id'], path)}"

    def _signature(self, key: str, path: str) -> str:
        def text(part: str, size: int) -> str:
            raw = b"".join(
                hmac.new(self._secret, f"{key}/{path}/{part}/{i}".encode(), hashlib.sha256).digest()
                for i in range(-(-size // 32))
            )
            return base64.urlsafe_b64encode(raw[:size]).decode().rstrip("=")

        return f"c={text('c', 1900)}&s={text('s', 256)}&h={text('h', 32)}"

    def headers(self, operation: Doc, location: str | None = None) -> dict[str, str]:
        """Of the answer that began it. `location` is the resource of a PUT; a DELETE's is the result's URL."""
        headers = {"Azure-AsyncOperation": self.url(operation)}
        if self._kinds[operation["kind"]].form.path == "mfeOperationsStatus":
            headers["Location"] = location or self.url(operation, "mfeOperationResults")
            headers["x-ms-async-operation-timeout"] = "PT30M"
        return headers | self.retry_after()

    def retry_after(self) -> dict[str, str]:
        if not self._settings.retry_after:
            return {}
        return {"Retry-After": str(max(1, round(self._settings.operation_seconds)))}

    # -- polling -------------------------------------------------------------------------------------------

    async def status(self, request: Request) -> Response:
        operation, form = self._find(request)
        status = {"pending": form.word}.get(operation["status"], operation["status"])
        if form.body == "compute":
            body: Doc = {"status": status}
        else:
            path = "mfeOperationResults" if form.body == "schedule" else "mfeOperationsStatus"
            body = {"id": self._relative(operation, path), "name": operation["id"]}
            body |= self._times(operation, form) | {"status": status}
        if operation["error"]:
            body["error"] = operation["error"]
        return reply(body, headers=self.retry_after() if operation["status"] == "pending" else {})

    def _times(self, operation: Doc, form: Form) -> Doc:
        ended = stamp(operation["ended"]) if operation["ended"] else None
        started = {"startTime": stamp(operation["started"])}
        if form.body == "online":
            return started | {"endTime": ended or _ZERO_DATE, "percentComplete": 0.0}
        if form.body == "schedule" and ended:
            return started | {"endTime": ended}
        return {}

    async def result(self, request: Request) -> Response:
        operation, _ = self._find(request)
        if operation["status"] == "pending":
            url = str(request.query_params)
            here = f"{self._settings.base_url}{self._relative(operation, 'mfeOperationResults')}?{url}"
            return reply({}, 202, {"Location": here} | self.retry_after())
        return Response(None, 200)

    def _find(self, request: Request) -> tuple[Doc, Form]:
        key = request.path_params["operation"]
        operation = self._store.get("operation", key)
        if operation is None:
            raise not_found(f"Operation {key} not found.")
        form = self._kinds[operation["kind"]].form
        given = request.query_params.get("s")
        if given is not None and form.signed:
            expected = self._signature(key, request.scope["original_path"].split("/")[-2])
            if f"s={given}&" not in expected:
                raise ArmError(
                    403, "The signature of the operation's URL is wrong: use the URL as it was given."
                )
        return operation, form

    def routes(self) -> list[Route]:
        return [
            Route("/operations/mfeoperationsstatus/{operation}", self.status, methods=["GET"]),
            Route("/operations/computeoperationsstatus/{operation}", self.status, methods=["GET"]),
            Route("/operations/mfeoperationresults/{operation}", self.result, methods=["GET"]),
        ]


def _unexpected(error: Exception) -> OperationFailedError:
    return OperationFailedError(f"{type(error).__name__}: {error}", "InternalServerError")
