"""What a test orders of a deployment's answers: late ones, or failures of its container. The model behind it is left as it is.

`PUT /_emulator/onlineEndpoints/{endpoint}/deployments/{deployment}/answers` `{"seconds": 0.5, "status": 500}`: from now on it
answers so much later, or, with a status, its container fails with it. It may be ordered before the deployment is made.
`DELETE` forgets it.
"""

from __future__ import annotations

import contextlib

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.core.arm import bad_request, reply
from dropml.azureml.core.context import Context
from dropml.azureml.core.fields import json_body
from dropml.azureml.core.store import Doc
from dropml.azureml.online.process import EndpointDownError, EndpointProcesses

_KIND = "ordered_answers"
MOST_SECONDS = 60.0


class OrderedAnswers:
    def __init__(self, context: Context, processes: EndpointProcesses) -> None:
        self._c, self._processes = context, processes

    async def order(self, request: Request) -> Response:
        body = await json_body(request)
        late, status = body.get("seconds", 0), body.get("status", 0)
        if not isinstance(late, int | float) or not 0 <= late <= MOST_SECONDS:
            raise bad_request(f"seconds must be a number from 0 to {MOST_SECONDS:g}.")
        if status != 0 and not (isinstance(status, int) and 400 <= status < 600):
            raise bad_request("status must be that of a container's failure, 400 to 599.")
        order = {"seconds": float(late), "status": status}
        self._c.store.put(_KIND, _key(request), order)
        await self._told(request)
        return reply(order, 201)

    async def forget(self, request: Request) -> Response:
        self._c.store.delete(_KIND, _key(request))
        await self._told(request)
        return Response(None, 204)

    async def _told(self, request: Request) -> None:
        """The endpoint's process, where there is one; any other reads it at its start."""
        name = request.path_params["endpoint"]
        if self._c.store.get("endpoint", name) is not None:
            with contextlib.suppress(EndpointDownError):
                await self._processes.reload(name)

    def routes(self) -> list[Route]:
        path = "/_emulator/onlineEndpoints/{endpoint}/deployments/{deployment}/answers"
        return [Route(path, self.order, methods=["PUT"]), Route(path, self.forget, methods=["DELETE"])]


def _key(request: Request) -> str:
    return f"{request.path_params['endpoint']}/{request.path_params['deployment']}"


def ordered_answers(context: Context, endpoint: str, deployment: str) -> Doc:
    """The part of a deployment in `endpoint.json`; empty where nothing is ordered."""
    order = context.store.get(_KIND, f"{endpoint}/{deployment}")
    return {"ordered": order} if order else {}
