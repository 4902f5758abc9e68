"""Which rows are held out, for ever (docs: the frozen holdout).

A row is held out when the salted hash of its values falls below a threshold, both fixed at the dataset's first version:
a row that was once held out is held out of every later version too, so no model has ever trained on it. Of equal rows the
second, third ... are hashed with their number, or a table of few distinct rows would fall to one side as a whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shared.domain.table.blocks import Block
from shared.domain.table.packed import Engine, Repeats
from shared.domain.table.row_sums import MASK, RowSums, stirred

#: Between the values of a row in what is hashed (ASCII unit separator), and before the number of a repeated row.
SEPARATOR, REPEATED = "\x1f", "\x1e"
#: Distinct rows whose repetitions are counted at a time.
MAX_COUNTED = 1 << 17
#: How rows of new datasets are hashed; those of older ones stay at their own version for good.
NEWEST = 2


@dataclass(frozen=True)
class HoldoutRule:
    """`threshold` is the expected share of rows held out, 0 to 1. `version` 1 hashes by SHA-256, 2 by RowSums."""

    salt: str
    threshold: float = 0.1
    version: int = 1


class Splitter:
    """Splits one file by a rule, block by block. Memory is bounded: it counts the rows that repeat most.

    A row forgotten is counted from one again, so that a row that occurs once is never on another side than it was.
    """

    def __init__(self, rule: HoldoutRule, names: Sequence[str], engine: Engine | None = None) -> None:
        self._hash = (_BySum if rule.version == NEWEST else _BySha256)(rule, names)
        self._seen: Repeats = engine.repeats(MAX_COUNTED) if engine else Counted(MAX_COUNTED)

    def held(self, block: Block) -> Sequence[int]:
        """For each row, whether it is held out."""
        return self._hash.held(block, self._seen)

    @property
    def counted(self) -> int:
        """Distinct rows whose repetitions are counted now."""
        return self._seen.counted


class Counted:
    """Rows counted by keys: implements Repeats."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: dict[int, int] = {}

    @property
    def counted(self) -> int:
        return len(self._seen)

    def add(self, keys: Iterable[int]) -> tuple[list[int], list[int]]:
        seen, places, counts = self._seen, [], []
        for at, key in enumerate(keys):
            known = seen.get(key, 0)
            seen[key] = known + 1
            if known:
                places.append(at)
                counts.append(known)
        if len(seen) > self._most:
            self._forget()
        return places, counts

    def _forget(self) -> None:
        """Keep at most half: the rows that occurred most."""
        least = 1
        while len(self._seen) > self._most // 2:
            self._seen = {row: count for row, count in self._seen.items() if count > least}
            least *= 2


class _BySha256:
    def __init__(self, rule: HoldoutRule, names: Sequence[str]) -> None:
        # In the order of the names: a file with its columns in another order is split alike.
        self._order = sorted(range(len(names)), key=names.__getitem__)
        self._salt = rule.salt + SEPARATOR
        self._limit = _limit(rule.threshold)

    def held(self, block: Block, seen: Repeats) -> Sequence[int]:
        sha256, salt, limit = hashlib.sha256, self._salt, self._limit
        rows = list(map(SEPARATOR.join, zip(*[block.columns[i] for i in self._order], strict=True)))
        found = [sha256((salt + row).encode()).digest() < limit for row in rows]
        for at, number in zip(*seen.add([hash(row) & MASK for row in rows]), strict=True):
            found[at] = sha256(f"{salt}{rows[at]}{REPEATED}{number}".encode()).digest() < limit
        return found


class _BySum:
    def __init__(self, rule: HoldoutRule, names: Sequence[str]) -> None:
        self._sums = RowSums(rule.salt, names)
        self._limit = int(min(max(rule.threshold, 0.0), 1.0) * (1 << 64))

    def held(self, block: Block, seen: Repeats) -> Sequence[int]:
        sums, limit = self._sums, self._limit
        if block.packed:
            return block.packed.split(sums, limit, seen)
        rows = sums.of(block.columns)
        found = [stirred(row) < limit for row in rows]
        for at, number in zip(*seen.add(rows), strict=True):
            found[at] = stirred(sums.again(rows[at], number)) < limit
        return found


def _limit(share: float) -> bytes:
    """Digests below this make up `share` of all digests."""
    if share >= 1:
        return b"\xff" * 33  # longer than any digest, so above every one of them
    return int(max(share, 0.0) * (1 << 64)).to_bytes(8, "big")
