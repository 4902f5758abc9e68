"""Some rows of a table, column by column, and rows as CSV text."""

from __future__ import annotations

import codecs
import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import compress

from shared.domain.table.packed import Packed


class _Sink(list[str]):
    """What csv.writer writes to: one string per row."""

    write = list.append


class Block:
    """Some rows, column by column. `plain`: no value holds a comma, a quotation mark or a newline.

    `packed` are the same values as an engine holds them, where there is one and the block is clean; values become text
    only when asked for.
    """

    def __init__(
        self,
        columns: list[list[str]] | Packed,
        starts: Sequence[int],
        plain: bool,
        ready: list[str] | None = None,
    ) -> None:
        self._columns = columns if isinstance(columns, list) else None
        self.packed: Packed | None = None if isinstance(columns, list) else columns
        self.starts, self.plain, self.ready = starts, plain, ready

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def columns(self) -> list[list[str]]:
        """All values."""
        if self._columns is None:
            self._columns = self.packed.columns() if self.packed else []
        return self._columns

    def texts(self, column: int) -> list[str]:
        """The values of one column."""
        found = self.packed.texts(column) if self.packed else None
        return self.columns[column] if found is None else found

    def counts(self, column: int, held: Sequence[int]) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """How often each value of one column occurs, and how often in rows that are held out."""
        found = self.packed.counts(column, held) if self.packed else None
        if found is not None:
            return found
        values = self.texts(column)
        return Counter(values), Counter(compress(values, held))

    def rows(self, places: Sequence[int]) -> list[Sequence[str]]:
        """The values of some rows."""
        if self.packed:
            return list[Sequence[str]](self.packed.rows(places))
        return [[column[place] for column in self.columns] for place in places]

    def picked(self, places: Sequence[int]) -> list[str | Sequence[str]]:
        """As `rows`; packed ones as their text, whose values commas part."""
        if self.packed:
            return list[str | Sequence[str]](self.packed.picked(places))
        return list[str | Sequence[str]](self.rows(places))

    def replace(self, column: int, values: list[str]) -> None:
        self.columns[column] = values
        self.ready = self.packed = None

    def keep(self, mask: Sequence[bool]) -> Block:
        """Only the rows whose mask is true."""
        return Block(
            [list(compress(column, mask)) for column in self.columns],
            list(compress(self.starts, mask)),
            self.plain,
            list(compress(self.ready, mask)) if self.ready is not None else None,
        )

    def lines(self) -> list[str]:
        """The rows as RFC 4180 text with commas, without the newline at the end."""
        if self.ready is None:
            self.ready = self.packed.lines() if self.packed else self._joined()
        return self.ready

    def _joined(self) -> list[str]:
        rows = zip(*self.columns, strict=True)
        return list(map(",".join, rows)) if self.plain else csv_lines(rows)


def csv_lines(rows: Iterable[Sequence[str]], delimiter: str = ",") -> list[str]:
    sink = _Sink()
    # With another terminator Python before 3.13 would not quote newlines inside values.
    csv.writer(sink, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return [line[:-1] for line in sink]


def staged_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Lines of staged text with their ends, decoded as they stream in; quoted line breaks are the CSV reader's business."""
    decode = codecs.getincrementaldecoder("utf-8")().decode
    rest = ""
    for chunk in chunks:
        *whole, rest = (rest + decode(chunk)).split("\n")
        yield from (f"{line}\n" for line in whole)
    if rest:
        yield rest
