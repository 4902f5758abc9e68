"""Some rows of a table, column by column, and rows as CSV text."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress


class _Sink(list[str]):
    """What csv.writer writes to: one string per row."""

    write = list.append


@dataclass
class Block:
    """Some rows, column by column. `plain`: no value holds a comma, a quotation mark or a newline."""

    columns: list[list[str]]
    starts: Sequence[int]
    plain: bool
    ready: list[str] | None = None

    def __len__(self) -> int:
        return len(self.starts)

    def replace(self, column: int, values: list[str]) -> None:
        self.columns[column] = values
        self.ready = None

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
            rows = zip(*self.columns, strict=True)
            self.ready = list(map(",".join, rows)) if self.plain else csv_lines(rows)
        return self.ready


def csv_lines(rows: Iterable[Sequence[str]]) -> list[str]:
    sink = _Sink()
    # With another terminator Python before 3.13 would not quote newlines inside values.
    csv.writer(sink, lineterminator="\n").writerows(rows)
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
