"""What is kept of a table of any length while it streams by: a sample of its rows, and how many of a column's values differ."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Collection, Sequence
from math import exp, floor, log, log10

from shared.domain.table.blocks import Block
from shared.domain.table.profile.parts import SHOWN

#: Rows of a sample, and its cells over all columns: a wide table has fewer rows sampled.
MOST_ROWS, MOST_CELLS = 10_000, 400_000
#: Values that differ are counted so far: over all columns, of one at most and at least.
MOST_VALUES, MOST_EXACT, LEAST_EXACT = 200_000, 2_000, 64


class RowSample:
    """Each row with the same chance, by reservoir (Li, Reservoir-sampling algorithms of time complexity O(n(1 + log(N/n))),
    algorithm L, ACM TOMS 20, 1994). The first row seeds it, so the same table has the same sample.
    """

    def __init__(self, width: int) -> None:
        self.size = max(1, min(MOST_ROWS, MOST_CELLS // width))
        self.seen = 0
        self._width = width
        #: Plain rows as their text, to be cut up at the end: most make room for others before.
        self._rows: list[str | Sequence[str]] = []
        self._next = 0
        self._weight = 1.0
        self._chance = random.Random()

    def __len__(self) -> int:
        return len(self._rows)

    def columns(self) -> list[Sequence[str]]:
        """The sample, column by column. A value too long to be shown is cut, with a digest of all of it at its end."""
        rows = (_cut(row.split(",")) if isinstance(row, str) else row for row in self._rows)
        return list(zip(*rows, strict=True)) if self._rows else [()] * self._width

    def update(self, block: Block) -> None:
        """Take in rows; costs next to nothing once the sample is full."""
        if not len(block):
            return
        if not self.seen:
            self._chance.seed("\x1f".join(block.rows([0])[0]))
        room = self.size - len(self._rows)
        if room:
            self._rows += map(self._kept, block.picked(range(min(room, len(block)))))
            if room <= len(block):
                self._next = self.size - 1
                self._skip()
        first, self.seen = self.seen, self.seen + len(block)
        places, instead = [], []
        while len(self._rows) == self.size and self._next < self.seen:
            places.append(self._next - first)
            instead.append(int(self._chance.random() * self.size))
            self._skip()
        for at, row in zip(instead, block.picked(places), strict=True):
            self._rows[at] = self._kept(row)

    def _kept(self, row: str | Sequence[str]) -> str | Sequence[str]:
        """Of one row no more than its values could be shown."""
        if not isinstance(row, str):
            return _cut(row)
        return row if len(row) <= self._width * SHOWN else _cut(row.split(","))

    def _skip(self) -> None:
        """To the next row that takes the place of one in the sample."""
        draw = self._chance.random
        self._weight *= exp(log(1.0 - draw()) / self.size)
        self._next += floor(log(1.0 - draw()) / log(1.0 - self._weight)) + 1


def _cut(row: Sequence[str]) -> Sequence[str]:
    if max(map(len, row)) <= SHOWN:
        return row
    return [value if len(value) <= SHOWN else f"{value[:SHOWN]}…{_digest(value)}" for value in row]


def _digest(value: str) -> str:
    return hashlib.blake2b(value.encode(), digest_size=8).hexdigest()


class Distinct:
    """The values of a column that differ, counted exactly up to `most`; past that it costs nothing and knows no more."""

    def __init__(self, most: int) -> None:
        self._most = most
        #: Python's own hashes of 64 bits, which strings carry already.
        self._seen: set[int] = set()
        #: What came last: most columns have the same few values in block after block.
        self._last: set[str] = set()
        self.count: int | None = 0

    def update(self, values: set[str]) -> None:
        if self.count is None:
            return
        self._seen.update(map(hash, values - self._last))
        self._last, self.count = values, len(self._seen)
        if self.count > self._most:
            self._seen, self._last, self.count = set(), set(), None


def estimated(values: Collection[int], rows: int) -> int:
    """How many values differ in `rows` rows, of whose sample `values` are the counts; two digits of it are told.

    By how many occur once and twice (Chao and Lin, Nonparametric lower bounds for species richness and shared species
    richness under sampling without replacement, Biometrics 68, 2012): exact for values that all differ and for a sample of
    all rows, near where values are about as frequent, too low where many are rare.
    """
    sampled, once = sum(values), sum(count == 1 for count in values)
    if sampled >= rows or not once:
        return len(values)
    twice, share = sum(count == 2 for count in values), sampled / rows
    unseen = once**2 / (2 * twice * sampled / max(1, sampled - 1) + once * share / (1 - share))
    found = len(values) + unseen
    return max(len(values), min(rows, round(round(found), 1 - floor(log10(found)))))


class Sketches:
    """All that is kept of a table while it streams by. Memory is bounded whatever its rows and columns."""

    def __init__(self, width: int) -> None:
        most = min(MOST_EXACT, max(LEAST_EXACT, MOST_VALUES // width))
        self.rows = RowSample(width)
        self.distinct = [Distinct(most) for _ in range(width)]
        self.gaps = [0] * width

    def update(self, block: Block, distinct: Sequence[set[str] | None]) -> None:
        """Take in rows; `distinct` are the values of each column in them, None where they are no longer counted."""
        self.rows.update(block)
        for i, values in enumerate(distinct):
            if block.packed:
                self.gaps[i] += block.packed.gaps(i)
            elif values is not None and "" in values:
                self.gaps[i] += block.columns[i].count("")
            if values is not None:
                self.distinct[i].update(values - {""})
