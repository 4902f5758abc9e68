"""Batches over files in memory: blocks, ranges and copies as storage has them, and what intake hands files to score to."""

from __future__ import annotations

from shared.adapters.endpoint import EndpointHttp
from shared.adapters.serving_directory import StoredServing
from shared.domain.batches import Source
from shared.domain.errors import Conflict
from shared.services.batches.dropped import DroppedFiles
from shared.services.batches.ports import BatchFiles, FileInfo
from shared.services.batches.taking import Batches
from shared.services.scoring.calling import EndpointCalls
from shared.services.scoring.keys import KeyRing
from shared.services.scoring.proxy import Scoring
from tests.support.memory import World
from tests.support.memory_files import MemoryFile, MemoryFiles
from tests.support.scoring_support import Endpoint

BATCHES = "dropml-batch"


class MemoryBatchFiles:
    """Implements batches' `BatchFiles` over the same files that intake sees."""

    def __init__(self, files: MemoryFiles) -> None:
        self.files, self._blocks = files, dict[str, dict[int, bytes]]()
        files.containers.setdefault(BATCHES, {})

    def stat(self, container: str, path: str) -> FileInfo:
        return _info(self.files.properties(container, path))

    def read(self, container: str, path: str, etag: str, offset: int, length: int) -> bytes:
        return self._whole(container, path, etag)[offset : offset + length]

    def put(self, container: str, path: str, data: bytes) -> FileInfo:
        return _info(self.files.put(container, path, data))

    def copy(self, source: Source, container: str, path: str) -> FileInfo:
        if path not in self.files.containers[container]:
            self.files.put(container, path, self._whole(source.container, source.blob, source.etag))
        return self.stat(container, path)

    def delete(self, container: str, path: str) -> None:
        self.files.delete(container, path)

    def stage(self, container: str, path: str, index: int, data: bytes) -> None:
        self._blocks.setdefault(f"{container}/{path}", {})[index] = data

    def commit(self, container: str, path: str, count: int) -> None:
        blocks = self._blocks.get(f"{container}/{path}", {})
        if blocks:
            self.files.put(container, path, b"".join(blocks[index] for index in range(count)))

    def _whole(self, container: str, path: str, etag: str) -> bytes:
        if self.files.properties(container, path).etag.strip('"') != etag.strip('"'):
            raise Conflict(f"{container}/{path} was changed by somebody else.", code="blob-changed")
        return b"".join(self.files.stream(container, path))


def batches_over(
    world: World, files: BatchFiles, container: str = BATCHES, endpoint: Endpoint | None = None
) -> Batches:
    """Batches over the world's documents; what is in service is read at each look."""
    calls = EndpointCalls(EndpointHttp(), KeyRing(endpoint or Endpoint()))
    directory = StoredServing(world.docs, fresh=0.0, stale=0.0)
    return Batches(Scoring(directory, calls), world.docs, files, container, world.clock)


def dropped_files(
    world: World, batches: Batches, *, max_bytes: int = 1 << 30, wait_days: float = 14.0
) -> DroppedFiles:
    """What intake hands files to score to."""
    return DroppedFiles(batches, max_bytes, wait_days, world.log)


def dropped_in_memory(world: World, files: MemoryFiles) -> DroppedFiles:
    """The same, over files in memory."""
    return dropped_files(world, batches_over(world, MemoryBatchFiles(files)))


def _info(found: MemoryFile) -> FileInfo:
    return FileInfo(found.size, found.etag)
