"""Blobs for batch scoring: ranges in, staged blocks out (https://learn.microsoft.com/rest/api/storageservices/put-block)."""

from __future__ import annotations

import base64
import time
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from shared.adapters.storage import TIMEOUT
from shared.adapters.storage_errors import translated
from shared.domain.errors import Conflict, NotFound, Transient
from shared.services.batches.ports import FileInfo

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, BlobServiceClient

    from shared.domain.batches import Source

#: How long a copy is waited for (seconds); inside an account it is mostly there at once.
COPY_SECONDS = 60.0


class BlobBatchFiles:
    """Implements `shared.services.batches.ports.BatchFiles`. Thread-safe."""

    def __init__(self, service: BlobServiceClient) -> None:
        self._service = service

    def stat(self, container: str, path: str) -> FileInfo:
        with translated(f"{container}/{path}"):
            properties = self._blob(container, path).get_blob_properties(timeout=TIMEOUT)
        return FileInfo(properties.size, properties.etag, properties.content_settings.content_encoding or "")

    def read(self, container: str, path: str, etag: str, offset: int, length: int) -> bytes:
        from azure.core import MatchConditions

        with translated(f"{container}/{path}"):
            stream = self._blob(container, path).download_blob(
                offset,
                length,
                etag=etag,
                match_condition=MatchConditions.IfNotModified,
                timeout=TIMEOUT,
                decompress=False,  # a few bytes may unpack to gigabytes
            )
            return stream.readall()

    def put(self, container: str, path: str, data: bytes) -> FileInfo:
        with translated(f"{container}/{path}"):
            answer = self._blob(container, path).upload_blob(data, overwrite=True, timeout=TIMEOUT)
        return FileInfo(len(data), cast("str", answer["etag"]))

    def copy(self, source: Source, container: str, path: str) -> FileInfo:
        """By storage itself: inside an account the source needs no authorisation but the caller's own.

        https://learn.microsoft.com/rest/api/storageservices/copy-blob
        """
        from azure.core import MatchConditions

        origin, target = self._blob(source.container, source.blob), self._blob(container, path)
        try:
            with translated(f"{source.container}/{source.blob}"):
                target.start_copy_from_url(
                    origin.url,
                    source_etag=source.etag,
                    source_match_condition=MatchConditions.IfNotModified,
                    match_condition=MatchConditions.IfMissing,
                    timeout=TIMEOUT,
                )
        except Conflict:  # another host has begun it, else the source has changed
            if not target.exists(timeout=TIMEOUT):
                raise
        return self._copied(target, f"{container}/{path}")

    def _copied(self, target: BlobClient, what: str) -> FileInfo:
        until = time.monotonic() + COPY_SECONDS
        while True:
            with translated(what):
                found = target.get_blob_properties(timeout=TIMEOUT)
            if found.copy.status in ("success", None):
                return FileInfo(found.size, found.etag, found.content_settings.content_encoding or "")
            if found.copy.status != "pending":  # begun anew by whoever comes next
                with translated(what):
                    target.delete_blob(timeout=TIMEOUT)
                raise Transient(f"Storage gave up copying to {what}.", code="storage-unavailable")
            if time.monotonic() > until:
                raise Transient(f"Storage is still copying to {what}.", code="storage-unavailable")
            time.sleep(0.5)

    def delete(self, container: str, path: str) -> None:
        with suppress(NotFound), translated(f"{container}/{path}"):
            self._blob(container, path).delete_blob(timeout=TIMEOUT)

    def stage(self, container: str, path: str, index: int, data: bytes) -> None:
        with translated(f"{container}/{path}"):
            self._blob(container, path).stage_block(_block_id(index), data, len(data), timeout=TIMEOUT)

    def commit(self, container: str, path: str, count: int) -> None:
        from azure.storage.blob import BlobBlock, ContentSettings

        blocks = [BlobBlock(_block_id(index)) for index in range(count)]
        settings = ContentSettings(content_type="text/csv; charset=utf-8")
        with translated(f"{container}/{path}"):
            self._blob(container, path).commit_block_list(blocks, content_settings=settings, timeout=TIMEOUT)

    def _blob(self, container: str, path: str) -> BlobClient:
        return self._service.get_blob_client(container, path)


def _block_id(index: int) -> str:
    """All ids of a blob must have the same length before encoding."""
    return base64.b64encode(f"{index:08d}".encode()).decode()
