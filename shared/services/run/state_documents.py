"""Any document of the state container, opened as its type."""

from __future__ import annotations

from typing import TypeVar

from shared.domain.documents import InvalidDocument, from_json, to_json
from shared.services import conditional
from shared.services.documents import Documents, Told

T = TypeVar("T")


class StateDocuments:
    """What every store of the lifecycle reads and writes through."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents

    def read(self, path: str, kind: type[T]) -> T | None:
        found = self.documents.get(path)
        return from_json(found[0], kind) if found else None

    def hint(self, path: str, kind: type[T]) -> T | None:
        """A document that only spares work: one that can't be read is none, and is written over the next time."""
        try:
            return self.read(path, kind)
        except InvalidDocument:
            return None

    def write(self, path: str, document: object, told: Told = None) -> None:
        """Last writer wins; for documents that one holder of a claim writes. What can't be read is written over."""
        doc = to_json(document)

        def attempt() -> None:
            try:
                found = self.documents.get(path)
            except InvalidDocument:
                self.documents.delete(path)
                found = None
            if found is None:
                self.documents.create(path, doc, told)
            else:
                self.documents.replace(path, doc, found[1], told)

        conditional.write(attempt, path)
