"""What the endpoint answers: the front door's part and the container's part of every public route."""

import asyncio
import hmac
import random
import time
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import orjson

from dropml.azureml.serving import answers, contract, script_answers, script_mount
from dropml.azureml.serving.auth import Guard
from dropml.azureml.serving.contract import ContainerError
from dropml.azureml.serving.deployment import Deployment, TooManyRequestsError, run_error
from dropml.azureml.serving.deployments import Deployments
from dropml.azureml.serving.frames import plain
from dropml.azureml.serving.messages import Answer, Request
from dropml.azureml.serving.settings import EndpointSettings, SettingsError, read_settings
from dropml.azureml.serving.swagger import swagger
from dropml.azureml.serving.telemetry import RequestItem, Telemetry

# 404s: the service documents the status ("doesn't have any valid deployment with positive weight"), the
# first text is one that its callers report; the JSON around them is formed like its other errors [guess].
_NOT_FOUND = "Specified deployment could not be found"
_NO_TRAFFIC = "The endpoint doesn't have any valid deployment with positive weight."
_FAILED = b"x-ms-run-function-failed: True\r\n"
_REFUSED = b"x-ms-run-function-failed: False\r\n"
_MAX_ANSWER = 1_572_864  # a larger answer of a container is a 424 too [doc]
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY


@dataclass(slots=True)
class _Call:
    """One request on its way through a deployment."""

    request: Request
    deployment: Deployment
    path: str
    ids: tuple[bytes, bytes, bytes]


class EndpointApp:
    """Routes requests; owns the settings in force."""

    def __init__(self, endpoint_dir: Path, settings: EndpointSettings) -> None:
        self._dir = endpoint_dir
        self.deployments = Deployments(endpoint_dir)
        self._telemetry: Telemetry | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        script_mount.clear(settings)
        self.apply(settings)

    def apply(self, settings: EndpointSettings) -> None:
        """Put settings in force. Callable from the event loop only."""
        before = getattr(self, "settings", None)
        self.settings = settings
        self._guard = Guard(settings)
        self.deployments.apply(settings)
        sink = (settings.app_insights_url, settings.instrumentation_key)
        if before is None or sink != (before.app_insights_url, before.instrumentation_key):
            if self._telemetry is not None:
                self._telemetry.close(0)
            url, key = sink
            self._telemetry = Telemetry(url, key, settings.name) if url else None

    def handle(self, request: Request) -> Answer | None:
        """Answer at once, or return None and answer later through the request's connection."""
        target = request.target
        if not target.startswith(b"/"):  # absolute form, as proxies send it
            target = b"/" + target.partition(b"://")[2].partition(b"/")[2]
        path, _, query = target.partition(b"?")
        if path.startswith(b"/_admin/"):
            return self._admin(request, path)
        return self.stranger(request.headers) or self._route(request, path, query)

    def stranger(self, headers: dict[bytes, bytes]) -> Answer | None:
        """The refusal of a caller without a key of this endpoint; None for all others."""
        refusal = self._guard.refusal(headers.get(b"authorization"))
        return None if refusal is None else _with_lines(refusal, answers.request_ids(headers)[2])

    async def close(self) -> None:
        """Finish what is being scored, then free everything."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self.deployments.close()
        if self._telemetry is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._telemetry.close)

    # the front door

    def _route(self, request: Request, path: bytes, query: bytes) -> Answer | None:
        deployments = self.deployments
        name = request.headers.get(b"azureml-model-deployment")
        ids = answers.request_ids(request.headers)
        deployment = deployments.by_name.get(name) if name else deployments.pick()
        if deployment is None:
            error = {"code": "not_found", "message": _NOT_FOUND if name else _NO_TRAFFIC}
            return answers.json(404, {"error": error}, ids[2])
        call = _Call(request, deployment, path.decode("ascii", "replace"), ids)
        if deployment.status != "ready":
            return self._end(call, 424, b"", answers.TEXT, answers.model_error(b"model_not_ready"))
        if path != b"/score":
            return self._other(call, path, query)
        if self.deployments.mirrors and not name:
            self._mirror(call, query)
        if deployment.script is not None:
            self._later(self._answer(call, self._run_script(call, query)))
            return None
        return self._score(call, query)

    def _score(self, call: _Call, query: bytes) -> Answer | None:
        request, deployment = call.request, call.deployment
        try:
            if request.method == "OPTIONS":
                return self._end(call, 200, b'""', deployment.success_head)
            table = contract.from_request(request, query)
        except ContainerError as error:
            return self._container_error(call, error)
        if len(table[1]) > deployment.inline_rows or deployment.active >= (
            deployment.settings.max_concurrent_requests
        ):
            self._later(self._answer(call, self._score_table(call, table)))
            return None
        started = time.perf_counter()
        try:
            result = deployment.scorer.predict(*table)
        except Exception as error:  # noqa: BLE001 - whatever a model raises is its container's error
            return self._container_error(call, run_error(error))
        return self._scored(call, result, time.perf_counter() - started)

    async def _score_table(self, call: _Call, table: contract.Table) -> Answer:
        started = time.perf_counter()
        result = await call.deployment.score(*table)
        return self._scored(call, result, time.perf_counter() - started)

    async def _run_script(self, call: _Call, query: bytes) -> Answer:
        reply = await call.deployment.call(*script_answers.question(call.request, query, call.ids))
        if len(reply.body) > _MAX_ANSWER:
            reason = answers.model_error(b"response_payload_too_large", reply.status)
            return self._end(call, 424, b"", answers.TEXT, reason)
        status, lines = script_answers.passed_on(reply)
        lines = (*lines, call.deployment.name_lines, answers.SERVER_VERSION)
        return self._end(call, status, reply.body, *lines, container=reply.status)

    async def _answer(self, call: _Call, work: Awaitable[Answer]) -> None:
        try:
            answer = await work
        except TooManyRequestsError:
            reason = answers.model_error(b"too_many_pending_request")
            answer = self._end(call, 429, b"", answers.TEXT, reason)
        except TimeoutError:
            answer = self._end(call, 408, b"", answers.TEXT, answers.model_error(b"model_timeout"))
        except ContainerError as error:
            answer = self._container_error(call, error)
        except Exception as error:  # noqa: BLE001 - a request is always answered
            call.deployment.log.error(f"Internal error: {type(error).__name__}")
            answer = self._end(call, 500, b"Internal server error.", answers.TEXT)
        call.request.connection.send(call.request, answer)

    def _mirror(self, call: _Call, query: bytes) -> None:
        """Send copies to mirrors; nobody waits for them, and full ones are passed over."""
        for name, share in self.deployments.mirrors:
            mirror = self.deployments.by_name.get(name)
            if mirror is None or mirror is call.deployment or mirror.status != "ready":
                continue
            if random.random() < share:
                self._later(self._score_mirror(_Call(call.request, mirror, call.path, call.ids), query))

    async def _score_mirror(self, call: _Call, query: bytes) -> None:
        status, size = 200, 0
        started = time.perf_counter()
        try:
            if call.deployment.script is not None:
                question = script_answers.question(call.request, query, call.ids)
                reply = await call.deployment.call(*question)
                status, size = reply.status, len(reply.body)
            else:
                result = await call.deployment.score(*contract.from_request(call.request, query))
                size = len(orjson.dumps(result, default=plain, option=_OPTIONS))
        except (TooManyRequestsError, TimeoutError):
            status = 429
        except ContainerError as error:
            status = error.status
        self._record(call, status, size, time.perf_counter() - started)

    # the container

    def _other(self, call: _Call, path: bytes, query: bytes) -> Answer:
        request, deployment = call.request, call.deployment
        if path not in (b"/", b"/swagger.json"):
            return self._container_error(call, ContainerError(404, _UNKNOWN_PATH))
        if request.method not in ("GET", "HEAD"):
            return self._container_error(
                call, ContainerError(405, "The method is not allowed for the requested URL.")
            )
        if path == b"/":
            kind = b"Content-Type: text/html; charset=utf-8\r\n"
            return self._end(call, 200, b"Healthy", kind, deployment.name_lines, answers.SERVER_VERSION)
        version = parse_qs(query.decode("latin-1")).get("version", ["2"])[0]
        document = deployment.own_swagger(version) or swagger(
            self.settings.swagger_title, deployment, version
        )
        if document is None:
            message = f"Swagger version [{version[:20]}] is not valid. Supported versions: [2, 3, 3.1]."
            return self._container_error(call, ContainerError(404, message))
        return self._end(call, 200, orjson.dumps(document, default=plain), deployment.success_head)

    def _scored(self, call: _Call, result: object, seconds: float) -> Answer:
        body = orjson.dumps(result, default=plain, option=_OPTIONS)
        if len(body) > _MAX_ANSWER:
            reason = answers.model_error(b"response_payload_too_large", 200)
            return self._end(call, 424, b"", answers.TEXT, reason)
        spent = b"x-ms-run-fn-exec-ms: %.3f\r\n" % (seconds * 1000)
        return self._end(call, 200, body, call.deployment.success_head, spent)

    def _container_error(self, call: _Call, error: ContainerError) -> Answer:
        """The container's answer as the front door passes it on: 424, its status in a header."""
        call.deployment.log.error(error.log)
        return self._end(
            call,
            424,
            orjson.dumps({"message": error.message}),
            answers.JSON,
            call.deployment.name_lines,
            _FAILED if error.failed else _REFUSED,
            answers.model_error(b"model_error", error.status),
            container=error.status,
        )

    def _end(self, call: _Call, status: int, body: bytes, *lines: bytes, container: int = 0) -> Answer:
        """Record the request and put its answer together. `lines` may begin with a status line."""
        ids = call.ids
        if call.path != "/":  # the container logs no health checks
            seconds = time.perf_counter() - call.request.received
            self._record(call, container or status, len(body), seconds)
        start = b"" if lines[0].startswith(b"HTTP/") else answers.STATUS[status]
        return b"".join((start, *lines, answers.CLOCK.date(), ids[2])), body

    def _record(self, call: _Call, status: int, size: int, seconds: float) -> None:
        deployment, now = call.deployment, time.time()
        method = call.request.method
        deployment.log.request((now, method, call.path, status, seconds * 1000, size, call.ids[0]))
        if deployment.settings.app_insights and self._telemetry is not None:
            self._telemetry.add(
                RequestItem(
                    now - seconds,
                    seconds,
                    method,
                    call.path,
                    status,
                    call.ids[0],
                    call.ids[1],
                    deployment.settings.name,
                    deployment.settings.model,
                )
            )

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # administration

    def _admin(self, request: Request, path: bytes) -> Answer:
        secret = request.headers.get(b"x-admin-secret", b"")
        if not hmac.compare_digest(secret, self.settings.admin_secret.encode()):
            return answers.json(403, {"message": "x-admin-secret is missing or wrong"})
        if path == b"/_admin/reload" and request.method == "POST":
            try:
                self.apply(read_settings(self._dir))
            except SettingsError as error:
                return answers.json(400, {"message": str(error)})
        elif path != b"/_admin/status" or request.method != "GET":
            return answers.json(404, {"message": "there is GET /_admin/status and POST /_admin/reload"})
        self.deployments.flush_logs()
        return answers.json(200, self.deployments.describe())


_UNKNOWN_PATH = (
    "The requested URL was not found on the server. If you entered the URL manually please check your "
    "spelling and try again."
)


def _with_lines(answer: Answer, lines: bytes) -> Answer:
    return answer[0] + lines, answer[1]
