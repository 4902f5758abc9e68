"""Blobs as the application uses them: JSON documents, append-only ledgers, and data streamed in bounded memory.

Writes to documents are conditional and never repeated blindly: a Conflict means "read again and decide". It may also
mean that our own write went through and only its answer was lost; who reads again sees that.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from azure.core import MatchConditions
from azure.storage.blob import (
    BlobBlock,
    BlobClient,
    BlobProperties,
    BlobServiceClient,
    ContainerClient,
    ContentSettings,
)

from shared.adapters.storage import CHUNK, TIMEOUT, blob_service_client, translated
from shared.domain.errors import Conflict, DropMLError, NotFound

__all__ = ["BlobInfo", "DataStore", "JsonStore", "LedgerStore", "blob_service_client"]

_JSON = ContentSettings(content_type="application/json; charset=utf-8")
_TEXT = ContentSettings(content_type="text/plain; charset=utf-8")


@dataclass(frozen=True)
class BlobInfo:
    """`etag` is quoted, as in headers; listings have it without, so compare only these."""

    name: str
    etag: str
    size: int
    metadata: dict[str, str] = field(default_factory=dict)
    #: Unix seconds.
    last_modified: float = 0.0


def quoted(etag: str) -> str:
    return etag if etag.startswith(('"', "W/")) else f'"{etag}"'


def _info(properties: BlobProperties) -> BlobInfo:
    return BlobInfo(
        str(properties.name),
        quoted(str(properties.etag)),
        int(properties.size or 0),
        dict(properties.metadata or {}),
        properties.last_modified.timestamp() if properties.last_modified else 0.0,
    )


class JsonStore:
    """JSON documents of one container, written only if nobody else has written since they were read."""

    def __init__(self, container: ContainerClient) -> None:
        self._container = container

    def get(self, path: str) -> tuple[dict[str, Any], str] | None:
        """The document and its ETag; None when there is none."""
        try:
            with translated(path):
                answer = self._container.download_blob(path, timeout=TIMEOUT)
                raw = answer.readall()
        except NotFound as error:
            if error.error_code == "blob-not-found":
                return None
            raise
        doc: dict[str, Any] = json.loads(raw)
        return doc, quoted(str(answer.properties.etag))

    def create(self, path: str, doc: dict[str, Any]) -> str:
        """Write a new document; returns its ETag. Raises Conflict when there is one already."""
        return self._put(path, doc, overwrite=False)

    def replace(self, path: str, doc: dict[str, Any], etag: str) -> str:
        """Write over the version that `etag` names; returns the new ETag. Raises Conflict when it has changed."""
        return self._put(
            path, doc, overwrite=True, etag=quoted(etag), match_condition=MatchConditions.IfNotModified
        )

    def _put(self, path: str, doc: dict[str, Any], **condition: Any) -> str:
        raw = json.dumps(doc, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        with translated(path):
            answer = self._container.get_blob_client(path).upload_blob(
                raw.encode(), content_settings=_JSON, timeout=TIMEOUT, **condition
            )
        return quoted(str(answer["etag"]))

    def delete(self, path: str) -> None:
        """Idempotent."""
        try:
            with translated(path):
                self._container.delete_blob(path, timeout=TIMEOUT)
        except NotFound:
            return

    def list(self, prefix: str = "") -> Iterator[str]:
        with translated(prefix):
            yield from self._container.list_blob_names(name_starts_with=prefix, timeout=TIMEOUT)


class LedgerStore:
    """Append blobs of whole lines. The writer says where its lines belong, so that none is lost or doubled."""

    def __init__(self, container: ContainerClient) -> None:
        self._container = container

    def append(self, path: str, first_position: int, lines: list[str]) -> int:
        """Append `lines` at byte `first_position`; returns the position after them.

        Lines that are there already, written in whole or in part by a worker that died before it could say so, count as
        written. Raises Conflict where something else stands there, or where the ledger is shorter than it was.
        """
        data = "".join(f"{line}\n" for line in lines).encode()
        end = first_position + len(data)
        blob = self._container.get_blob_client(path)
        if first_position == 0:
            self._create(blob, path)
        at = first_position
        while at < end:
            part = data[at - first_position :][:CHUNK]
            try:
                with translated(path):
                    blob.append_block(part, len(part), appendpos_condition=at, timeout=TIMEOUT)
                at += len(part)
            except Conflict:
                there = self._written(blob, path, first_position, data)
                if there <= at:
                    raise
                at = there
        return end

    def _create(self, blob: BlobClient, path: str) -> None:
        try:
            with translated(path):
                blob.create_append_blob(match_condition=MatchConditions.IfMissing, timeout=TIMEOUT)
        except Conflict:
            return  # made by a worker before us

    def _written(self, blob: BlobClient, path: str, first: int, data: bytes) -> int:
        """The position up to which `data` stands in the blob. Raises Conflict where something else does."""
        with translated(path):
            size = int(blob.get_blob_properties(timeout=TIMEOUT).size)
            there = b""
            if size > first:
                length = min(size - first, len(data))
                there = blob.download_blob(first, length, timeout=TIMEOUT).readall()
        if not there or not data.startswith(there):
            raise Conflict(
                f"The ledger {path} holds other entries from byte {first} on (its size is {size}).",
                code="ledger-diverged",
            )
        return first + len(there)

    def read(self, path: str) -> list[str]:
        """Its lines; none when there is no ledger yet."""
        try:
            with translated(path):
                raw = self._container.download_blob(path, timeout=TIMEOUT).readall()
        except NotFound:
            return []
        return raw.decode().splitlines()


class BlockWriter:
    """Writes one block blob in blocks, the one before still on its way while the next fills. Memory: three blocks."""

    def __init__(self, blob: BlobClient, what: str, pool: ThreadPoolExecutor) -> None:
        self._blob, self._what, self._pool = blob, what, pool
        self._buffer = bytearray()
        self._blocks: list[BlobBlock] = []
        self._sending: Future[Any] | None = None
        # Two writers of one blob (a doubled delivery) must not mix their blocks.
        self._prefix = uuid.uuid4().hex[:8]

    def write(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= CHUNK:
            self._send(bytes(self._buffer[:CHUNK]))
            del self._buffer[:CHUNK]

    def _send(self, block: bytes) -> None:
        self._wait()
        # All ids of a blob have the same length.
        name = base64.b64encode(f"{self._prefix}{len(self._blocks):08d}".encode()).decode()
        self._blocks.append(BlobBlock(name))
        self._sending = self._pool.submit(self._blob.stage_block, name, block, len(block), timeout=TIMEOUT)

    def _wait(self) -> None:
        if self._sending is not None:
            sending, self._sending = self._sending, None
            with translated(self._what):
                sending.result()

    def commit(self, settings: ContentSettings, metadata: Mapping[str, str] | None) -> None:
        if self._buffer:
            self._send(bytes(self._buffer))
        self._wait()
        with translated(self._what):
            self._blob.commit_block_list(
                self._blocks,
                content_settings=settings,
                metadata=dict(metadata) if metadata else None,
                timeout=TIMEOUT,
            )


def _read_ahead(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces, the next one on its way while this one is worked on."""
    with ThreadPoolExecutor(1, "dropml-download") as pool:
        coming = pool.submit(next, pieces, None)
        while (piece := coming.result()) is not None:
            coming = pool.submit(next, pieces, None)
            yield piece


class DataStore:
    """Files of a storage account, streamed."""

    def __init__(self, service: BlobServiceClient) -> None:
        self._service = service

    def ensure_containers(self, names: Iterable[str]) -> None:
        """Create those that don't exist."""
        for name in names:
            try:
                with translated(name):
                    self._service.create_container(name, timeout=TIMEOUT)
            except Conflict:
                continue

    def properties(self, container: str, name: str) -> BlobInfo:
        """Raises NotFound."""
        with translated(f"{container}/{name}"):
            return _info(self._blob(container, name).get_blob_properties(timeout=TIMEOUT))

    def list(self, container: str, prefix: str = "", since: float | None = None) -> Iterator[BlobInfo]:
        """Blobs under `prefix`, without metadata; with `since` (unix seconds), those modified then or later."""
        with translated(container):
            found = self._service.get_container_client(container).list_blobs(
                name_starts_with=prefix or None, timeout=TIMEOUT
            )
            for properties in found:
                info = _info(properties)
                if since is None or info.last_modified >= since:
                    yield info

    def stream(
        self, container: str, name: str, etag: str | None = None, chunk: int = CHUNK
    ) -> Iterator[bytes]:
        """The stored bytes in pieces of at most `chunk`, all of one version.

        Raises NotFound, and Conflict (source-changed) when the blob is no longer the version `etag`, or is replaced while
        it is read.
        """
        what = f"{container}/{name}"
        condition: dict[str, Any] = (
            {"etag": quoted(etag), "match_condition": MatchConditions.IfNotModified} if etag else {}
        )
        try:
            with translated(what):
                # Each further range is asked for with If-Match on the first one's ETag by the SDK itself.
                answer = self._blob(container, name).download_blob(
                    timeout=TIMEOUT, max_concurrency=1, decompress=False, **condition
                )
                for piece in _read_ahead(answer.chunks()):
                    for start in range(0, len(piece), chunk):
                        yield piece[start : start + chunk]
        except Conflict as error:
            raise Conflict(
                f"{what} was replaced while it was read.",
                code="source-changed",
                remedy="Nothing: the new version is taken by its own event.",
            ) from error

    def read_text(self, container: str, name: str, limit: int = 1 << 20) -> str:
        """A small UTF-8 text; undecodable bytes become replacement characters. Raises NotFound."""
        with translated(f"{container}/{name}"):
            answer = self._blob(container, name).download_blob(0, limit, timeout=TIMEOUT)
            return answer.readall().decode("utf-8-sig", "replace")

    def upload_text(self, container: str, name: str, text: str) -> None:
        """Write a small text, over what may be there."""
        settings = _JSON if name.endswith(".json") else _TEXT
        with translated(f"{container}/{name}"):
            self._blob(container, name).upload_blob(
                text.encode(), overwrite=True, content_settings=settings, timeout=TIMEOUT
            )

    @contextmanager
    def writer(
        self,
        container: str,
        name: str,
        *,
        content_type: str = "text/csv; charset=utf-8",
        metadata: Mapping[str, str] | None = None,
    ) -> Iterator[BlockWriter]:
        """Write a blob piece by piece; it appears, or replaces the old one, only on a clean exit."""
        with ThreadPoolExecutor(1, "dropml-upload") as pool:
            writer = BlockWriter(self._blob(container, name), f"{container}/{name}", pool)
            yield writer
            writer.commit(ContentSettings(content_type=content_type), metadata)

    def copy(
        self, container: str, name: str, to_container: str, to_name: str, etag: str | None = None
    ) -> None:
        """Copy the version `etag` byte for byte, with its metadata. Streamed, so it is whole when this returns."""
        info = self.properties(container, name)
        with self.writer(
            to_container, to_name, content_type="application/octet-stream", metadata=info.metadata
        ) as out:
            for piece in self.stream(container, name, etag or info.etag):
                out.write(piece)

    def delete(self, container: str, name: str) -> None:
        """Idempotent."""
        try:
            with translated(f"{container}/{name}"):
                self._blob(container, name).delete_blob(timeout=TIMEOUT)
        except NotFound:
            return

    def delete_prefix(self, container: str, prefix: str) -> int:
        """Delete every blob whose name begins with `prefix`; returns how many. An empty prefix is refused."""
        if not prefix:
            raise DropMLError("An empty prefix would delete the whole container.", code="empty-prefix")
        names = [info.name for info in self.list(container, prefix)]
        for name in names:
            self.delete(container, name)
        return len(names)

    def area(self, container: str, folder: str) -> BlobArea:
        """A folder to stage into (`shared.services.intake.intake.staging.Area`)."""
        return BlobArea(self, container, folder.strip("/"))

    def _blob(self, container: str, name: str) -> BlobClient:
        return self._service.get_blob_client(container, name)


@dataclass(frozen=True)
class BlobArea:
    """One folder of a container."""

    store: DataStore
    container: str
    folder: str

    def writer(self, name: str) -> Any:
        return self.store.writer(self.container, f"{self.folder}/{name}")

    def reader(self, name: str) -> Iterator[bytes]:
        return self.store.stream(self.container, f"{self.folder}/{name}")

    def delete(self, name: str) -> None:
        self.store.delete(self.container, f"{self.folder}/{name}")
