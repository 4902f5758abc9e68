"""What is kept of a table of any length while it streams by: a sample of its rows, and how many values of a column differ."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from math import exp, floor, log, log10

from shared.domain.table.blocks import Block
from shared.domain.table.profile.parts import SHOWN

#: Rows of a sample, and its cells over all columns: a wide table has fewer rows sampled.
MOST_ROWS, MOST_CELLS = 10_000, 400_000
#: Hashes of values kept, over all columns and of one: as many values are counted exactly.
MOST_HASHES, MOST_EXACT, LEAST_EXACT = 200_000, 10_000, 64
_HALF = 1 << 63


class RowSample:
    """Each row with the same chance, by reservoir (Li, Reservoir-sampling algorithms of time complexity O(n(1 + log(N/n))),
    algorithm L, ACM TOMS 20, 1994). The first row seeds it, so the same table has the same sample.
    """

    def __init__(self, width: int) -> None:
        self.size = max(1, min(MOST_ROWS, MOST_CELLS // width))
        #: The sample, column by column. A value too long to be shown is cut, with a digest of all of it at its end.
        self.columns: list[list[str]] = [[] for _ in range(width)]
        self.seen = 0
        self._next = 0
        self._weight = 1.0
        self._chance = random.Random()

    def __len__(self) -> int:
        return len(self.columns[0])

    def update(self, block: Block) -> None:
        """Take in rows; costs next to nothing once the sample is full."""
        if not len(block):
            return
        if not self.seen:
            self._chance.seed("\x1f".join(column[0] for column in block.columns))
        room = self.size - len(self)
        if room:
            for kept, column in zip(self.columns, block.columns, strict=True):
                kept.extend(_cut(column[:room]))
            if room <= len(block):
                self._next = self.size - 1
                self._skip()
        first, self.seen = self.seen, self.seen + len(block)
        taken = []
        while len(self) == self.size and self._next < self.seen:
            taken.append((self._next - first, self._chance.randrange(self.size)))
            self._skip()
        if taken:
            rows = [row for row, _ in taken]
            for kept, column in zip(self.columns, block.columns, strict=True):
                for value, (_, slot) in zip(_cut([column[row] for row in rows]), taken, strict=True):
                    kept[slot] = value

    def _skip(self) -> None:
        """To the next row that takes the place of one in the sample."""
        draw = self._chance.random
        self._weight *= exp(log(1.0 - draw()) / self.size)
        self._next += floor(log(1.0 - draw()) / log(1.0 - self._weight)) + 1


def _cut(values: list[str]) -> list[str]:
    if max(map(len, values)) <= SHOWN:
        return values
    return [value if len(value) <= SHOWN else value[:SHOWN] + _digest(value) for value in values]


def _digest(value: str) -> str:
    return hashlib.blake2b(value.encode(), digest_size=8).hexdigest()


class Distinct:
    """Counts values that differ: exactly up to `most`, then by the `most` smallest of their hashes (Bar-Yossef and others,
    Counting distinct elements in a data stream, RANDOM 2002), within about 1 / sqrt(most).

    The hashes are Python's own, which each string carries already: the estimate is another in another process, by as much.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: set[int] = set()
        #: Hashes above it are not among the smallest; None while all are kept.
        self._limit: int | None = None

    def update(self, values: Iterable[str]) -> None:
        limit = self._limit
        if limit is None:
            self._kept.update(map(hash, values))
        else:
            self._kept.update([found for found in map(hash, values) if found < limit])
        if len(self._kept) > (self._most if limit is None else 2 * self._most):
            smallest = sorted(self._kept)[: self._most]
            self._kept, self._limit = set(smallest), smallest[-1]

    @property
    def exact(self) -> bool:
        return self._limit is None

    def count(self, most: int) -> int:
        """Exact, or an estimate in two digits; at most `most`."""
        if self._limit is None:
            return len(self._kept)
        kept = sorted(self._kept)[: self._most]
        share = (kept[-1] + _HALF) / (2 * _HALF)
        estimate = (len(kept) - 1) / share
        digits = 1 - floor(log10(estimate))
        return max(len(kept), min(most, round(round(estimate, digits))))


class Sketches:
    """All that is kept of a table while it streams by. Memory is bounded whatever its rows and columns."""

    def __init__(self, width: int) -> None:
        most = min(MOST_EXACT, max(LEAST_EXACT, MOST_HASHES // width))
        self.rows = RowSample(width)
        self.distinct = [Distinct(most) for _ in range(width)]
        self.gaps = [0] * width

    def update(self, block: Block, distinct: Sequence[set[str]]) -> None:
        """Take in rows; `distinct` are the values of each column in them."""
        self.rows.update(block)
        for i, values in enumerate(distinct):
            if "" in values:
                self.gaps[i] += block.columns[i].count("")
                values = values - {""}
            self.distinct[i].update(values)
