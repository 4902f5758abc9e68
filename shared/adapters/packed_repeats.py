"""Rows counted by keys in a hash table of numpy: implements `shared.domain.table.packed.Repeats`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Words = npt.NDArray[np.uint64]
    Places = npt.NDArray[np.int64]

#: Spreads keys over the table (Knuth, The Art of Computer Programming 3, 6.4: multiplicative hashing).
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
#: Places of the table for each key that is kept.
_ROOM = 4


class RowRepeats:
    """At most `most` keys, those that came most often, in a table with linear probing."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.counted = 0
        self._make((_ROOM * most - 1).bit_length())

    def _make(self, bits: int) -> None:
        self._shift, self._last = np.uint64(64 - bits), (1 << bits) - 1
        #: 0 where a place is free.
        self._keys = np.zeros(1 << bits, np.uint64)
        self._counts = np.zeros(1 << bits, np.int64)

    def add(self, keys: Iterable[int]) -> tuple[list[int], list[int]]:
        found = keys if isinstance(keys, np.ndarray) else np.array(list(keys), np.uint64)
        found = np.maximum(found, np.uint64(1))
        self._make_room(len(found))
        ordered = np.sort(found)
        before = self._repeated(found) if (ordered[1:] == ordered[:-1]).any() else self._count(found, 1)
        places = np.flatnonzero(before)
        if self.counted > self._most:
            self._forget()
        return places.tolist(), before[places].tolist()

    def _make_room(self, more: int) -> None:
        """Half of the table stays free, however many rows come at a time."""
        if 2 * (self.counted + more) > len(self._keys):
            keys, counts = self._kept()
            self._make((2 * (self.counted + more)).bit_length())
            self._put(keys, counts)

    def _repeated(self, keys: Words) -> Places:
        """How often each key had come before, those of the same name before it included."""
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        new = np.ones(len(keys), np.bool_)
        np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
        firsts = np.flatnonzero(new)
        sizes = np.diff(firsts, append=len(keys))
        earlier = self._count(ordered[firsts], sizes) - firsts
        before = np.empty(len(keys), np.int64)
        before[order] = np.repeat(earlier, sizes) + np.arange(len(keys))
        return before

    def _count(self, keys: Words, more: Places | int) -> Places:
        """Of keys that differ: how often each had come before."""
        slots = self._slots(keys)
        before: Places = self._counts[slots]
        self._counts[slots] = before + more
        self.counted += len(keys) - int(np.count_nonzero(before))
        return before

    def _slots(self, keys: Words) -> Places:
        """Where keys that differ stand in the table; those that are new are put there."""
        slots = ((keys * _SPREAD) >> self._shift).astype(np.int64)
        left = np.arange(len(keys))
        while len(left):
            wanted, at = keys[left], slots[left]
            free = self._keys[at] == 0
            # Of several that want the same place the last gets it.
            self._keys[at[free]] = wanted[free]
            left = left[self._keys[at] != wanted]
            slots[left] = (slots[left] + 1) & self._last
        return slots

    def _forget(self) -> None:
        """Keep at most half: the rows that occurred most."""
        keys, counts = self._kept()
        least = 1
        while len(keys) > self._most // 2:
            more = counts > least
            keys, counts = keys[more], counts[more]
            least *= 2
        self._keys.fill(0)
        self._counts.fill(0)
        self._put(keys, counts)

    def _kept(self) -> tuple[Words, Places]:
        there = np.flatnonzero(self._keys)
        return self._keys[there], self._counts[there]

    def _put(self, keys: Words, counts: Places) -> None:
        self._counts[self._slots(keys)] = counts
        self.counted = len(keys)
