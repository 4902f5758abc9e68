"""Which pieces of background work are open: one document, so that a tick with nothing to do costs one read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shared.services import conditional
from shared.services.documents import Documents


@dataclass(frozen=True)
class OpenIndex:
    """Keys of open work with the time each was taken. Entries are added before the work's own document is written."""

    documents: Documents
    path: str

    def entries(self) -> dict[str, float]:
        found = self.documents.get(self.path)
        return dict(found[0]["open"]) if found else {}

    def add(self, key: str, taken_at: float) -> None:
        self._change(lambda known: {**known, key: taken_at})

    def remove(self, key: str) -> None:
        self._change(lambda known: {k: at for k, at in known.items() if k != key})

    def _change(self, change: Callable[[Mapping[str, float]], dict[str, float]]) -> None:
        def attempt() -> None:
            found = self.documents.get(self.path)
            before = dict(found[0]["open"]) if found else {}
            after = change(before)
            if found is None:
                self.documents.create(self.path, {"open": after})
            elif after != before:
                self.documents.replace(self.path, {"open": after}, found[1])

        conditional.write(attempt, self.path)
