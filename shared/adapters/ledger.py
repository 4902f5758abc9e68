"""Append blobs of whole lines. The writer says where its lines belong, so that none is lost or doubled."""

from __future__ import annotations

from azure.core import MatchConditions
from azure.storage.blob import BlobClient, ContainerClient

from shared.adapters.storage import CHUNK, DOCUMENT_TIMEOUT
from shared.adapters.storage_errors import translated
from shared.domain.errors import Conflict, NotFound


class LedgerStore:
    """Implements `shared.services.documents.Ledger` over one container. Thread-safe.

    https://learn.microsoft.com/rest/api/storageservices/append-block
    """

    def __init__(self, container: ContainerClient) -> None:
        self._container = container

    def append(self, path: str, first_position: int, lines: list[str]) -> int:
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
                    blob.append_block(part, len(part), appendpos_condition=at, timeout=DOCUMENT_TIMEOUT)
                at += len(part)
            except Conflict:
                there = self._written(blob, path, first_position, data)
                if there <= at:
                    raise
                at = there
            except NotFound as error:
                if error.error_code != "blob-not-found":
                    raise
                raise _diverged(path, first_position, 0) from error
        return end

    def _create(self, blob: BlobClient, path: str) -> None:
        try:
            with translated(path):
                blob.create_append_blob(match_condition=MatchConditions.IfMissing, timeout=DOCUMENT_TIMEOUT)
        except Conflict:
            return  # made by a worker before us

    def _written(self, blob: BlobClient, path: str, first: int, data: bytes) -> int:
        """The position up to which `data` stands in the blob. Raises Conflict where something else does."""
        with translated(path):
            size = int(blob.get_blob_properties(timeout=DOCUMENT_TIMEOUT).size)
            there = b""
            if size > first:
                length = min(size - first, len(data))
                there = blob.download_blob(first, length, timeout=DOCUMENT_TIMEOUT).readall()
        if not there or not data.startswith(there):
            raise _diverged(path, first, size)
        return first + len(there)

    def read(self, path: str) -> list[str]:
        """Bytes that are no UTF-8 come as replacement characters: whoever verifies the line finds it changed."""
        try:
            with translated(path):
                raw = self._container.download_blob(path, timeout=DOCUMENT_TIMEOUT).readall()
        except NotFound as error:
            if error.error_code == "blob-not-found":
                return []
            raise
        lines = raw.decode(errors="replace").split("\n")  # a line may hold other separators of text
        return lines if lines[-1] else lines[:-1]


def _diverged(path: str, first: int, size: int) -> Conflict:
    return Conflict(
        f"The ledger {path} holds other entries from byte {first} on (its size is {size}).",
        remedy="It was changed by hand or cut off; the run's document has the position and the hash of its last entry.",
        code="ledger-diverged",
    )
