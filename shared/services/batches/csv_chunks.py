"""A large CSV read in chunks from a byte position, and written back with a prediction on every row.

A chunk ends where a record ends; the position behind it is all that must be kept to go on in another process.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from shared.domain.batches import Layout
from shared.domain.labels import label_text
from shared.domain.problems import MalformedBody
from shared.domain.rows.payloads import sniff
from shared.domain.rows.validation import Row, RowValidator

#: Rows and input bytes of one chunk: a score request of well under a second, and flat memory.
CHUNK_ROWS, CHUNK_BYTES = 5000, 768 * 1024
READ_BYTES = 1024 * 1024
#: One line (or one quoted cell with line breaks) may not be longer.
MAX_LINE = 4 * 1024 * 1024
EXTRA_COLUMNS = ("prediction", "prediction_error")
_BOM = b"\xef\xbb\xbf"

ReadRange = Callable[[int, int], bytes]


@dataclass
class Chunk:
    """Records as they stand in the file, and the byte position behind the last one."""

    records: list[list[str]]
    position: int


class _Lines:
    """Lines from a byte position; `position` is always behind the line last given."""

    def __init__(self, read: ReadRange, position: int, size: int) -> None:
        self._read, self.position, self._size = read, position, size
        self._next_read = position
        self._lines: list[bytes] = []  # whole ones, the next one last
        self._rest = b""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self._lines:
            self._fill()
        line = self._lines.pop()
        start, self.position = self.position, self.position + len(line)
        if start == 0:
            line = line.removeprefix(_BOM)
        try:
            return line.decode()
        except UnicodeDecodeError:
            raise MalformedBody(
                f"The line at byte {start} is not UTF-8.", remedy="Encode the file as UTF-8.", code="not-utf8"
            ) from None

    def _fill(self) -> None:
        """Read until a line is whole. Raises StopIteration at the end."""
        while not self._lines and self._next_read < self._size:
            if len(self._rest) > MAX_LINE:
                raise MalformedBody(
                    f"The line at byte {self.position} is longer than {MAX_LINE} bytes.",
                    remedy="Check the file's quotes and line ends.",
                    code="line-too-long",
                )
            data = self._read(self._next_read, min(READ_BYTES, self._size - self._next_read))
            if not data:
                break
            self._next_read += len(data)
            *whole, self._rest = (self._rest + data).split(b"\n")
            self._lines = [line + b"\n" for line in reversed(whole)]
        if not self._lines:
            if not self._rest:
                raise StopIteration
            self._lines, self._rest = [self._rest], b""


def read_layout(read: ReadRange, size: int) -> tuple[Layout, int]:
    """The header line and the position behind it. Raises MalformedBody."""
    lines = _Lines(read, 0, size)
    first = next(lines, "")
    if not first.strip():
        raise MalformedBody(
            "The file has no header line.", remedy="Name the columns in line 1.", code="no-rows"
        )
    delimiter = sniff(first)
    return Layout(next(csv.reader([first], delimiter=delimiter)), delimiter), lines.position


def read_chunks(read: ReadRange, layout: Layout, position: int, size: int) -> Iterator[Chunk]:
    """Chunks from `position` to the end; empty lines are passed over. Raises MalformedBody."""
    lines = _Lines(read, position, size)
    reader = csv.reader(lines, delimiter=layout.delimiter, strict=True)
    chunk = Chunk([], position)
    start = position
    try:
        for record in reader:
            chunk.position = lines.position
            if record:
                chunk.records.append(record)
            if len(chunk.records) >= CHUNK_ROWS or lines.position - start >= CHUNK_BYTES:
                yield chunk
                start = lines.position
                chunk = Chunk([], start)
    except csv.Error as error:
        raise MalformedBody(
            f"The record at byte {chunk.position} can't be read: {error}.",
            remedy="Check the file's quotes around there.",
            code="invalid-csv",
        ) from None
    if chunk.position > start:
        yield chunk


@dataclass
class CheckedChunk:
    """The rows that can be scored, and for each record its place among them or what is wrong with it."""

    rows: list[Row]
    verdicts: list[int | str]

    @property
    def failed(self) -> int:
        return sum(1 for verdict in self.verdicts if isinstance(verdict, str))


def check_chunk(records: list[list[str]], layout: Layout, validator: RowValidator) -> CheckedChunk:
    """Row by row: a bad row is written back with its error, the others are scored."""
    order = validator.order(layout.columns, labelled=True)
    width = len(layout.columns)
    checked = CheckedChunk([], [])
    for record in records:
        if len(record) != width:
            checked.verdicts.append(f"{len(record)} values where {width} columns are named")
            continue
        row, issues = validator.check_cells(["" if at is None else record[at] for at in order])
        if issues:
            checked.verdicts.append(" ".join(issue.message for issue in issues[:3]))
        else:
            checked.verdicts.append(len(checked.rows))
            checked.rows.append(row)
    return checked


def header_line(layout: Layout) -> bytes:
    return _csv([[*layout.columns, *EXTRA_COLUMNS]])


def result_lines(
    records: list[list[str]], layout: Layout, checked: CheckedChunk, labels: list[object]
) -> bytes:
    """Each record with its prediction, or with its error; comma-separated, whatever came in.

    A record of the wrong width is filled up or cut, so that the error stands in its column.
    """
    width = len(layout.columns)
    return _csv(
        [*(record + [""] * width)[:width], "", verdict]
        if isinstance(verdict, str)
        else [*record, label_text(labels[verdict]), ""]
        for record, verdict in zip(records, checked.verdicts, strict=True)
    )


def _csv(rows: Iterable[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()
