"""How every request to a deployment ends: its record, and the front door's lines around what the container said."""

import time
from dataclasses import dataclass

import orjson

from dropml.azureml.serving import answers
from dropml.azureml.serving.contract import ContainerError
from dropml.azureml.serving.deployment import Deployment
from dropml.azureml.serving.frames import plain
from dropml.azureml.serving.messages import Answer, Request
from dropml.azureml.serving.telemetry import RequestItem, Telemetry

FAILED = b"x-ms-run-function-failed: True\r\n"
REFUSED = b"x-ms-run-function-failed: False\r\n"
MAX_ANSWER = 1_572_864  # a larger answer of a container is a 424 too [doc]
OPTIONS = orjson.OPT_SERIALIZE_NUMPY


@dataclass(slots=True)
class Call:
    """One request on its way through a deployment."""

    request: Request
    deployment: Deployment
    path: str
    ids: tuple[bytes, bytes, bytes]


class Ending:
    """`telemetry` is told of the requests of deployments that want it."""

    telemetry: Telemetry | None = None

    def scored(self, call: Call, result: object, seconds: float) -> Answer:
        body = orjson.dumps(result, default=plain, option=OPTIONS)
        if len(body) > MAX_ANSWER:
            reason = answers.model_error(b"response_payload_too_large", 200)
            return self.end(call, 424, b"", answers.TEXT, reason)
        spent = b"x-ms-run-fn-exec-ms: %.3f\r\n" % (seconds * 1000)
        return self.end(call, 200, body, call.deployment.success_head, spent)

    def container_error(self, call: Call, error: ContainerError) -> Answer:
        """The container's answer as the front door passes it on: 424, its status in a header."""
        call.deployment.log.error(error.log)
        return self.end(
            call,
            424,
            orjson.dumps({"message": error.message}),
            answers.JSON,
            call.deployment.name_lines,
            FAILED if error.failed else REFUSED,
            answers.model_error(b"model_error", error.status),
            container=error.status,
        )

    def end(self, call: Call, status: int, body: bytes, *lines: bytes, container: int = 0) -> Answer:
        """Record the request and put its answer together. `lines` may begin with a status line."""
        ids = call.ids
        if call.path != "/":  # the container logs no health checks
            seconds = time.perf_counter() - call.request.received
            self.record(call, container or status, len(body), seconds)
        start = b"" if lines[0].startswith(b"HTTP/") else answers.STATUS[status]
        return b"".join((start, *lines, answers.CLOCK.date(), ids[2])), body

    def record(self, call: Call, status: int, size: int, seconds: float) -> None:
        deployment, now = call.deployment, time.time()
        method = call.request.method
        deployment.log.request((now, method, call.path, status, seconds * 1000, size, call.ids[0]))
        if deployment.settings.app_insights and self.telemetry is not None:
            self.telemetry.add(
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
