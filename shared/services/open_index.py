"""Which pieces of background work are open: one document, so that a tick with nothing to do costs one read.

It only spares a listing: where it is missing or can't be read it is made anew from the works' own documents.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from shared.domain.documents import InvalidDocument, from_json, to_json
from shared.domain.errors import Conflict
from shared.services import conditional
from shared.services.documents import Documents

#: Of a work's own document, while somebody has to look at it.
OPEN_STATUSES = frozenset({"queued", "running"})


def by_path(path: str, _: Mapping[str, object]) -> str:
    """`batches/bank/7.json` -> `bank/7`."""
    return path.partition("/")[2].removesuffix(".json")


@dataclass(frozen=True)
class Open:
    """The document: keys of open work, with the time each was taken (unix seconds)."""

    open: dict[str, float]


@dataclass(frozen=True)
class OpenIndex:
    """Keys of open work. Entries are added before the work's own document is written; `key(path, document)` names one."""

    documents: Documents
    path: str
    key: Callable[[str, Mapping[str, object]], str] = by_path

    def entries(self) -> dict[str, float]:
        found, etag = self._read()
        if etag is None:
            with contextlib.suppress(Conflict):  # another host was first
                self.documents.create(self.path, to_json(Open(found)))
        return found

    def add(self, key: str, taken_at: float) -> None:
        self._change(lambda known: {**known, key: taken_at})

    def remove(self, key: str) -> None:
        self._change(lambda known: {k: at for k, at in known.items() if k != key})

    def _change(self, change: Callable[[Mapping[str, float]], dict[str, float]]) -> None:
        def attempt() -> None:
            before, etag = self._read()
            after = change(before)
            if etag is None:
                self.documents.create(self.path, to_json(Open(after)))
            elif after != before:
                self.documents.replace(self.path, to_json(Open(after)), etag)

        conditional.write(attempt, self.path)

    def _read(self) -> tuple[dict[str, float], str | None]:
        """The entries and the document's ETag; None where it is to be made. One that can't be read is taken away."""
        try:
            found = self.documents.get(self.path)
            if found is not None:
                return from_json(found[0], Open).open, found[1]
        except InvalidDocument:
            self.documents.delete(self.path)
        return dict(self._found()), None

    def _found(self) -> Iterator[tuple[str, float]]:
        """What the works' own documents say; one that can't be read is nobody's work."""
        for path in list(self.documents.list(f"{self.path.partition('/')[0]}/")):
            with contextlib.suppress(InvalidDocument, KeyError, TypeError, ValueError):
                found = self.documents.get(path) if path != self.path else None
                if found is not None and found[0].get("status") in OPEN_STATUSES:
                    yield self.key(path, found[0]), float(found[0].get("created_at") or 0.0)
