"""Lists of batches: names in an index, newest first, written once; what a batch has come to is read from its own document."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

from shared.domain.documents import InvalidDocument
from shared.services.documents import Documents
from shared.services.run.index import Index, Page

#: Marks of batches that wait for a first model: `{slug}~{id}`, so that a tick lists them and reads none.
WAITING = "waiting/"


@dataclass(frozen=True)
class Listed:
    """Where a batch's document is: `batches/{slug}/{id}.json`."""

    slug: str
    id: str


class ListedBatches:
    """Every batch under `index/batches/`, and each dataset's under `index/batches-of/{slug}/`."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def put(self, slug: str, batch_id: str, created_at: float) -> None:
        """Idempotent; `created_at` never changes for the same batch."""
        for index in self._indexes(slug):
            index.put(created_at, f"{slug}~{batch_id}", Listed(slug, batch_id))

    def remove(self, slug: str, batch_id: str, created_at: float) -> None:
        for index in self._indexes(slug):
            index.remove(created_at, f"{slug}~{batch_id}")

    def page(self, slug: str | None, limit: int, cursor: str | None) -> Page[Listed]:
        """Of all, or of one dataset's. Raises InvalidInput for a cursor of another make."""
        every, of_one = self._indexes(slug or "")
        return (of_one if slug else every).page(limit, cursor)

    def open_by_dataset(self) -> Counter[str]:
        """How many of each dataset (by slug) wait or are worked on: a read and a listing."""
        return self.worked_on() + self.waiting()

    def worked_on(self) -> Counter[str]:
        """How many of each dataset (by slug) are worked on: a read."""
        with suppress(InvalidDocument):  # the next tick makes it anew
            found = self._documents.get("batches/open.json")
            keys = found[0].get("open") if found else None
            return Counter(str(key).partition("/")[0] for key in keys or ())
        return Counter()

    def waiting(self) -> Counter[str]:
        """How many of each dataset (by slug) wait for its first model: a listing."""
        names = (path.removeprefix(WAITING) for path in self._documents.list(WAITING))
        return Counter(name.partition("~")[0] for name in names)

    def _indexes(self, slug: str) -> tuple[Index[Listed], Index[Listed]]:
        return (
            Index(self._documents, "index/batches/", Listed),
            Index(self._documents, f"index/batches-of/{slug}/", Listed),
        )
