"""Run history's artifact routes, with which azureml-mlflow lists, downloads and logs artifacts.

A client gets the address of a blob with a signature, and reads or writes the blob itself.
"""

from __future__ import annotations

import asyncio
from pathlib import PurePosixPath

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.core.arm import ArmError, bad_request, not_found, reply
from dropml.azureml.core.clock import stamp
from dropml.azureml.core.fields import json_body
from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.output_uris import container
from dropml.azureml.jobs.outputs import JobOutputs
from dropml.azureml.workspace.storage import DataError

_BASES = (
    "/history/runs/{run}/artifacts",
    "/history/experiments/{experiment}/runs/{run}/artifacts",
    "/history/experimentids/{experiment}/runs/{run}/artifacts",
)


class RunArtifacts:
    def __init__(self, outputs: JobOutputs) -> None:
        self._outputs, self._runs = outputs, outputs.runs

    # -- what is asked for ---------------------------------------------------------------------------------

    def _run(self, request: Request) -> Doc:
        """The run, in the experiment that the path names by name or id."""
        name, experiment = request.path_params["run"], request.path_params.get("experiment")
        run = self._runs.get(name)
        if run is None:
            raise not_found(f"Run {name} was not found.", "NotFound", "ResourceNotFoundError", "RunNotFound")
        if experiment not in (None, run["experiment"], self._runs.experiment(run["experiment"])["id"]):
            raise not_found(
                f"Run {name} was not found in the experiment {experiment}.", "NotFound", "RunNotFound"
            )
        return run

    async def _names(self, run: Doc) -> list[str]:
        return list(await asyncio.to_thread(self._outputs.names, run))

    async def _one(self, request: Request) -> tuple[Doc, str]:
        run, path = self._run(request), request.query_params.get("path", "").strip("/")
        if not path:
            raise bad_request("The query parameter 'path' is required.")
        if path not in await self._names(run):
            text = f"Artifact {container(run['name'])}/{path} was not found."
            raise not_found(text, "NotFound", "ArtifactNotFound")
        return run, path

    def _shape(self, run: Doc, path: str) -> Doc:
        own = {"origin": "ExperimentRun", "container": f"dcid.{run['name']}", "path": path}
        full = f"{container(run['name'])}/{path}"
        return {
            "artifactId": full,
            **own,
            "etag": None,
            "createdTime": stamp(run["modified"]),
            "dataPath": None,
            "tags": {},
        }

    def _content(self, run: Doc, path: str) -> Doc:
        return {
            "contentUri": self._outputs.url(run, path),
            "origin": "ExperimentRun",
            "container": f"dcid.{run['name']}",
            "path": path,
            "tags": None,
        }

    # -- reads ---------------------------------------------------------------------------------------------

    async def all(self, request: Request) -> Response:
        """Every artifact of the run, or those below `path`."""
        run, prefix = self._run(request), request.query_params.get("path", "")
        value = [self._shape(run, name) for name in await self._names(run) if name.startswith(prefix)]
        return reply({"value": value, "continuationToken": None, "nextLink": None})

    async def metadata(self, request: Request) -> Response:
        return reply(self._shape(*await self._one(request)))

    async def content(self, request: Request) -> Response:
        run, path = await self._one(request)
        return reply(await asyncio.to_thread(self._published, run, [path], path))

    async def uri(self, request: Request) -> Response:
        """The signed address alone, as text."""
        run, path = await self._one(request)
        return reply((await asyncio.to_thread(self._published, run, [path], path))["contentUri"])

    async def contents(self, request: Request) -> Response:
        """The signed addresses of every artifact below `path`."""
        run, prefix = self._run(request), request.query_params.get("path", "").strip("/")
        names = [n for n in await self._names(run) if n.startswith(prefix)]
        await asyncio.to_thread(self._publish, run, prefix)
        value = [self._content(run, name) for name in names]
        return reply({"value": value, "continuationToken": None, "nextLink": None})

    def _published(self, run: Doc, paths: list[str], path: str) -> Doc:
        for name in paths:
            self._publish(run, name)
        try:
            return self._content(run, path)
        except DataError as error:
            raise bad_request(str(error)) from None

    def _publish(self, run: Doc, path: str) -> None:
        try:
            self._outputs.publish(run, path)
        except DataError as error:
            raise ArmError(503, str(error), "ServiceUnavailable") from None

    # -- writes --------------------------------------------------------------------------------------------

    async def create(self, request: Request) -> Response:
        """POST batch/metadata: names for artifacts to come, each with the address to upload it to."""
        run, body = self._run(request), await json_body(request)
        paths = [str(item.get("path") or "") for item in body.get("paths") or []]
        taken, errors = set(await self._names(run)), {}
        for path in paths:
            if not path or path.startswith("/") or ".." in PurePosixPath(path).parts:
                errors[path] = _error(f"The artifact path '{path}' is invalid.")
            elif path in taken:
                text = f"Resource Conflict: ArtifactId {container(run['name'])}/{path} already exists."
                errors[path] = _error(text)
        new = [path for path in dict.fromkeys(paths) if path not in errors]
        try:
            contents = {path: await asyncio.to_thread(self._content, run, path) for path in new}
        except DataError as error:
            raise bad_request(str(error)) from None
        self._outputs.create(run, new)
        artifacts = {path: self._shape(run, path) for path in new}
        return reply({"artifacts": artifacts, "artifactContentInformation": contents, "errors": errors})

    def routes(self) -> list[Route]:
        reads = {
            "": self.all,
            "/path": self.all,
            "/metadata": self.metadata,
            "/contentinfo": self.content,
            "/artifacturi": self.uri,
            "/prefix/contentinfo": self.contents,
        }
        found = [
            Route(base + tail, handler, methods=["GET"]) for base in _BASES for tail, handler in reads.items()
        ]
        return [*found, *(Route(f"{base}/batch/metadata", self.create, methods=["POST"]) for base in _BASES)]


def _error(message: str) -> Doc:
    return {"error": {"code": "UserError", "message": message, "details": []}}
