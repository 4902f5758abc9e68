"""A large CSV read in chunks from a byte position, and written back with a prediction on every row.

A chunk ends where a record ends; the position behind it is all that must be kept to go on in another process.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from shared.domain.batches import Layout
from shared.domain.labels import cell_text, speller
from shared.domain.problems import MalformedBody
from shared.domain.rows.csv_text import refuse_other, said_delimiter, sniff
from shared.domain.rows.predictions import PROBABILITY, Prediction, columns_named, names_free
from shared.domain.rows.validation import Row, RowValidator
from shared.domain.table.escapes import unpadded
from shared.domain.table.trimming import says_nothing, trimmed
from shared.services.batches.lines import Lines, ReadRange, reading

#: Rows and input bytes of one chunk: a score request of well under a second, and flat memory.
CHUNK_ROWS, CHUNK_BYTES = 5000, 768 * 1024
#: A line of these alone is blank.
_NOTHING = ' \t\n,;|:^"'
#: Bytes of blank lines that may stand before the header: a packed file may hold gigabytes of them.
MAX_BLANK = 1 << 20
#: Lines below the header that are looked at where it alone doesn't tell what they are.
_LOOK = 50
#: Lines in which the cause is looked for where the header is not what it should be.
_BEGINNING = 250
EXTRA_COLUMNS = ("prediction", "prediction_error")


class DamagedRecord(list[str]):
    """A line with text after a closing quotation mark, as its only cell: where its values end can't be told."""

    verdict = 'text after a closing quotation mark; a quotation mark inside a value is written twice ("")'


@dataclass
class Chunk:
    """Records as they stand in the file, the byte position behind the last one, and the encoding that is known by then."""

    records: list[list[str]]
    position: int
    encoding: str = ""


def read_layout(read: ReadRange, size: int, encoding: str = "") -> tuple[Layout, int]:
    """The header line and the position behind it. Blank lines before it are passed over. Raises MalformedBody.

    `encoding` is Python's name of what is said of the file; a byte order mark wins over it.
    """
    layout = reading(read, size, encoding)
    lines = Lines(read, layout, 0, size)
    first = _next_line(lines)
    delimiter = said_delimiter(first)
    if delimiter is not None:
        first = _next_line(lines)
    if not first:
        raise MalformedBody(
            "The file has no header line.", remedy="Name the columns in line 1.", code="no-rows"
        )
    coming = lines.coming(_LOOK)
    delimiter = delimiter or sniff(first + "".join(coming), complete=len(coming) < _LOOK)
    reader = csv.reader(chain([first], lines), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        names = next(reader)
    except csv.Error as error:
        padded = unpadded(first.rstrip("\n"), delimiter)
        if padded is None:
            raise MalformedBody(
                f"The header line can't be read: {error}.", remedy="Check its quotes.", code="invalid-csv"
            ) from None
        names = padded
    columns = [name.strip() for name in trimmed(names)]
    return replace(layout, columns=columns, delimiter=delimiter, encoding=lines.encoding), lines.position


def check_rows(layout: Layout, position: int, size: int) -> None:
    """Raises MalformedBody for a file that ends with its header; of a packed one, or of blank lines, the worker's end tells."""
    if not layout.packed and position >= size:
        raise no_rows()


def no_rows() -> MalformedBody:
    return MalformedBody(
        "The file holds no rows below its header line.",
        remedy="Write a row in each line below it, with a value for each column that it names.",
        code="no-rows",
    )


def first_lines(read: ReadRange, layout: Layout, size: int) -> str:
    """How the file begins, whatever stands there."""
    return "".join(Lines(read, layout, 0, size).coming(_BEGINNING))


def _next_line(lines: Lines) -> str:
    """The next line that is not blank, or nothing. Raises MalformedBody for what is no CSV, however long its line is."""
    start = lines.position
    try:
        found = next((line for line in lines if line.strip(_NOTHING) or _is_too_far(lines, start)), "")
    except MalformedBody:
        refuse_other(lines.ahead)
        raise
    refuse_other(found + "".join(lines.coming(_LOOK)))
    return found


def _is_too_far(lines: Lines, start: int) -> bool:
    if lines.position - start <= MAX_BLANK:
        return False
    raise MalformedBody(
        f"The file has no header line in its first {MAX_BLANK:,} bytes: they are blank lines.",
        remedy="Name the columns in line 1.",
        code="no-rows",
    )


def read_chunks(read: ReadRange, layout: Layout, position: int, size: int) -> Iterator[Chunk]:
    """Chunks from `position` to the end; rows without any value are passed over, and a damaged line is a record of its own, as
    intake puts it aside. Raises MalformedBody, also for a damaged record of several lines: where it ends is anybody's guess.
    """
    lines = Lines(read, layout, position, size)
    reader = csv.reader(lines, delimiter=layout.delimiter, skipinitialspace=True, strict=True)
    chunk = Chunk([], position)
    start = position
    try:
        for record in _records(reader, lines, layout.delimiter):
            chunk.position, chunk.encoding = lines.position, lines.encoding
            if not says_nothing(record):
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


def _records(reader: Iterator[list[str]], lines: Lines, delimiter: str) -> Iterator[list[str]]:
    while True:
        before = lines.given
        try:
            record = next(reader, None)
        except csv.Error as error:
            if lines.given - before != 1 or "expected after" not in str(error):
                raise
            text = lines.line.rstrip("\n")
            record = unpadded(text, delimiter) or DamagedRecord([text])
        if record is None:
            return
        yield record


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
    order = validator.order(layout.columns, others=True)
    width = len(layout.columns)
    checked = CheckedChunk([], [])
    for record in records:
        if isinstance(record, DamagedRecord):
            checked.verdicts.append(record.verdict)
            continue
        if len(record) != width:
            checked.verdicts.append(f"{len(record)} values where {width} columns are named")
            continue
        cells = trimmed(record)
        row, issues = validator.check_cells(["" if at is None else cells[at] for at in order])
        if issues:
            checked.verdicts.append(" ".join(issue.message for issue in issues[:3]))
        else:
            checked.verdicts.append(len(checked.rows))
            checked.rows.append(row)
    return checked


@dataclass
class Told:
    """What the rows of a chunk were answered: a label each, and a cell for the probability of each class of the batch."""

    labels: list[object] = field(default_factory=list)
    shares: list[list[object]] = field(default_factory=list)

    def add(self, prediction: Prediction, classes: list[str]) -> None:
        """Probabilities go to the column of their class; one that the model doesn't know stays empty."""
        self.labels += prediction.result
        if not classes:
            return
        if prediction.probabilities is None or prediction.classes is None:
            self.shares += [[""] * len(classes)] * len(prediction.result)
            return
        spelt = map(speller(tuple(classes)), prediction.classes)
        at = {name: position for position, name in enumerate(spelt)}
        order = [at.get(name) for name in classes]
        self.shares += [
            ["" if place is None else row[place] for place in order] for row in prediction.probabilities
        ]


def header_line(layout: Layout, classes: list[str]) -> bytes:
    ours = _in_front(layout.columns, layout.first)
    first = [*ours, *names_free(EXTRA_COLUMNS, ours)]
    return _csv([[*first, *columns_named(PROBABILITY, classes, first)]])


def result_lines(
    records: list[list[str]], layout: Layout, checked: CheckedChunk, told: Told, classes: list[str]
) -> bytes:
    """Each record with its prediction, or with its error; comma-separated, whatever came in.

    A record of the wrong width is filled up or cut, so that the error stands in its column.
    """
    width, labels, shares = len(layout.columns), told.labels, told.shares
    none = [""] * len(classes)
    return _csv(
        [*_in_front((record + [""] * width)[:width], layout.first), "", verdict, *none]
        if isinstance(verdict, str)
        else [
            *_in_front(record, layout.first),
            cell_text(labels[verdict]),
            "",
            *(shares[verdict] if classes else none),
        ]
        for record, verdict in zip(records, checked.verdicts, strict=True)
    )


def _in_front(record: list[str], first: int) -> list[str]:
    return [record[first], *record[:first], *record[first + 1 :]] if first else record


def _csv(rows: Iterable[Sequence[object]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()
