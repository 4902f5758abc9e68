"""The data account in memory, as strict as the real one."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from shared.domain.errors import Conflict, DropMLError, NotFound

CHUNK = 4 << 20


@dataclass(frozen=True)
class MemoryFile:
    name: str
    etag: str
    size: int
    metadata: Mapping[str, str] = field(default_factory=dict)
    last_modified: float = 0.0


class MemoryFiles:
    """Implements intake's `Files`. Containers exist once something was put into them, or when named at the start."""

    def __init__(self, *containers: str) -> None:
        self.containers: dict[str, dict[str, tuple[MemoryFile, bytes]]] = {name: {} for name in containers}
        self._tags = 0
        self._lock = threading.Lock()

    def put(
        self, container: str, name: str, data: bytes, metadata: Mapping[str, str] | None = None
    ) -> MemoryFile:
        """What a person's upload does."""
        with self._lock:
            self._tags += 1
            info = MemoryFile(name, f'"{self._tags}"', len(data), dict(metadata or {}), time.time())
            self.containers.setdefault(container, {})[name] = (info, data)
        return info

    def _all(self, container: str) -> dict[str, tuple[MemoryFile, bytes]]:
        if container not in self.containers:
            raise NotFound(f"The container of {container} does not exist.", code="container-not-found")
        return self.containers[container]

    def _find(self, container: str, name: str) -> tuple[MemoryFile, bytes]:
        found = self._all(container).get(name)
        if found is None:
            raise NotFound(f"{container}/{name} does not exist.", code="blob-not-found")
        return found

    def properties(self, container: str, name: str) -> MemoryFile:
        return self._find(container, name)[0]

    def stream(
        self, container: str, name: str, etag: str | None = None, chunk: int = CHUNK
    ) -> Iterator[bytes]:
        first, data = self._find(container, name)
        for start in range(0, max(1, len(data)), chunk):
            now = self._find(container, name)[0].etag
            if now != first.etag or (etag and now.strip('"') != etag.strip('"')):
                raise Conflict(f"{container}/{name} was replaced while it was read.", code="source-changed")
            if piece := data[start : start + chunk]:
                yield piece

    def upload_text(self, container: str, name: str, text: str) -> None:
        self.put(container, name, text.encode())

    def list(self, container: str, prefix: str = "", since: float | None = None) -> Iterator[MemoryFile]:
        for name, (info, _) in sorted(self._all(container).items()):
            if name.startswith(prefix) and (since is None or info.last_modified >= since):
                yield info

    def delete(self, container: str, name: str) -> None:
        self._all(container).pop(name, None)

    def delete_prefix(self, container: str, prefix: str) -> int:
        if not prefix:
            raise DropMLError("An empty prefix would delete the whole container.", code="empty-prefix")
        names = [info.name for info in self.list(container, prefix)]
        for name in names:
            self.delete(container, name)
        return len(names)

    def area(self, container: str, folder: str) -> MemoryFolder:
        return MemoryFolder(self, container, folder.strip("/"))


@dataclass(frozen=True)
class MemoryFolder:
    """One folder, to stage into."""

    files: MemoryFiles
    container: str
    folder: str

    @contextmanager
    def writer(self, name: str) -> Iterator[io.BytesIO]:
        out = io.BytesIO()
        yield out
        self.files.put(self.container, f"{self.folder}/{name}", out.getvalue())

    def reader(self, name: str) -> Iterable[bytes]:
        return self.files.stream(self.container, f"{self.folder}/{name}")

    def delete(self, name: str) -> None:
        self.files.delete(self.container, f"{self.folder}/{name}")
