"""One shape of resource: documents by key, their envelope, pages of them, GET, PUT, DELETE; with operations or at once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import chain
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.core.arm import ArmError, not_found, reply, resource_type, system_data
from dropml.azureml.core.context import Context
from dropml.azureml.core.listing import Asked, Fits, page
from dropml.azureml.core.operations import Form, Kind, OperationFailedError
from dropml.azureml.core.store import Doc


class Resources:
    """One collection. A subclass names it, shows a document (`shape`), and says what a PUT may hold."""

    #: Of its documents in the store.
    kind: str
    #: Its word in sentences.
    label: str
    #: Of the URL and of the ARM type, and the name that follows each: a key is made of these names.
    segments: tuple[str, ...]
    names: tuple[str, ...] = ("name",)
    verbs: tuple[str, ...] = ("GET", "PUT", "DELETE")

    def __init__(self, context: Context) -> None:
        self.c = context

    # -- documents -----------------------------------------------------------------------------------------

    def key(self, request: Request) -> str:
        return "/".join(request.path_params[name] for name in self.names)

    def key_of(self, doc: Doc) -> str:
        return "/".join(str(doc[name]) for name in self.names)

    def get_doc(self, key: str) -> Doc | None:
        return self.c.store.get(self.kind, key)

    def find(self, key: str) -> Doc:
        """The document; the collection's 404 if there is none."""
        found = self.get_doc(key)
        if found is None:
            raise self.missing(key)
        return found

    def missing(self, key: str) -> ArmError:
        return not_found(f"{self.label.capitalize()} {key} not found.")

    def put_doc(self, doc: Doc) -> bool:
        """Store it beneath what it lies in; True if it is new."""
        parent = str(doc[self.names[0]]) if len(self.names) > 1 else None
        return self.c.store.put(self.kind, self.key_of(doc), doc, parent=parent)

    def dated(self, before: Doc | None) -> Doc:
        """`created` and `modified` of a PUT."""
        now = self.c.clock.now()
        return {"created": before["created"] if before else now, "modified": now}

    # -- the wire ------------------------------------------------------------------------------------------

    def arm_id(self, doc: Doc) -> str:
        return self.c.arm_id(*chain.from_iterable(zip(self.segments, self._own(doc), strict=True)))

    def _own(self, doc: Doc) -> list[str]:
        return [str(doc[name]) for name in self.names]

    def envelope(self, doc: Doc, properties: Doc | None, data: Doc | None = None) -> Doc:
        """What every resource answers: id, name, type, properties, systemData."""
        return {
            "id": self.arm_id(doc),
            "name": self._own(doc)[-1],
            "type": resource_type(*self.segments),
            "properties": properties,
            "systemData": system_data(doc) if data is None else data,
        }

    def shape(self, doc: Doc) -> Doc:
        """The resource on the wire."""
        return self.envelope(doc, doc["properties"])

    def shown(self, doc: Doc, _request: Request) -> Doc:
        """The resource for this request, where its api-version matters."""
        return self.shape(doc)

    def where(self, _request: Request) -> dict[str, Any]:
        """What a list leaves out, as columns of the store."""
        return {}

    def filters(self, _query: Mapping[str, str]) -> list[Fits]:
        """What a document must meet to be listed, by the words of the query."""
        return []

    async def get(self, request: Request) -> Response:
        return reply(self.shown(self.find(self.key(request)), request))

    async def all(self, request: Request) -> Response:
        return reply(self.page(request))

    def page(self, request: Request) -> Doc:
        """One page of the collection, newest first unless asked; `nextLink` is absolute and only there if more follows."""
        query = dict(request.query_params)
        inside = {"parent": request.path_params[self.names[0]]} if len(self.names) > 1 else {}
        find = partial(self.c.store.find, self.kind, **inside, **self.where(request))
        docs, more = page(find, Asked.by(query), self.filters(query))
        answer: Doc = {"value": [self.shown(doc, request) for doc in docs]}
        if more:
            query.pop("$skip", None)
            query["$skipToken"] = more
            raw = request.scope.get("original_path", request.url.path)
            answer["nextLink"] = f"{self.c.settings.base_url}{raw}?{urlencode(query, safe='$')}"
        return answer

    def stored(self, doc: Doc, request: Request, *, new: bool) -> Response:
        """The answer to a PUT that is done at once: 201 with its address, or 200."""
        headers = {"Location": self.c.location_header(request)} if new else {}
        return reply(self.shown(doc, request), 201 if new else 200, headers)

    async def delete(self, request: Request) -> Response:
        return Response(None, 200 if self.remove(self.key(request)) else 204)

    def remove(self, key: str) -> bool:
        """Delete the document; True if there was one."""
        return self.c.store.delete(self.kind, key)

    def routes(self) -> list[Route]:
        parts = [f"{segment}/{{{name}}}" for segment, name in zip(self.segments, self.names, strict=True)]
        one = "/ws/" + "/".join(parts)
        many = one.rpartition("/")[0]
        handlers = [Route(one, getattr(self, verb.lower()), methods=[verb]) for verb in self.verbs]
        return [Route(many, self.all, methods=["GET"]), *handlers]


def archived(request: Request) -> dict[str, Any]:
    """`listViewType` as the store's `archived` column: False, True, or None for both."""
    view = request.query_params.get("listViewType", "ActiveOnly").lower()
    return {"archived": {"activeonly": False, "archivedonly": True}.get(view)}


class LongRunning(Resources):
    """Resources whose PUT and DELETE are operations. A document tells its `state` and its latest `operation`."""

    put_form: Form
    delete_form: Form

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        put = Kind(self.put_form, self.work_put, self.settle_put)
        delete = Kind(self.delete_form, self.work_delete, self.settle_delete)
        context.operations.register(f"{self.kind}.put", put)
        context.operations.register(f"{self.kind}.delete", delete)

    def idle(self, doc: Doc | None) -> None:
        """409 while an operation on this resource is in progress."""
        if doc is not None:
            self.c.operations.check_idle(doc, self.label)

    def begin(self, action: str, doc: Doc, request: Request) -> dict[str, str]:
        """Store the document together with its operation, which starts; the headers of the answer."""
        operations, key = self.c.operations, self.key_of(doc)
        with self.c.store.transaction():
            operation = operations.begin(f"{self.kind}.{action}", key, request.query_params["api-version"])
            doc |= {"operation": operation["id"], "operation_uri": operations.unsigned_url(operation)}
            self.put_doc(doc)
        return operations.headers(operation, self.c.location_header(request) if action == "put" else None)

    async def work_put(self, operation: Doc) -> None:
        """What a PUT sets in motion; nothing where the document is all there is."""

    async def work_delete(self, operation: Doc) -> None:
        """What a DELETE sets in motion."""

    def settle_put(self, operation: Doc, failure: OperationFailedError | None) -> None:
        state = "Failed" if failure else "Succeeded"
        self.c.store.update(self.kind, operation["target"], lambda doc: doc.update(state=state))

    def settle_delete(self, operation: Doc, failure: OperationFailedError | None) -> None:
        self.remove(operation["target"])

    def removable(self, doc: Doc) -> None:
        """4xx for a resource that can't be deleted yet."""

    async def delete(self, request: Request) -> Response:
        doc = self.get_doc(self.key(request))
        if doc is None:
            return Response(None, 204)
        self.idle(doc)
        self.removable(doc)
        doc["state"] = "Deleting"
        headers = self.begin("delete", doc, request)
        if self.delete_form.empty:
            return Response(None, 202, headers)
        return reply(None, 202, headers)
