"""Clean rows as arrays of numpy: implements `shared.domain.table.packed`. Without numpy the exact way does it all.

A value of up to 64 bytes is a few words of 64 bits, right-aligned, the first character in the lowest byte that is used.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from shared.adapters.packed_numbers import numbers_of
from shared.adapters.packed_repeats import RowRepeats
from shared.adapters.packed_text import LONGEST, NEWLINE, cut
from shared.adapters.packed_words import Vocabulary, key_of
from shared.domain.table.packed import Numbers, Repeats
from shared.domain.table.row_sums import MASK, PRIME, STIR, RowSums, number_of

if TYPE_CHECKING:
    import numpy.typing as npt

    Words = npt.NDArray[np.uint64]
    Places = npt.NDArray[np.int64]

#: Fewer rows in a block are read faster without.
FEWEST = 256
#: Masks that keep the highest bytes of a word: none, one, two ... eight.
_KEEP = np.array([(MASK << 8 * (8 - kept)) & MASK for kept in range(9)], np.uint64)
_NEXT = np.uint64((1 << 64) % PRIME)
_PRIME = np.uint64(PRIME)


class PackedRows:
    """`data` has LONGEST bytes before the text and one after it; `ends` are the places after each value, a line a column.

    `known` are the columns' few values, as far as they are known.
    """

    def __init__(self, data: npt.NDArray[np.uint8], ends: Places, known: Sequence[Vocabulary]) -> None:
        self._data, self._ends, self._known = data, ends, known
        self._starts = np.empty_like(ends)
        self._starts[1:] = ends[:-1] + 1
        self._starts[0, 0] = LONGEST
        self._starts[0, 1:] = ends[-1, :-1] + 1
        self._lengths: Places = ends - self._starts
        # Eight bytes from any place on, as one word.
        self._at: Words = np.ndarray((len(data) - 7,), "<u8", data.data, strides=(1,))
        self._words: dict[int, list[Words] | None] = {}
        self._codes: dict[int, tuple[list[str], Places]] = {}

    @property
    def size(self) -> int:
        return len(self._ends[0])

    def columns(self) -> list[list[str]]:
        cells = self._text.replace("\n", ",").split(",")
        del cells[-1]
        width = len(self._ends)
        return [cells[i::width] for i in range(width)]

    def lines(self) -> list[str]:
        return self._text[:-1].split("\n")

    @cached_property
    def _text(self) -> str:
        """All of it: made at once it costs less than twenty rows made one by one."""
        return self._bytes.decode("ascii")

    @property
    def _bytes(self) -> bytes:
        return self._data[LONGEST:-1].tobytes()

    def rows(self, places: Sequence[int]) -> list[list[str]]:
        return [row.split(",") for row in self.picked(places)]

    def picked(self, places: Sequence[int]) -> list[str]:
        return self._texts(self._starts[0], self._ends[-1], np.array(places, np.intp))

    def gaps(self, column: int) -> int:
        return len(self._lengths[column]) - int(np.count_nonzero(self._lengths[column]))

    def holds(self, column: int, spellings: Collection[str]) -> bool:
        wanted = np.zeros(256, np.bool_)
        wanted[[ord(spelling[0]) for spelling in spellings]] = True
        there = wanted[self._data[self._starts[column]]]
        there &= self._lengths[column] <= max(map(len, spellings))
        return there.any() and not set(self._texts_at(column, np.flatnonzero(there))).isdisjoint(spellings)

    def numbers(self, column: int) -> Numbers | None:
        words = self.words(column)
        if words is None or len(words) > 2:
            return None
        starts, lengths = self._starts[column], self._lengths[column]
        if self.gaps(column):
            full = lengths > 0
            if not full.any():
                return None
            words, starts, lengths = [word[full] for word in words], starts[full], lengths[full]
        return numbers_of(words, self._data, starts, lengths)

    def words(self, column: int) -> list[Words] | None:
        """The column's values as words, the last first; None where one is too long."""
        if column not in self._words:
            self._words[column] = self._make_words(column)
        return self._words[column]

    def _make_words(self, column: int) -> list[Words] | None:
        ends, lengths = self._ends[column], self._lengths[column]
        longest = int(lengths.max())
        if longest > LONGEST:
            return None
        # With "clip" nothing beyond a table's end is looked for, and more than a whole word is a whole word.
        found = [self._at[ends - 8] & _KEEP.take(lengths, mode="clip")]
        for back in range(16, longest + 8, 8):
            found.append(self._at[ends - back] & _KEEP.take(lengths - (back - 8), mode="clip"))
        return found

    def distinct(self, column: int) -> set[str] | None:
        words = self.words(column)
        if words is None:
            return None
        found = self._known[column].codes(words)
        if found is None:
            return self._sorted(column, words)
        names = self._known[column].names
        self._codes[column] = names, found
        return {names[code] for code in np.flatnonzero(np.bincount(found)).tolist()}

    def _sorted(self, column: int, words: list[Words]) -> set[str] | None:
        key = key_of(words)
        known = _uniques(key)
        codes = np.searchsorted(known, key)
        one = np.empty(len(known), np.int64)
        one[codes] = np.arange(len(key))
        if len(words) > 1 and any((word != word[one][codes]).any() for word in words):
            return None
        names = self._texts_at(column, one)
        self._codes[column] = names, codes
        self._known[column].learn(names, [word[one] for word in words])
        return set(names)

    def texts(self, column: int) -> list[str] | None:
        if column not in self._codes:
            return None
        names, codes = self._codes[column]
        return [names[code] for code in codes.tolist()]

    def counts(self, column: int, held: Sequence[int]) -> tuple[Mapping[str, int], Mapping[str, int]] | None:
        if column not in self._codes:
            return None
        names, codes = self._codes[column]
        every = np.bincount(codes, minlength=len(names)).tolist()
        out = np.bincount(codes[_mask(held)], minlength=len(names)).tolist()
        return _occurring(names, every), _occurring(names, out)

    def split(self, sums: RowSums, limit: int, repeats: Repeats) -> Sequence[int]:
        rows: Words = np.full(self.size, sums.base, np.uint64)
        for column, factor in enumerate(sums.factors):
            rows += self._values(column) * np.uint64(factor)
        places, counts = repeats.add(rows)
        if places:
            rows[places] += np.array(counts, np.uint64) * np.uint64(sums.repeated)
        if limit > MASK:
            return bytes([1]) * len(rows)
        return (_stirred(rows) < np.uint64(limit)).tobytes()

    def _values(self, column: int) -> Words:
        """Each value as `number_of` has it."""
        words = self.words(column)
        if words is None:
            rows = np.arange(self.size)
            return np.array([number_of(value) for value in self._texts_at(column, rows)], np.uint64)
        found = _rest(words[-1].byteswap())
        for word in words[-2::-1]:
            found = _rest(found * _NEXT + _rest(word.byteswap()))
        return found

    def sides(
        self, held: Sequence[int], column: int, mark: Callable[[str], str] | None
    ) -> tuple[bytes, bytes] | None:
        out = _mask(held)
        train, aside = self._cut(out)
        if mark is None or len(aside) == len(self._data) - LONGEST - 1:
            return train, aside
        if column not in self._codes:
            return None
        names, codes = self._codes[column][0], self._codes[column][1][~out]
        used = np.flatnonzero(np.bincount(codes)).tolist()
        marks = [mark(names[code]).encode("ascii") for code in used]
        if len(set(map(len, marks))) > 1:
            return None
        table = np.zeros((len(names), len(marks[0])), np.uint8)
        table[used] = np.frombuffer(b"".join(marks), np.uint8).reshape(len(marks), -1)
        lengths = (self._ends[-1] - self._starts[0])[~out]
        return _marked(np.frombuffer(train, np.uint8), lengths, table[codes]), aside

    def _cut(self, out: npt.NDArray[np.bool_]) -> tuple[bytes, bytes]:
        """Rows by whether they are held out: slices of neighbours that are alike."""
        turns = np.flatnonzero(out[1:] != out[:-1]) + 1
        at = [0, *(self._starts[0][turns] - LONGEST).tolist(), len(self._data) - LONGEST - 1]
        whole = self._bytes
        pieces = [whole[start:end] for start, end in pairwise(at)]
        sides = b"".join(pieces[::2]), b"".join(pieces[1::2])
        return (sides[1], sides[0]) if out[0] else sides

    def _texts_at(self, column: int, rows: Places) -> list[str]:
        return self._texts(self._starts[column], self._ends[column], rows)

    def _texts(self, starts: Places, ends: Places, rows: Places) -> list[str]:
        if not len(rows):
            return []
        text = self._text
        pairs = zip((starts[rows] - LONGEST).tolist(), (ends[rows] - LONGEST).tolist(), strict=True)
        return [text[start:end] for start, end in pairs]


class RowEngine:
    """Implements `shared.domain.table.packed.Engine`."""

    def packer(self, width: int, delimiter: str) -> Callable[[str], PackedRows | None]:
        known = [Vocabulary() for _ in range(width)]

        def pack(text: str) -> PackedRows | None:
            found = cut(text, width, delimiter, FEWEST)
            return PackedRows(*found, known) if found else None

        return pack

    def newlines(self, text: str) -> int:
        return int(np.count_nonzero(np.frombuffer(text.encode(), np.uint8) == NEWLINE))

    def repeats(self, most: int) -> RowRepeats:
        return RowRepeats(most)


def _mask(held: Sequence[int]) -> npt.NDArray[np.bool_]:
    return np.frombuffer(bytes(held), np.bool_)


def _marked(rows: npt.NDArray[np.uint8], lengths: Places, marks: npt.NDArray[np.uint8]) -> bytes:
    """Rows of `lengths` bytes, their line ends not counted, each with its mark before the line end."""
    count, size = marks.shape
    ends = np.cumsum(lengths + (size + 1)) - (size + 1)
    places = ends[:, None] + np.arange(size)
    found = np.empty(len(rows) + count * size, np.uint8)
    of_rows = np.ones(len(found), np.bool_)
    of_rows[places] = False
    found[of_rows] = rows
    found[places] = marks
    return found.tobytes()


def _rest(words: Words) -> Words:
    """Modulo PRIME: numpy divides by one number for all much faster than it takes rests."""
    rest: Words = words - words // _PRIME * _PRIME
    return rest


def _occurring(names: Sequence[str], counts: Sequence[int]) -> dict[str, int]:
    return {name: count for name, count in zip(names, counts, strict=True) if count}


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
