"""A delimited file as blocks of columns, read once, with the line of every row.

A block whose cells need no quoting is split by plain string operations, several times faster than a CSV parser;
every other block goes through `csv.reader`, in strict mode. Both give the same cells (a test compares them).
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import methodcaller

from shared.domain.errors import InvalidTable
from shared.domain.table.dialect import Dialect, detect
from shared.domain.table.text import MAX_LINE, TextReader

MAX_COLUMNS = 5_000
MAX_NAME = 256
#: Longest value taken: the csv module's own limit.
MAX_VALUE = 131_072
#: Longest row taken, in characters: a row of many quoted lines must not fill the memory.
MAX_ROW = 8 * MAX_LINE
#: Blanks trimmed from both ends of every value.
_BLANKS = " \t"
_commas = methodcaller("count", ",")


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


class Table:
    """The header, then the rows. Reading it raises InvalidTable with the line of what is wrong."""

    def __init__(self, text: TextReader) -> None:
        self._blocks = text.blocks()
        self._line = 1
        self.header: list[str] = []
        self.header_line = 1
        first = self._first_block()
        self.dialect = Dialect(detect(first), text.bom)
        self._pending = self._take_header(first)

    def _first_block(self) -> str:
        for block in self._blocks:
            if not block.strip():
                self._line += block.count("\n")
                continue
            return block
        raise InvalidTable(
            "The file is empty.",
            remedy="Drop a file with a header line and at least 50 rows.",
            code="empty-file",
            line=1,
        )

    def _take_header(self, first: str) -> str:
        """Read the header off the first block; returns what follows it in that block."""
        feed = _Feed(first, self._blocks)
        for row, start, end in self._parse(feed):
            if row:
                self.header = [cell.strip() for cell in row]
                self.header_line = start
                check_header(self.header, start)
                self._line = end
                return feed.rest()
        raise AssertionError("a block that is not blank has a row")

    def blocks(self) -> Iterator[Block]:
        """The rows after the header; blank lines are passed over."""
        pending, self._pending = self._pending, ""
        while True:
            if not pending:
                pending = next(self._blocks, "")
                if not pending:
                    return
            block = self._split(pending) or self._slow(pending)
            pending = ""
            if len(block):
                yield block

    def _split(self, text: str) -> Block | None:
        """The block by plain splitting; None where that might not be what a CSV parser reads."""
        delimiter, width = self.dialect.delimiter, len(self.header)
        if "\n\n" in text or text[0] == "\n" or _may_have_blanks(text, delimiter):
            return None
        if delimiter != ",":
            if "," in text:
                return None
            text = text.replace(delimiter, ",")
        lines = text[:-1].split("\n")
        if max(map(len, lines)) > MAX_VALUE or set(map(_commas, lines)) != {width - 1}:
            return None
        if '"' in text:
            if not _simply_quoted(text):
                return None
            text = text.replace('"', "")
            lines = text[:-1].split("\n")
        cells = text.replace("\n", ",").split(",")
        del cells[-1]
        starts = range(self._line, self._line + len(lines))
        self._line += len(lines)
        return Block([cells[i::width] for i in range(width)], starts, plain=True, ready=lines)

    def _slow(self, text: str) -> Block:
        """The block by the CSV parser, with as many further blocks as a quoted value reaches into."""
        width = len(self.header)
        rows: list[list[str]] = []
        starts: list[int] = []
        end = self._line
        for row, start, end in self._parse(_Feed(text, self._blocks)):  # noqa: B007
            if len(row) != width:
                if not row:
                    continue
                raise ragged(start, width, row)
            rows.append([cell.strip(_BLANKS) for cell in row])
            starts.append(start)
        self._line = end
        columns = [list(column) for column in zip(*rows, strict=True)]
        return Block(columns, starts, plain=False)

    def _parse(self, feed: _Feed) -> Iterator[tuple[list[str], int, int]]:
        """(values, line of its first character, line after it) for each row of the feed's text."""
        reader = csv.reader(feed, delimiter=self.dialect.delimiter, skipinitialspace=True, strict=True)
        start = self._line
        try:
            for row in reader:
                end = self._line + reader.line_num
                yield row, start, end
                start = end
                feed.row_done()
                if reader.line_num == feed.total_lines:
                    return
        except csv.Error as error:
            raise _parse_error(error, start, self._line + reader.line_num - 1) from error


class _Feed:
    """Lines for csv.reader: one block's, and the next blocks' for as long as a row is open."""

    def __init__(self, text: str, more: Iterator[str]) -> None:
        self._size = len(text)
        self._lines = iter(io.StringIO(text, newline="\n"))
        self._more = more
        self.total_lines = text.count("\n")
        self._open = len(text)

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = next(self._lines, None)
        if line is None:
            text = next(self._more, None)
            if text is None:
                raise StopIteration
            self._size = len(text)
            self._open += len(text)
            self.total_lines += text.count("\n")
            self._lines = iter(io.StringIO(text, newline="\n"))
            if self._open > MAX_ROW:
                raise csv.Error("row too long")
            line = next(self._lines)
        return line

    def row_done(self) -> None:
        self._open = self._size

    def rest(self) -> str:
        """What is left unread of the text read so far."""
        return "".join(self._lines)


def _may_have_blanks(text: str, delimiter: str) -> bool:
    """Whether a value may begin or end with a blank: one stands beside a delimiter, a quotation mark or a line's end."""
    if text[0] in _BLANKS:
        return True
    blanks = " " if delimiter == "\t" else _BLANKS
    return any(
        blank in text and any(edge + blank in text or blank + edge in text for edge in (delimiter, '"', "\n"))
        for blank in blanks
    )


def _simply_quoted(text: str) -> bool:
    """Whether every quoted value is a whole cell without a delimiter, a newline or a quotation mark inside.

    Only distinct cells are looked at. A value with a delimiter inside gives two cells with one mark each, and fails.
    """
    for cell in set(text.replace("\n", ",").split(",")):
        if '"' in cell and not (len(cell) >= 2 and cell[0] == cell[-1] == '"' and '"' not in cell[1:-1]):
            return False
    return True


def check_header(names: list[str], line: int) -> None:
    """Raise InvalidTable for unnamed, repeated, over-long or too many columns."""
    if len(names) > MAX_COLUMNS:
        raise InvalidTable(
            f"The header names {len(names):,} columns; at most {MAX_COLUMNS:,} are taken.",
            remedy="Drop a table with fewer columns.",
            code="too-many-columns",
            line=line,
        )
    unnamed = [i for i, name in enumerate(names, 1) if not name]
    if unnamed:
        places = ", ".join(map(str, unnamed[:20]))
        hint = (
            " A first column without a name is often an index: with pandas, write to_csv(..., index=False)."
            if unnamed[0] == 1
            else " A last column without a name often comes from a delimiter at the end of each line."
            if unnamed == [len(names)]
            else ""
        )
        raise InvalidTable(
            f"{len(unnamed)} of {len(names)} columns have no name: column {places}.",
            remedy="Name every column in the header, or remove it." + hint,
            code="unnamed-columns",
            line=line,
            column=unnamed[0],
        )
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InvalidTable(
            f"Column names occur more than once: {', '.join(map(repr, repeated[:20]))}.",
            remedy="Give every column a name of its own.",
            code="duplicate-columns",
            line=line,
            column=repeated[0],
        )
    for i, name in enumerate(names, 1):
        if len(name) > MAX_NAME:
            raise InvalidTable(
                f"The name of column {i} has {len(name):,} characters ({name[:40]!r}...); at most {MAX_NAME} are taken.",
                remedy="The first line must be a header of column names; shorten the name.",
                code="column-name-too-long",
                line=line,
                column=i,
            )


def ragged(line: int, expected: int, row: Sequence[str]) -> InvalidTable:
    found = len(row)
    return InvalidTable(
        f"Line {line} has {found} value{'s' if found != 1 else ''}; the header names {expected} columns.",
        remedy="Give every row one value per column; a value that holds the delimiter must stand in quotation marks.",
        code="ragged-row",
        line=line,
        expected=expected,
        found=found,
    )


def _parse_error(error: csv.Error, start: int, line: int) -> InvalidTable:
    message = str(error)
    if "unexpected end of data" in message or ("field limit" in message and line > start):
        return InvalidTable(
            f"A quotation mark opened in the row on line {start} is never closed.",
            remedy='Close it; a quotation mark inside a value is written twice ("").',
            code="unterminated-quote",
            line=start,
        )
    if "field limit" in message:
        return InvalidTable(
            f"A value on line {start} is longer than {MAX_VALUE:,} characters.",
            remedy="Shorten it, or leave that column out.",
            code="value-too-long",
            line=start,
        )
    if "row too long" in message:
        return InvalidTable(
            f"The row on line {start} is longer than {MAX_ROW:,} characters.",
            remedy="Check the quotation marks from that line on.",
            code="row-too-long",
            line=start,
        )
    return InvalidTable(
        f"Line {line} has text after a closing quotation mark"
        + (f" (the row began on line {start})." if line > start else "."),
        remedy='A quotation mark inside a value is written twice (""), in a value that stands in quotation marks.',
        code="stray-quote",
        line=line,
    )
