"""The first page of an index, which people look at most, as one document: read with one call, however long the list is."""

from __future__ import annotations

import contextlib

from shared.domain.documents import InvalidDocument
from shared.domain.errors import DropMLError
from shared.services.documents import Documents, Entry, Page
from shared.services.together import Together


class FirstPage:
    """What the listing of `prefix` begins with, kept under `path` from one change to the next.

    Who changes an entry writes the entry first and empties the document after. Who lists reads the document before, and
    keeps the answer only over the version that was read: a listing that may have missed a change is never kept.
    """

    def __init__(self, documents: Documents, prefix: str, path: str) -> None:
        self._documents, self._prefix, self._path = documents, prefix, path
        self._forgetting = Together(lambda: documents.put(path, {}))

    def forget(self) -> None:
        """An entry has changed."""
        self._forgetting()

    def stamp(self) -> str | None:
        """Another one after each change of an entry; None where none was written down. One call."""
        with contextlib.suppress(InvalidDocument):
            found = self._documents.get(self._path)
            return found[1] if found else None
        return None

    def page(self, limit: int) -> Page:
        """As `Documents.page`, but with more than `limit` entries where they are known. One call, or three after a change."""
        try:
            found = self._documents.get(self._path)
        except InvalidDocument:  # written by hand: `forget` writes over it
            return self._documents.page(self._prefix, limit)
        kept = _entries(found[0]) if found else None
        if kept and (len(kept[0]) >= limit or not kept[1]):
            return kept
        entries, after = self._documents.page(self._prefix, limit)
        doc = {"entries": [[e.path, e.etag, e.metadata] for e in entries], "after": after}
        with contextlib.suppress(DropMLError):  # only what the next reader is spared
            if found:
                self._documents.replace(self._path, doc, found[1])
            else:
                self._documents.create(self._path, doc)
        return entries, after


def _entries(doc: dict[str, object]) -> Page | None:
    entries, after = doc.get("entries"), doc.get("after")
    if not (isinstance(entries, list) and isinstance(after, str)):
        return None
    return [Entry(path, etag, metadata) for path, etag, metadata in entries], after
