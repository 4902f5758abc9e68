"""The data planes of data and models, as far as `jobs.download` asks them where a job's named outputs lie."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.core.arm import reply
from dropml.azureml.core.fields import json_body
from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.outputs import JobOutputs


class OutputUris:
    def __init__(self, outputs: JobOutputs) -> None:
        self._outputs = outputs

    async def _found(self, request: Request, key: str) -> Response:
        """Each asset id that names a job's output, with the datastore URI where it lies by now."""
        values: Doc = {}
        for asset in (await json_body(request)).get("values") or []:
            uri = self._outputs.stored_uri(str(asset))
            if uri is not None:
                await asyncio.to_thread(self._outputs.publish_uri, str(asset))
                values[asset] = {key: uri, "type": self._outputs.asset_type(str(asset))}
        return reply({"values": values})

    async def data(self, request: Request) -> Response:
        return await self._found(request, "uri")

    async def models(self, request: Request) -> Response:
        return await self._found(request, "path")

    def routes(self) -> list[Route]:
        return [
            Route("/data/dataversion/batchGetResolvedUris", self.data, methods=["POST"]),
            Route("/modelregistry/models/batchGetResolvedUris", self.models, methods=["POST"]),
        ]
