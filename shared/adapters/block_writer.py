"""One block blob written in blocks, the one before still on its way while the next fills."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from azure.storage.blob import BlobBlock, BlobClient, ContentSettings

from shared.adapters.storage import CHUNK, TIMEOUT
from shared.adapters.storage_errors import translated
from shared.services.overlap import Behind


class BlockWriter:
    """Memory: three blocks. Nothing is seen of the blob before `commit`."""

    def __init__(self, blob: BlobClient, what: str, behind: Behind) -> None:
        self._blob, self._what, self._behind = blob, what, behind
        self._buffer = bytearray()
        self._blocks: list[BlobBlock] = []
        # Two writers of one blob (a doubled delivery) must not mix their blocks.
        self._prefix = uuid.uuid4().hex[:8]

    def write(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= CHUNK:
            with memoryview(self._buffer) as all_of_it, all_of_it[:CHUNK] as block:
                self._send(block.tobytes())
            del self._buffer[:CHUNK]

    def _send(self, block: bytes) -> None:
        # All ids of a blob have the same length.
        name = base64.b64encode(f"{self._prefix}{len(self._blocks):08d}".encode()).decode()
        self._blocks.append(BlobBlock(name))
        self._behind.put(lambda: self._stage(name, block))

    def _stage(self, name: str, block: bytes) -> None:
        with translated(self._what):
            self._blob.stage_block(name, block, len(block), timeout=TIMEOUT)

    def commit(self, content_type: str, metadata: Mapping[str, str] | None) -> None:
        settings = ContentSettings(content_type=content_type)
        told = dict(metadata) if metadata else None
        if not self._blocks:  # less than one block is one request
            with translated(self._what):
                self._blob.upload_blob(
                    bytes(self._buffer),
                    overwrite=True,
                    content_settings=settings,
                    metadata=told,
                    timeout=TIMEOUT,
                )
            return
        if self._buffer:
            self._send(bytes(self._buffer))
        self._behind.wait()
        with translated(self._what):
            self._blob.commit_block_list(
                self._blocks, content_settings=settings, metadata=told, timeout=TIMEOUT
            )


@contextmanager
def writing(
    blob: BlobClient, what: str, content_type: str, metadata: Mapping[str, str] | None
) -> Iterator[BlockWriter]:
    """A writer of `blob`, which appears, or replaces the old one, only on a clean exit."""
    with Behind() as behind:
        writer = BlockWriter(blob, what, behind)
        yield writer
        writer.commit(content_type, metadata)
