"""Files of a storage account, streamed in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial

from azure.core import MatchConditions
from azure.storage.blob import BlobClient, BlobProperties, BlobServiceClient

from shared.adapters.block_writer import BlockWriter, writing
from shared.adapters.storage import CHUNK, JSON, TEXT, TIMEOUT, quoted
from shared.adapters.storage_errors import translated
from shared.domain.errors import Conflict, DropMLError, NotFound
from shared.services.overlap import ahead


@dataclass(frozen=True)
class BlobInfo:
    """`etag` is quoted, as in headers; listings have it without, so compare only these."""

    name: str
    etag: str
    size: int
    metadata: dict[str, str] = field(default_factory=dict)
    #: Unix seconds.
    last_modified: float = 0.0


def _info(properties: BlobProperties) -> BlobInfo:
    return BlobInfo(
        str(properties.name),
        quoted(str(properties.etag)),
        int(properties.size or 0),
        dict(properties.metadata or {}),
        properties.last_modified.timestamp() if properties.last_modified else 0.0,
    )


class DataStore:
    """Implements `shared.services.intake.intake.Files`. Thread-safe."""

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
        read = partial(
            self._blob(container, name).download_blob, timeout=TIMEOUT, max_concurrency=1, decompress=False
        )
        try:
            with translated(what):
                # Each further range is asked for with If-Match on the first one's ETag by the SDK itself.
                answer = (
                    read(etag=quoted(etag), match_condition=MatchConditions.IfNotModified) if etag else read()
                )
                for piece in ahead(answer.chunks()):
                    for start in range(0, len(piece), chunk):
                        yield piece[start : start + chunk]
        except Conflict as error:
            raise Conflict(
                f"{what} was replaced while it was read.",
                code="source-changed",
                remedy="Nothing: the new version is taken by its own event.",
            ) from error

    def upload_text(self, container: str, name: str, text: str) -> None:
        """Write a small text, over what may be there."""
        settings = JSON if name.endswith(".json") else TEXT
        with translated(f"{container}/{name}"):
            self._blob(container, name).upload_blob(
                text.encode(), overwrite=True, content_settings=settings, timeout=TIMEOUT
            )

    def writer(
        self,
        container: str,
        name: str,
        *,
        content_type: str = "text/csv; charset=utf-8",
        metadata: Mapping[str, str] | None = None,
    ) -> AbstractContextManager[BlockWriter]:
        """Write a blob piece by piece; it appears, or replaces the old one, only on a clean exit."""
        return writing(self._blob(container, name), f"{container}/{name}", content_type, metadata)

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

    def begin_copy(self, container: str, name: str, to_name: str) -> bool:
        """Have the account copy a blob within a container; True once the copy is whole. Again, it finds the copy.

        Within one account whoever may read the source may copy it: https://learn.microsoft.com/rest/api/storageservices/copy-blob
        """
        target = self._blob(container, to_name)
        try:
            with translated(f"{container}/{to_name}"):
                copy = target.get_blob_properties(timeout=TIMEOUT).copy
            status = str(copy.status or "success")
        except NotFound:
            status = "none"
        if status not in ("success", "pending"):
            source = self._blob(container, name)
            with translated(f"{container}/{name}"):
                status = str(target.start_copy_from_url(source.url, timeout=TIMEOUT)["copy_status"])
        return status == "success"

    def delete(self, container: str, name: str) -> None:
        """Idempotent."""
        try:
            with translated(f"{container}/{name}"):
                self._blob(container, name).delete_blob(timeout=TIMEOUT)
        except NotFound as error:
            if error.error_code != "blob-not-found":
                raise

    def delete_prefix(self, container: str, prefix: str) -> int:
        """Delete every blob whose name begins with `prefix`; returns how many. An empty prefix is refused."""
        if not prefix:
            raise DropMLError("An empty prefix would delete the whole container.", code="empty-prefix")
        names = [info.name for info in self.list(container, prefix)]
        for name in names:
            self.delete(container, name)
        return len(names)

    def area(self, container: str, folder: str) -> BlobArea:
        """A folder to stage into (`shared.services.intake.staging.Area`)."""
        return BlobArea(self, container, folder.strip("/"))

    def _blob(self, container: str, name: str) -> BlobClient:
        return self._service.get_blob_client(container, name)


@dataclass(frozen=True)
class BlobArea:
    """One folder of a container."""

    store: DataStore
    container: str
    folder: str

    def writer(self, name: str) -> AbstractContextManager[BlockWriter]:
        return self.store.writer(self.container, f"{self.folder}/{name}")

    def reader(self, name: str) -> Iterator[bytes]:
        return self.store.stream(self.container, f"{self.folder}/{name}")

    def delete(self, name: str) -> None:
        self.store.delete(self.container, f"{self.folder}/{name}")
