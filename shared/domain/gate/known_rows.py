"""Which rows of a new holdout are new: a file that grows brings last month's rows along, and they say nothing of this month.

Rows are told by their features: were the label one of them, the rows that count as new would be those whose label was
corrected, on which any model is wrong. Rows repeat by nature, so they are counted: the sixth of a row that was there five
times is new. And a file that isn't the one before and more is new as a whole, however many of its rows happen to be known.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from math import inf

from shared.domain.gate.rules import MIN_CLASS_ROWS
from shared.domain.gate.sample import Draw, row_hash

#: Distinct rows that are remembered: those with the smallest hashes, about 20 MB of them.
REMEMBERED = 200_000
#: Of the earlier rows at least so many must come again for a file to be the one before and more.
GROWN = 0.9


class KnownRows:
    """The features of an earlier holdout's rows, counted. Rows whose hash lies beyond what is remembered tell nothing."""

    def __init__(self, rows: Iterable[tuple[str, ...]], remembered: int = REMEMBERED) -> None:
        counts: dict[int, int] = {}
        largest: list[int] = []
        self._reach: float = inf
        for row in rows:
            found = row_hash(row)
            if found >= self._reach:
                continue
            if found not in counts:
                heapq.heappush(largest, -found)
                if len(largest) > remembered:
                    self._reach = last = -heapq.heappop(largest)
                    counts.pop(last, None)
                    if found == last:
                        continue
            counts[found] = counts.get(found, 0) + 1
        self._left = counts
        self._all = sum(counts.values())
        #: Rows that came again so far.
        self.again = 0

    def is_new(self, row: tuple[str, ...]) -> bool:
        """Whether this is one row more than there were of its kind; each row of the new holdout is asked once."""
        found = row_hash(row)
        if found >= self._reach:
            return False
        if self._left.get(found, 0):
            self._left[found] -= 1
            self.again += 1
            return False
        return True

    @property
    def grown(self) -> bool:
        """Whether the new holdout is the earlier one and more; to be asked once all its rows have passed."""
        return self.again >= GROWN * self._all


def newest(everything: Draw, new: Draw, known: KnownRows) -> tuple[list[tuple[int, tuple[str, ...]]], int]:
    """The rows to score, and how many were left out as known: none where too few are new, or the file is another one."""
    chosen = new.chosen()
    if not known.grown or len(chosen) < 2 * MIN_CLASS_ROWS:
        return everything.chosen(), 0
    return chosen, known.again
