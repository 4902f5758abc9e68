"""The second rule's hash of a row: plain arithmetic, the same in every language and library, and for ever.

A value counts as its UTF-8 bytes, read as one big-endian number, modulo PRIME. A row's sum is that of its columns' numbers,
each times a factor of 64 bits drawn from the salt and the column's name, plus the salt's own factor, modulo 2^64. Being a
sum, it does not ask in which order the columns stand. Where a row falls is told by its sum, stirred as SplitMix64 stirs
(Steele, Lea and Flood 2014), so that sums in any pattern fall like chance.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

PRIME = 4_000_000_007
MASK = (1 << 64) - 1
STIR = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
#: Between salt and name in what the factors are drawn from, and after the salt for that of repetitions.
SEPARATOR, REPEATED = "\x1f", "\x1e"


def number_of(value: str) -> int:
    """A value as what it counts as: 0 up to PRIME."""
    return int.from_bytes(value.encode(), "big") % PRIME


class RowSums:
    """Sums of a table's rows. `factors` are the columns', in the order of the table, `repeated` that of repetitions."""

    def __init__(self, salt: str, names: Sequence[str]) -> None:
        self.factors = [_factor(salt + SEPARATOR + name) for name in names]
        self.base = _factor(salt)
        self.repeated = _factor(salt + REPEATED)

    def of(self, columns: Sequence[Sequence[str]]) -> list[int]:
        """The sum of each row."""
        parts = []
        for factor, column in zip(self.factors, columns, strict=True):
            known = {value: number_of(value) * factor for value in set(column)}
            parts.append(map(known.__getitem__, column))
        base, mask = self.base, MASK
        return [(base + sum(row)) & mask for row in zip(*parts, strict=True)]

    def again(self, row: int, number: int) -> int:
        """The sum of a row that came `number` times before."""
        return (row + number * self.repeated) & MASK


def stirred(row: int) -> int:
    """A sum as a number that is as good as drawn by chance, 0 up to 2^64."""
    row = (row ^ (row >> 30)) * STIR[0] & MASK
    row = (row ^ (row >> 27)) * STIR[1] & MASK
    return row ^ (row >> 31)


def _factor(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") | 1
