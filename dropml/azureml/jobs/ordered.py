"""Failures that a test orders before a job is submitted: Azure's own words for what one machine has no way to bring about.

`PUT /_emulator/jobs/{name}/failure` `{"message", "code": "UserError" | "SystemError", "log": text, "image_build": false}`: the
job of that name fails with the message instead of starting; the log is its own, or that of its image's build.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.core.arm import bad_request, reply
from dropml.azureml.core.context import Context
from dropml.azureml.core.fields import json_body
from dropml.azureml.jobs.runs import BUILD_LOG, STD_LOG, Runs

_KIND = "ordered_failure"


class OrderedFailures:
    def __init__(self, context: Context) -> None:
        self._c = context

    async def order(self, request: Request) -> Response:
        body = await json_body(request)
        message, code = body.get("message"), body.get("code", "UserError")
        if not isinstance(message, str) or code not in ("UserError", "SystemError"):
            raise bad_request("An ordered failure needs a message, and UserError or SystemError as its code.")
        log = BUILD_LOG if body.get("image_build") else STD_LOG
        order = {"message": message, "code": code, "log": str(body.get("log") or ""), "path": log}
        self._c.store.put(_KIND, request.path_params["name"], order)
        return reply(order, 201)

    def routes(self) -> list[Route]:
        return [Route("/_emulator/jobs/{name}/failure", self.order, methods=["PUT"])]


def ordered_failure(runs: Runs, name: str) -> bool:
    """End the job as it was ordered; False where nothing was."""
    order = runs.c.store.get(_KIND, name)
    if order is None:
        return False
    if order["log"]:
        path = runs.folder(name) / order["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(order["log"], encoding="utf-8")
    runs.finish(name, "Failed", order["message"], order["code"])
    return True
