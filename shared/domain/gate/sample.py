"""Which holdout rows are scored: drawn by hash from all of them, in one pass and bounded memory.

Every class gets its least rows first, those with the smallest hashes; the places that are left go to the smallest hashes
whatever their class, so that the draw is as mixed as the holdout. Nothing depends on the order of the rows.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Sequence

from shared.domain.gate.rules import MIN_CLASS_ROWS

#: Before a row in what is hashed: the draw must not follow the hash that held the row out.
_SALT = "gate\x1f"
#: (minus the hash, minus the row's place in the file, the row): a heap's first is the row with the largest hash.
_Kept = tuple[int, int, tuple[str, ...]]


class Draw:
    """At most `limit` of the rows that are added. `label` is the column whose values are the classes; None for regression."""

    def __init__(self, label: int | None, limit: int) -> None:
        self._label, self._limit = label, limit
        self._everything: list[_Kept] = []
        self._classes: dict[str, list[_Kept]] = {}

    def add(self, place: int, values: tuple[str, ...]) -> None:
        """`place` tells rows of the same values apart."""
        entry = (-row_hash(values), -place, values)
        _keep(self._everything, entry, self._limit)
        if self._label is not None:
            _keep(self._classes.setdefault(values[self._label], []), entry, MIN_CLASS_ROWS)

    def chosen(self) -> list[tuple[int, tuple[str, ...]]]:
        """Places and rows, by hash."""
        chosen: set[_Kept] = set()
        for kept in self._classes.values():
            chosen.update(heapq.nlargest(min(MIN_CLASS_ROWS, self._limit // len(self._classes)), kept))
        for entry in sorted(self._everything, reverse=True):
            if len(chosen) >= self._limit:
                break
            chosen.add(entry)
        return [(-place, values) for _, place, values in sorted(chosen, reverse=True)]


def draw(rows: Iterable[Sequence[str]], label: int | None, limit: int) -> list[tuple[str, ...]]:
    """At most `limit` of the rows, by hash."""
    drawn = Draw(label, limit)
    for place, row in enumerate(rows):
        drawn.add(place, tuple(row))
    return [values for _, values in drawn.chosen()]


def row_hash(values: tuple[str, ...]) -> int:
    """64 bits."""
    text = _SALT + "\x1f".join(values)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _keep(heap: list[_Kept], entry: _Kept, most: int) -> None:
    """Keep the `most` entries with the smallest hashes."""
    if len(heap) < most:
        heapq.heappush(heap, entry)
    else:
        heapq.heappushpop(heap, entry)
