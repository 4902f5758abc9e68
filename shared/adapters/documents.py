"""JSON documents of the state container, written conditionally, and marks that one listing call reads back.

A write is never repeated blindly: a Conflict means "read again and decide". It may also mean that our own write went
through and only its answer was lost; who reads again sees that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.parse import quote, unquote
from xml.etree.ElementTree import Element

from azure.core import MatchConditions
from azure.core.pipeline.policies import ContentDecodePolicy
from azure.storage.blob import ContainerClient

from shared.adapters.storage import DOCUMENT_TIMEOUT, JSON, quoted
from shared.adapters.storage_errors import translated
from shared.domain.documents import InvalidDocument
from shared.domain.errors import Conflict, InvalidInput, NotFound, Transient, Upstream
from shared.services.documents import Entry, Page, Told

#: Azure keeps 8 KiB of metadata with a blob, names included; the rest is left for what the service counts beside.
MARK_BYTES = 7 * 1024
_AS_IS = "/:,+@()[]{}"


class JsonStore:
    """Implements `shared.services.documents.Documents` over one container. Thread-safe."""

    def __init__(self, container: ContainerClient) -> None:
        self._container = container

    def get(self, path: str) -> tuple[dict[str, Any], str] | None:
        try:
            with translated(path):
                answer = self._container.download_blob(path, timeout=DOCUMENT_TIMEOUT)
                raw = answer.readall()
        except NotFound as error:
            if error.error_code == "blob-not-found":
                return None
            raise
        return parsed(raw, path), quoted(str(answer.properties.etag))

    def create(self, path: str, doc: Mapping[str, object], told: Told = None) -> str:
        return self._put(path, doc, told, overwrite=False)

    def replace(self, path: str, doc: Mapping[str, object], etag: str, told: Told = None) -> str:
        same = MatchConditions.IfNotModified
        return self._put(path, doc, told, overwrite=True, etag=quoted(etag), match_condition=same)

    def put(self, path: str, doc: Mapping[str, object]) -> None:
        self._put(path, doc, None, overwrite=True)

    def _put(self, path: str, doc: Mapping[str, object], told: Told, **condition: Any) -> str:
        raw = json.dumps(doc, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        with translated(path):
            answer = self._container.get_blob_client(path).upload_blob(
                raw.encode(),
                content_settings=JSON,
                metadata=packed(told) if told else None,
                timeout=DOCUMENT_TIMEOUT,
                **condition,
            )
        return quoted(str(answer["etag"]))

    def delete(self, path: str, etag: str | None = None) -> None:
        delete = partial(self._container.delete_blob, path, timeout=DOCUMENT_TIMEOUT)
        try:
            with translated(path):
                if etag is None:
                    delete()
                else:
                    delete(etag=quoted(etag), match_condition=MatchConditions.IfNotModified)
        except NotFound as error:
            if error.error_code != "blob-not-found":
                raise
            if etag is not None:
                raise Conflict(f"{path} is gone.", code="blob-changed") from error

    def list(self, prefix: str) -> Iterator[str]:
        with translated(prefix):
            yield from self._container.list_blob_names(name_starts_with=prefix, timeout=DOCUMENT_TIMEOUT)

    def page(self, prefix: str, limit: int, after: str = "") -> Page:
        """https://learn.microsoft.com/rest/api/storageservices/list-blobs: at most 5,000 a page, ascending."""
        try:
            return self._listed(prefix, limit, after)
        except Upstream as error:
            if after and not isinstance(error, Transient):
                raise InvalidInput(
                    "The cursor is none that was given here.",
                    remedy="Take `cursor` from the answer before, or leave it out to begin anew.",
                    field="cursor",
                ) from error
            raise

    def _listed(self, prefix: str, limit: int, after: str) -> Page:
        """The names' listing with metadata included, read from the answer's own XML.

        The SDK's listing of whole blobs makes each of 30 properties an object: three times the time of the call itself.
        """
        answers: list[Any] = []
        with translated(prefix):
            pages = self._container.list_blob_names(
                name_starts_with=prefix,
                include=["metadata"],
                results_per_page=limit,
                raw_response_hook=answers.append,
                timeout=DOCUMENT_TIMEOUT,
            ).by_page(after or None)
            next(pages)
        root = answers[-1].context[ContentDecodePolicy.CONTEXT_NAME]
        found = [_entry(blob) for blob in root.iterfind("Blobs/Blob")]
        return found, str(getattr(pages, "continuation_token", None) or "")

    def mark(self, path: str, metadata: dict[str, str]) -> None:
        with translated(path):
            self._container.get_blob_client(path).upload_blob(
                b"", overwrite=True, metadata=packed(metadata), timeout=DOCUMENT_TIMEOUT
            )


def _entry(blob: Element) -> Entry:
    name = blob.find("Name")
    path = (name.text or "") if name is not None else ""
    if name is not None and name.get("Encoded") == "true":
        path = unquote(path)
    metadata = {item.tag: item.text or "" for item in blob.iterfind("Metadata/*")}
    etag, modified = blob.findtext("Properties/Etag", ""), blob.findtext("Properties/Last-Modified", "")
    return Entry(path, quoted(etag), _unpacked(metadata), _seconds(modified))


def _seconds(text: str) -> float:
    """Unix seconds of an HTTP date; 0 for anything else."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return 0.0


def parsed(raw: bytes, path: str) -> dict[str, Any]:
    try:
        doc = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _no_document(raw, f"The document {path} is no JSON: {error}.") from error
    if not isinstance(doc, dict):
        raise _no_document(raw, f"The document {path} is no JSON object.")
    return doc


def _no_document(raw: bytes, message: str) -> InvalidDocument:
    found = InvalidDocument(message, remedy=_RESTORE)
    found.raw = raw.decode("utf-8", "replace")
    return found


_RESTORE = "It was changed by hand or cut off: restore an older version of the blob."


def packed(metadata: dict[str, str]) -> dict[str, str]:
    """As headers take it: percent-encoded, empty values left out, and cut where MARK_BYTES are used up."""
    out: dict[str, str] = {}
    left = MARK_BYTES
    for name, value in metadata.items():
        text = _encoded(value, left - len(name))
        if text:
            out[name] = text
            left -= len(name) + len(text)
    return out


def _encoded(value: str, room: int) -> str:
    """The longest beginning of `value` whose encoded form has at most `room` bytes."""
    text = quote(value, safe=_AS_IS)
    while value and len(text) > room:
        # A character is at most twelve bytes of the text, so this never cuts more than it must.
        value = value[: len(value) - max(1, (len(text) - room) // 12)]
        text = quote(value, safe=_AS_IS)
    return text


def _unpacked(metadata: dict[str, str]) -> dict[str, str]:
    return {name: unquote(value) for name, value in metadata.items()}
