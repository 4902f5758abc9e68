"""A delimited file as blocks of columns, read once, with the line of every row.

A block whose cells need no quoting is split by plain string operations, several times faster than a CSV parser;
every other block goes through `csv.reader`, in strict mode. Both give the same cells (a test compares them).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from operator import methodcaller

from shared.domain.errors import InvalidTable
from shared.domain.table.bad_rows import BadRows
from shared.domain.table.blocks import Block, csv_lines
from shared.domain.table.dialect import SAMPLE, WINDOW, Dialect, best, past_blank_rows, refuse_uncut, said
from shared.domain.table.escapes import unpadded
from shared.domain.table.header import check_header
from shared.domain.table.not_csv import other_format
from shared.domain.table.packed import Engine
from shared.domain.table.row_errors import MAX_ROW, MAX_VALUE, ROW_TOO_LONG, ragged, unparsable
from shared.domain.table.text import TextReader
from shared.domain.table.titles import titled
from shared.domain.table.trimming import BLANKS, SIGN, TextFormulas, may_have_blanks, trimmed
from shared.domain.table.units_row import UnitsRow, units_rows

_commas = methodcaller("count", ",")


class Table:
    """The header, then the rows. Reading it raises InvalidTable with the line of what is wrong."""

    def __init__(self, text: TextReader, bad: BadRows | None = None, engine: Engine | None = None) -> None:
        """With `bad`, rows that can't be read are put there; without it they are raised. `engine` reads clean ones."""
        self._bad = bad
        #: Rows without any value, passed over.
        self.blank = 0
        self.formulas = TextFormulas()
        #: Rows of units below the header, which were put aside.
        self.units: list[UnitsRow] = []
        self._blocks = text.blocks()
        self._line = self._parsed = 1
        self.header: list[str] = []
        self.header_line = 1
        #: A row that can be read, once there is one.
        self._good: list[str] = []
        first = self._first_block()
        told, at = said(first, self._line), self._line
        if told is not None:
            self._line += 1
            first = told[1] if told[1].strip() else self._first_block()
        # A header alone tells little of the file.
        while first.count("\n") <= SAMPLE and len(first) < WINDOW and (more := next(self._blocks, "")):
            first += more
        if other := other_format(first, self._line):
            raise other
        #: A sentence for a remedy where a title seems to stand above the header, else nothing.
        delimiter = told[0] if told else best(first)
        self.title = titled(first, self._line, delimiter)
        try:
            refuse_uncut(delimiter, first, self._line, at if told else 0)
            self.dialect = Dialect(delimiter, text.bom)
            self._pending = self._take_header(first)
            self._pack = engine.packer(len(self.header), self.dialect.delimiter) if engine else None
        except InvalidTable as error:
            error.remedy += self.title
            error.example = None if self.title else error.example
            raise

    def _first_block(self) -> str:
        for block in self._blocks:
            text, lines, blank = past_blank_rows(block)
            self._line += lines
            self.blank += blank
            if not text.strip():
                self._line += text.count("\n")
                continue
            return text
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
                self.header = [name.strip() for name in trimmed(row)]
                self.header_line = start
                check_header(self.header, start, self.dialect.delimiter)
                self._line = end
                return feed.rest()
        raise AssertionError("a block that is not blank has a row")

    def blocks(self) -> Iterator[Block]:
        """The rows after the header; blank lines are passed over."""
        pending, self._pending = self._pending, ""
        first = True
        while True:
            if not pending:
                pending = next(self._blocks, "")
                if not pending:
                    return
            split = self._packed(pending) or self._split(pending)
            if split is not None and self._bad is not None:
                self._bad.read += len(split)
            block = split or self._slow(pending)
            pending = ""
            if len(block):
                yield self._without_units(block) if first else block
                first = False

    def _without_units(self, block: Block) -> Block:
        """The rows without those of units, put aside whatever `max_bad_rows` says: they cast no doubt on others."""
        self.units = units_rows(block, self.header) if self._bad is not None else []
        if not self.units or self._bad is None:
            return block
        for units, row in zip(self.units, block.lines(), strict=False):
            self._bad.put_aside(units.line, "units-row", units.reason, row)
        count = len(self.units)
        self._good = list(block.rows([count])[0])
        return block.keep([False] * count + [True] * (len(block) - count))

    def _packed(self, text: str) -> Block | None:
        """The block as the engine holds it; None where there is none, or the text is not clean."""
        packed = self._pack(text) if self._pack else None
        if packed is None:
            return None
        self._good = self._good or packed.rows([0])[0]
        starts = range(self._line, self._line + packed.size)
        self._line += packed.size
        return Block(packed, starts, plain=True)

    def _split(self, text: str) -> Block | None:
        """The block by plain splitting; None where that might not be what a CSV parser reads."""
        delimiter, width = self.dialect.delimiter, len(self.header)
        if (
            "\n\n" in text
            or text[0] == "\n"
            or _has_blank_row(text, delimiter * (width - 1))
            or may_have_blanks(text, delimiter)
        ):
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
            if _has_blank_row(text, "," * (width - 1)):
                return None
            lines = text[:-1].split("\n")
        starts = range(self._line, self._line + len(lines))
        self._line += len(lines)
        self._good = self._good or lines[0].split(",")
        cells = text.replace("\n", ",").split(",")
        del cells[-1]
        return Block([cells[i::width] for i in range(width)], starts, plain=True, ready=lines)

    def _slow(self, text: str) -> Block:
        """The block by the CSV parser, with as many further blocks as a quoted value reaches into."""
        width = len(self.header)
        rows: list[list[str]] = []
        starts: list[int] = []
        self._parsed = self._line
        feed = _Feed(text, self._blocks)
        for found, start, _ in self._parse(feed):
            row = (
                self.formulas.read(found, start) if feed.formulas else [cell.strip(BLANKS) for cell in found]
            )
            if not any(row):
                self.blank += len(row) > 0
            elif len(row) != width:
                good, first = self._good or self.header, not self._good
                error = ragged(start, width, row, good, self.dialect.delimiter, first=first)
                self._put_aside(error, csv_lines([row])[0])
            else:
                self._good = self._good or row
                rows.append(row)
                starts.append(start)
                if self._bad is not None:
                    self._bad.read += 1
        self._line = self._parsed
        columns = [list(column) for column in zip(*rows, strict=True)]
        return Block(columns, starts, plain=False)

    def _parse(self, feed: _Feed) -> Iterator[tuple[list[str], int, int]]:
        """(values, line of its first character, line after it) for each row of the feed's text."""
        reader = csv.reader(feed, delimiter=self.dialect.delimiter, skipinitialspace=True, strict=True)
        row: list[str] | None
        start = self._line
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                end = self._line + reader.line_num
                row = self._mended(error, feed, start, end)
            else:
                end = self._line + reader.line_num
            if row is not None:
                yield row, start, end
            start = end
            self._parsed = end
            feed.row_done()
            if reader.line_num == feed.total_lines:
                return

    def _mended(self, error: csv.Error, feed: _Feed, start: int, end: int) -> list[str] | None:
        """The values of a row of one line with blanks behind quotation marks; None where it is put aside."""
        delimiter, text = self.dialect.delimiter, feed.line
        row = unpadded(text, delimiter) if end - start == 1 else None
        if row is None:
            refused = unparsable(error, start, end - 1, text, delimiter, feed.first)
            if end - start > 1:  # where a row of several lines ends is anybody's guess
                raise refused from error
            self._put_aside(refused, text)
        return row

    def _put_aside(self, error: InvalidTable, row: str) -> None:
        if self._bad is None or not self.header:
            raise error
        if self._bad.first is None:
            error.remedy += self.title
        self._bad.read += 1
        self._bad.add(error, row)


class _Feed:
    """Lines for csv.reader: one block's, and the next blocks' for as long as a row is open."""

    def __init__(self, text: str, more: Iterator[str]) -> None:
        self._size = len(text)
        self._lines = iter(io.StringIO(text, newline="\n"))
        self._more = more
        self.total_lines = text.count("\n")
        #: Whether there may be text formulas in it.
        self.formulas = SIGN in text
        self._open = len(text)
        #: The line last given, and the one that the row began on.
        self.line = self.first = ""

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
            self.formulas = self.formulas or SIGN in text
            self._lines = iter(io.StringIO(text, newline="\n"))
            if self._open > MAX_ROW:
                raise csv.Error(ROW_TOO_LONG)
            line = next(self._lines)
        self.line = line.rstrip("\n")
        self.first = self.first or self.line
        return line

    def row_done(self) -> None:
        self._open, self.first = self._size, ""

    def rest(self) -> str:
        """What is left unread of the text read so far."""
        return "".join(self._lines)


def _has_blank_row(text: str, row: str) -> bool:
    return text.startswith(f"{row}\n") or f"\n{row}\n" in text


def _simply_quoted(text: str) -> bool:
    """Whether every quoted value is a whole cell without a delimiter, a newline or a quotation mark inside.

    Only distinct cells are looked at. A value with a delimiter inside gives two cells with one mark each, and fails.
    """
    for cell in set(text.replace("\n", ",").split(",")):
        if '"' in cell and not (len(cell) >= 2 and cell[0] == cell[-1] == '"' and '"' not in cell[1:-1]):
            return False
    return True
