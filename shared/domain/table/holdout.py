"""Which rows are held out, for ever (docs: the frozen holdout).

A row is held out when the salted hash of its values falls below a threshold, both fixed at the dataset's first version:
a row that was once held out is held out of every later version too, so no model has ever trained on it. Of equal rows the
second, third ... are hashed with their number, or a table of few distinct rows would fall to one side as a whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

#: Between the values of a row in what is hashed (ASCII unit separator), and before the number of a repeated row.
SEPARATOR, REPEATED = "\x1f", "\x1e"
#: Distinct rows whose repetitions are counted at a time.
MAX_COUNTED = 1 << 17


@dataclass(frozen=True)
class HoldoutRule:
    """`threshold` is the expected share of rows held out, 0 to 1."""

    salt: str
    threshold: float = 0.1


class Splitter:
    """Splits one file by a rule, block by block. Memory is bounded: it counts the rows that repeat most.

    A row forgotten is counted from one again, so that a row that occurs once is never on another side than it was.
    """

    def __init__(self, rule: HoldoutRule, names: Sequence[str]) -> None:
        # In the order of the names: a file with its columns in another order is split alike.
        self._order = sorted(range(len(names)), key=names.__getitem__)
        self._salt = rule.salt + SEPARATOR
        self._limit = _limit(rule.threshold)
        # By the rows' hashes within this process, of 64 bits.
        self._seen: dict[int, int] = {}

    def held(self, columns: Sequence[Sequence[str]]) -> list[bool]:
        """For each row, whether it is held out."""
        sha256, salt, limit, seen = hashlib.sha256, self._salt, self._limit, self._seen
        rows = list(map(SEPARATOR.join, zip(*[columns[i] for i in self._order], strict=True)))
        found = [sha256((salt + row).encode()).digest() < limit for row in rows]
        keys = list(map(hash, rows))
        if len(set(keys)) == len(keys) and seen.keys().isdisjoint(keys):
            seen.update(dict.fromkeys(keys, 1))
        else:
            for at, (key, row) in enumerate(zip(keys, rows, strict=True)):
                known = seen.get(key, 0)
                seen[key] = known + 1
                if known:
                    found[at] = sha256(f"{salt}{row}{REPEATED}{known}".encode()).digest() < limit
        if len(seen) > MAX_COUNTED:
            self._forget()
        return found

    @property
    def counted(self) -> int:
        """Distinct rows whose repetitions are counted now."""
        return len(self._seen)

    def _forget(self) -> None:
        """Keep at most half: the rows that occurred most."""
        least = 1
        while len(self._seen) > MAX_COUNTED // 2:
            self._seen = {row: count for row, count in self._seen.items() if count > least}
            least *= 2


def _limit(share: float) -> bytes:
    """Digests below this make up `share` of all digests."""
    if share >= 1:
        return b"\xff" * 33  # longer than any digest, so above every one of them
    return int(max(share, 0.0) * (1 << 64)).to_bytes(8, "big")
