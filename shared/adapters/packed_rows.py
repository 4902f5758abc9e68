"""Clean rows as arrays of numpy: implements `shared.domain.table.packed`. Without numpy the exact way does it all.

A value of up to 64 bytes is a few words of 64 bits, right-aligned, the first character in the lowest byte that is used.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from shared.adapters.packed_numbers import numbers_of
from shared.domain.table.packed import Numbers
from shared.domain.table.row_sums import MASK, PRIME, STIR, RowSums, number_of

if TYPE_CHECKING:
    import numpy.typing as npt

    Words = npt.NDArray[np.uint64]
    Places = npt.NDArray[np.int64]

#: Fewer rows in a block are read faster without.
FEWEST = 256
#: Bytes of the longest value that is held as words.
LONGEST = 64
_COMMA, _NEWLINE = 44, 10
#: Masks that keep the highest bytes of a word: none, one, two ... eight.
_KEEP = np.array([(MASK << 8 * (8 - kept)) & MASK for kept in range(9)], np.uint64)
_NEXT = np.uint64((1 << 64) % PRIME)
_PRIME = np.uint64(PRIME)
_MIX = np.uint64(STIR[0])


class PackedRows:
    """`data` has LONGEST bytes before the text and one after it; `ends` are the places after each value, a line a row."""

    def __init__(self, text: str, data: npt.NDArray[np.uint8], ends: Places) -> None:
        self._text, self._data = text, data
        self._ends = np.ascontiguousarray(ends.T)
        starts = np.empty_like(ends)
        starts[:, 1:] = ends[:, :-1] + 1
        starts[0, 0] = LONGEST
        starts[1:, 0] = ends[:-1, -1] + 1
        self._starts = np.ascontiguousarray(starts.T)
        # Eight bytes from any place on, as one word.
        self._at: Words = np.ndarray((len(data) - 7,), "<u8", data.data, strides=(1,))
        self._words: dict[int, list[Words] | None] = {}
        self._codes: dict[int, tuple[list[str], Places]] = {}

    def columns(self) -> list[list[str]]:
        cells = self._text.replace("\n", ",").split(",")
        del cells[-1]
        width = len(self._ends)
        return [cells[i::width] for i in range(width)]

    def lines(self) -> list[str]:
        return self._text[:-1].split("\n")

    def gaps(self, column: int) -> int:
        return int((self._ends[column] == self._starts[column]).sum())

    def holds(self, column: int, spellings: Collection[str]) -> bool:
        starts = self._starts[column]
        short = self._ends[column] - starts <= max(map(len, spellings))
        firsts = self._data[starts]
        for first in {spelling[0] for spelling in spellings}:
            found = np.flatnonzero(short & (firsts == ord(first)))
            if not set(self._texts_at(column, found)).isdisjoint(spellings):
                return True
        return False

    def numbers(self, column: int) -> Numbers | None:
        words = self.words(column)
        if words is None or len(words) > 2:
            return None
        starts, ends = self._starts[column], self._ends[column]
        if self.gaps(column):
            full = ends > starts
            if not full.any():
                return None
            words, starts, ends = [word[full] for word in words], starts[full], ends[full]
        return numbers_of(words, self._data, starts, ends)

    def words(self, column: int) -> list[Words] | None:
        """The column's values as words, the last first; None where one is too long."""
        if column not in self._words:
            self._words[column] = self._make_words(column)
        return self._words[column]

    def _make_words(self, column: int) -> list[Words] | None:
        ends = self._ends[column]
        lengths = ends - self._starts[column]
        longest = int(lengths.max())
        if longest > LONGEST:
            return None
        found = []
        for back in range(8, longest + 8, 8):
            kept = np.clip(lengths - (back - 8), 0, 8)
            found.append(self._at[ends - back] & _KEEP[kept])
        return found or [np.zeros(len(ends), np.uint64)]

    def distinct(self, column: int) -> set[str] | None:
        words = self.words(column)
        if words is None:
            return None
        key = _key(words)
        known = _uniques(key)
        codes = np.searchsorted(known, key)
        one = np.empty(len(known), np.int64)
        one[codes] = np.arange(len(key))
        if len(words) > 1 and any((word != word[one][codes]).any() for word in words):
            return None
        names = self._texts_at(column, one)
        self._codes[column] = names, codes
        return set(names)

    def texts(self, column: int) -> list[str] | None:
        if column not in self._codes:
            return None
        names, codes = self._codes[column]
        return [names[code] for code in codes.tolist()]

    def split(self, sums: RowSums, limit: int) -> tuple[list[int], list[bool]]:
        rows = np.full(self._ends.shape[1], sums.base, np.uint64)
        for column, factor in enumerate(sums.factors):
            rows += self._values(column) * np.uint64(factor)
        if limit > MASK:
            return rows.tolist(), [True] * len(rows)
        return rows.tolist(), (_stirred(rows) < np.uint64(limit)).tolist()

    def _values(self, column: int) -> Words:
        """Each value as `number_of` has it."""
        words = self.words(column)
        if words is None:
            rows = np.arange(self._ends.shape[1])
            return np.array([number_of(value) for value in self._texts_at(column, rows)], np.uint64)
        found = words[-1].byteswap() % _PRIME
        for word in words[-2::-1]:
            found = (found * _NEXT + word.byteswap() % _PRIME) % _PRIME
        return found

    def _texts_at(self, column: int, rows: Places) -> list[str]:
        text, starts, ends = (
            self._text,
            self._starts[column][rows] - LONGEST,
            self._ends[column][rows] - LONGEST,
        )
        return [text[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def pack(text: str, width: int) -> PackedRows | None:
    """`text` is whole lines of values between commas, without quotation marks or blank lines."""
    rows = text.count("\n")
    if rows < FEWEST or not text.isascii():
        return None
    data = np.frombuffer(bytes(LONGEST) + text.encode("ascii") + b"\0", np.uint8)
    places = np.flatnonzero((data == _COMMA) | (data == _NEWLINE))
    if len(places) != rows * width:
        return None
    ends = places.reshape(rows, width)
    # As many line ends as rows, and one at the end of each: all others are commas.
    if (data[ends[:, -1]] != _NEWLINE).any():
        return None
    return PackedRows(text, data, ends)


def _key(words: list[Words]) -> Words:
    """The words as one, by which values are told apart, most probably."""
    found = words[0]
    for word in words[1:]:
        found = (found ^ (found >> np.uint64(29))) * _MIX + word
    return found


def _uniques(key: Words) -> Words:
    ordered = np.sort(key)
    new = np.empty(len(ordered), np.bool_)
    new[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return ordered[new]


def _stirred(rows: Words) -> Words:
    rows = (rows ^ (rows >> np.uint64(30))) * np.uint64(STIR[0])
    rows = (rows ^ (rows >> np.uint64(27))) * np.uint64(STIR[1])
    return rows ^ (rows >> np.uint64(31))
