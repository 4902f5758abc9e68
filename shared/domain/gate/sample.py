"""Which holdout rows the gate scores: drawn by hash from all of them, in one pass and bounded memory.

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


def draw(rows: Iterable[Sequence[str]], label: int | None, limit: int) -> list[tuple[str, ...]]:
    """At most `limit` of the rows, by hash. `label` is the column whose values are the classes; None for regression."""
    everything: list[_Kept] = []
    classes: dict[str, list[_Kept]] = {}
    for place, row in enumerate(rows):
        values = tuple(row)
        entry = (-_hash(values), -place, values)
        _keep(everything, entry, limit)
        if label is not None:
            _keep(classes.setdefault(values[label], []), entry, MIN_CLASS_ROWS)
    least = min(MIN_CLASS_ROWS, limit // len(classes)) if classes else 0
    chosen = {entry for kept in classes.values() for entry in heapq.nlargest(least, kept)}
    for entry in sorted(everything, reverse=True):
        if len(chosen) >= limit:
            break
        chosen.add(entry)
    return [values for _, _, values in sorted(chosen, reverse=True)]


def _hash(values: tuple[str, ...]) -> int:
    text = _SALT + "\x1f".join(values)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _keep(heap: list[_Kept], entry: _Kept, most: int) -> None:
    """Keep the `most` entries with the smallest hashes."""
    if len(heap) < most:
        heapq.heappush(heap, entry)
    elif heap and entry > heap[0]:
        heapq.heapreplace(heap, entry)
