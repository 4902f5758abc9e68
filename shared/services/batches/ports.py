"""What batches need of the data account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from shared.domain.batches import Source


@dataclass(frozen=True)
class FileInfo:
    """`encoding` is its Content-Encoding; empty where there is none."""

    size: int
    etag: str
    encoding: str = ""


class BatchFiles(Protocol):
    """Blobs of the data account, as far as a batch needs them."""

    def stat(self, container: str, path: str) -> FileInfo:
        """Raises NotFound."""

    def read(self, container: str, path: str, etag: str, offset: int, length: int) -> bytes:
        """A byte range, as it is stored. Raises Conflict when the blob is no longer the one of this ETag."""

    def put(self, container: str, path: str, data: bytes) -> FileInfo: ...
    def copy(self, source: Source, container: str, path: str) -> FileInfo:
        """The version `source` of a blob as another one, copied inside the account. One that is there already is the copy.

        Raises NotFound, Conflict where the source is no longer this version, Transient while it is still being copied.
        """

    def delete(self, container: str, path: str) -> None:
        """One that is gone already is no error."""

    def stage(self, container: str, path: str, index: int, data: bytes) -> None:
        """Stage block `index`; staging it again replaces it."""

    def commit(self, container: str, path: str, count: int) -> None:
        """Make blocks 0 to count-1 the blob. Repeating it changes nothing."""
