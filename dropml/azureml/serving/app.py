"""What the endpoint answers: the front door's part and the container's part of every public route."""

import asyncio
import random
import time
import traceback
from collections.abc import Awaitable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson

from dropml.azureml.serving import answers, contract, script_answers, script_mount
from dropml.azureml.serving.administration import administered
from dropml.azureml.serving.auth import Guard
from dropml.azureml.serving.contract import ContainerError, RunError
from dropml.azureml.serving.deployment import TooManyRequestsError, run_error
from dropml.azureml.serving.deployments import Deployments
from dropml.azureml.serving.ending import MAX_ANSWER, OPTIONS, REFUSED, Call, Ending
from dropml.azureml.serving.frames import plain
from dropml.azureml.serving.messages import Answer, Request
from dropml.azureml.serving.own_script import OwnScript, RefusalError
from dropml.azureml.serving.settings import EndpointSettings, Ordered, read_settings
from dropml.azureml.serving.swagger import swagger
from dropml.azureml.serving.telemetry import Telemetry

if TYPE_CHECKING:
    from scorer.request import Asked

# 404s: the service documents the status ("doesn't have any valid deployment with positive weight"), the
# first text is one that its callers report; the JSON around them is formed like its other errors [guess].
_NOT_FOUND = "Specified deployment could not be found"
_NO_TRAFFIC = "The endpoint doesn't have any valid deployment with positive weight."


class EndpointApp(Ending):
    """Routes requests; owns the settings in force."""

    def __init__(self, endpoint_dir: Path, settings: EndpointSettings) -> None:
        self._dir = endpoint_dir
        self.deployments = Deployments(endpoint_dir)
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
            if self.telemetry is not None:
                self.telemetry.close(0)
            url, key = sink
            self.telemetry = Telemetry(url, key, settings.name) if url else None

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
        if self.telemetry is not None:
            await asyncio.get_running_loop().run_in_executor(None, self.telemetry.close)

    # the front door

    def _route(self, request: Request, path: bytes, query: bytes) -> Answer | None:
        deployments = self.deployments
        name = request.headers.get(b"azureml-model-deployment")
        ids = answers.request_ids(request.headers)
        deployment = deployments.by_name.get(name) if name else deployments.pick()
        if deployment is None:
            error = {"code": "not_found", "message": _NOT_FOUND if name else _NO_TRAFFIC}
            return answers.json(404, {"error": error}, ids[2])
        call = Call(request, deployment, path.decode("ascii", "replace"), ids)
        if deployment.status != "ready":
            return self.end(call, 424, b"", answers.TEXT, answers.model_error(b"model_not_ready"))
        if path != b"/score":
            return self._other(call, path, query)
        if self.deployments.mirrors and not name:
            self._mirror(call, query)
        if deployment.settings.ordered is not None:
            self._later(self._as_ordered(call, deployment.settings.ordered, query))
            return None
        return self._scores(call, query)

    async def _as_ordered(self, call: Call, ordered: Ordered, query: bytes) -> None:
        await asyncio.sleep(ordered.seconds)
        answer: Answer | None
        if ordered.status:
            error = ContainerError(ordered.status, "A failure that a test ordered.", failed=True)
            answer = self.container_error(call, error)
        else:
            answer = self._scores(call, query)
        if answer is not None:
            call.request.connection.send(call.request, answer)

    def _scores(self, call: Call, query: bytes) -> Answer | None:
        deployment = call.deployment
        if deployment.own is not None:
            return self._score_own(call, deployment.own, query)
        if deployment.script is not None:
            self._later(self._answer(call, self._run_script(call, query)))
            return None
        return self._score(call, query)

    def _score_own(self, call: Call, own: OwnScript, query: bytes) -> Answer | None:
        deployment = call.deployment
        if call.request.method == "OPTIONS":
            lines = (answers.HTML, deployment.name_lines, answers.SERVER_VERSION, REFUSED)
            return self.end(call, 200, b"", *lines)
        try:
            asked = own.read(call.request, query)
            busy = deployment.active >= deployment.settings.max_concurrent_requests
            if busy or asked.explain or len(asked.rows) > deployment.inline_rows:
                self._later(self._answer(call, self._own_in_turn(call, own, asked)))
                return None
            started = time.perf_counter()
            result = own.answer(asked)
        except (ContainerError, RefusalError) as error:
            return self._refused(call, error)
        except Exception:  # noqa: BLE001 - whatever a model raises is its container's error
            return self.container_error(call, RunError(f"Encountered Exception: {traceback.format_exc()}"))
        return self.scored(call, result, time.perf_counter() - started)

    async def _own_in_turn(self, call: Call, own: OwnScript, asked: "Asked") -> Answer:
        started = time.perf_counter()
        try:
            result = await call.deployment.think(own.answer, asked)
        except RefusalError as error:
            return self._refused(call, error)
        return self.scored(call, result, time.perf_counter() - started)

    def _refused(self, call: Call, error: ContainerError | RefusalError) -> Answer:
        """What the script says of a request, or the server before it."""
        if isinstance(error, ContainerError):
            return self.container_error(call, error)
        call.deployment.log.info(error.log)
        lines = (answers.JSON, call.deployment.name_lines, answers.SERVER_VERSION, REFUSED)
        reason = answers.model_error(b"model_error", error.status)
        return self.end(call, 424, orjson.dumps(error.body), *lines, reason, container=error.status)

    def _score(self, call: Call, query: bytes) -> Answer | None:
        request, deployment = call.request, call.deployment
        try:
            if request.method == "OPTIONS":
                return self.end(call, 200, b'""', deployment.success_head)
            table = contract.from_request(request, query)
        except ContainerError as error:
            return self.container_error(call, error)
        if len(table[1]) > deployment.inline_rows or deployment.active >= (
            deployment.settings.max_concurrent_requests
        ):
            self._later(self._answer(call, self._score_table(call, table)))
            return None
        started = time.perf_counter()
        try:
            result = deployment.scorer.predict(*table)
        except Exception as error:  # noqa: BLE001 - whatever a model raises is its container's error
            return self.container_error(call, run_error(error))
        return self.scored(call, result, time.perf_counter() - started)

    async def _score_table(self, call: Call, table: contract.Table) -> Answer:
        started = time.perf_counter()
        result = await call.deployment.score(*table)
        return self.scored(call, result, time.perf_counter() - started)

    async def _run_script(self, call: Call, query: bytes) -> Answer:
        reply = await call.deployment.call(*script_answers.question(call.request, query, call.ids))
        if len(reply.body) > MAX_ANSWER:
            reason = answers.model_error(b"response_payload_too_large", reply.status)
            return self.end(call, 424, b"", answers.TEXT, reason)
        status, lines = script_answers.passed_on(reply)
        lines = (*lines, call.deployment.name_lines, answers.SERVER_VERSION)
        return self.end(call, status, reply.body, *lines, container=reply.status)

    async def _answer(self, call: Call, work: Awaitable[Answer]) -> None:
        try:
            answer = await work
        except TooManyRequestsError:
            reason = answers.model_error(b"too_many_pending_request")
            answer = self.end(call, 429, b"", answers.TEXT, reason)
        except TimeoutError:
            answer = self.end(call, 408, b"", answers.TEXT, answers.model_error(b"model_timeout"))
        except ContainerError as error:
            answer = self.container_error(call, error)
        except Exception as error:  # noqa: BLE001 - a request is always answered
            call.deployment.log.error(f"Internal error: {type(error).__name__}")
            answer = self.end(call, 500, b"Internal server error.", answers.TEXT)
        call.request.connection.send(call.request, answer)

    def _mirror(self, call: Call, query: bytes) -> None:
        """Send copies to mirrors; nobody waits for them, and full ones are passed over."""
        for name, share in self.deployments.mirrors:
            mirror = self.deployments.by_name.get(name)
            if mirror is None or mirror is call.deployment or mirror.status != "ready":
                continue
            if random.random() < share:
                self._later(self._score_mirror(Call(call.request, mirror, call.path, call.ids), query))

    async def _score_mirror(self, call: Call, query: bytes) -> None:
        status, size = 200, 0
        started = time.perf_counter()
        try:
            if call.deployment.own is not None:
                own = call.deployment.own
                found = await call.deployment.think(own.answer, own.read(call.request, query))
                size = len(orjson.dumps(found))
            elif call.deployment.script is not None:
                question = script_answers.question(call.request, query, call.ids)
                reply = await call.deployment.call(*question)
                status, size = reply.status, len(reply.body)
            else:
                result = await call.deployment.score(*contract.from_request(call.request, query))
                size = len(orjson.dumps(result, default=plain, option=OPTIONS))
        except (TooManyRequestsError, TimeoutError):
            status = 429
        except (ContainerError, RefusalError) as error:
            status = error.status
        self.record(call, status, size, time.perf_counter() - started)

    # the container

    def _other(self, call: Call, path: bytes, query: bytes) -> Answer:
        request, deployment = call.request, call.deployment
        if path not in (b"/", b"/swagger.json"):
            return self.container_error(call, ContainerError(404, _UNKNOWN_PATH))
        if request.method not in ("GET", "HEAD"):
            return self.container_error(
                call, ContainerError(405, "The method is not allowed for the requested URL.")
            )
        if path == b"/":
            kind = b"Content-Type: text/html; charset=utf-8\r\n"
            return self.end(call, 200, b"Healthy", kind, deployment.name_lines, answers.SERVER_VERSION)
        version = parse_qs(query.decode("latin-1")).get("version", ["2"])[0]
        document = deployment.own_swagger(version) or swagger(
            self.settings.swagger_title, deployment, version
        )
        if document is None:
            message = f"Swagger version [{version[:20]}] is not valid. Supported versions: [2, 3, 3.1]."
            return self.container_error(call, ContainerError(404, message))
        return self.end(call, 200, orjson.dumps(document, default=plain), deployment.success_head)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # administration

    def _admin(self, request: Request, path: bytes) -> Answer:
        return administered(request, path, self.settings.admin_secret, self._reload, self._state)

    def _reload(self) -> None:
        self.apply(read_settings(self._dir))

    def _state(self) -> dict[str, Any]:
        self.deployments.flush_logs()
        return self.deployments.describe()


_UNKNOWN_PATH = (
    "The requested URL was not found on the server. If you entered the URL manually please check your "
    "spelling and try again."
)


def _with_lines(answer: Answer, lines: bytes) -> Answer:
    return answer[0] + lines, answer[1]
