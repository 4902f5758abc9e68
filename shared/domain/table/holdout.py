"""Which rows are held out, for ever (docs: the frozen holdout).

A row is held out when the salted hash of its values falls below a threshold, both fixed at the dataset's first version:
a row that was once held out is held out of every later version too, so no model has ever trained on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

#: Between the values of a row in what is hashed (ASCII unit separator).
SEPARATOR = "\x1f"


@dataclass(frozen=True)
class HoldoutRule:
    """`threshold` is the expected share of rows held out, 0 to 1."""

    salt: str
    threshold: float = 0.1

    def held(self, names: Sequence[str], columns: Sequence[Sequence[str]]) -> list[bool]:
        """For each row, whether it is held out.

        Values are taken in the order of the columns' names,
        so that a file with its columns in another order is split alike; equal rows go to the same side.
        """
        order = sorted(range(len(names)), key=names.__getitem__)
        limit = _limit(self.threshold)
        sha256, salt = hashlib.sha256, self.salt + SEPARATOR
        rows = map(SEPARATOR.join, zip(*[columns[i] for i in order], strict=True))
        return [sha256((salt + row).encode()).digest() < limit for row in rows]


def _limit(share: float) -> bytes:
    """Digests below this make up `share` of all digests."""
    if share >= 1:
        return b"\xff" * 33  # longer than any digest, so above every one of them
    return int(max(share, 0.0) * (1 << 64)).to_bytes(8, "big")
