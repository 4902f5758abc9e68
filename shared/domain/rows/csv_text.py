"""A CSV to score, read as intake reads: encodings, line ends, invisible characters, blanks around values, blank rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice

from shared.domain.errors import InvalidTable
from shared.domain.problems import MalformedBody, TooLarge
from shared.domain.rows.media import told_of
from shared.domain.table.dialect import DELIMITERS, WINDOW, best, blank_rows_end, rare, said
from shared.domain.table.escapes import unpadded
from shared.domain.table.not_csv import other_format
from shared.domain.table.text import TextReader
from shared.domain.table.trimming import trimmed

#: Characters of one request; a packed one may hold more than it weighs, but no more than could be passed on.
MAX_TEXT = 1 << 23
#: Rows without a value below the first lines: each costs as much as a row.
MAX_BLANK_ROWS = 100_000


def read_csv(
    body: bytes, most: int | None = None, encoding: str = "auto"
) -> tuple[list[str], list[list[str]]]:
    """The names and the rows, one more than `most` of them at most: a row of two bytes is an object of a hundred.

    `encoding` is one of ENCODINGS, as the caller says. Raises MalformedBody, with code no-rows where there is nothing; TooLarge.
    """
    try:
        text = _text(body, encoding)
        begins = blank_rows_end(text)
        above, text = text.count("\n", 0, begins), text[begins:]
        told = said(text, above + 1)
    except InvalidTable as error:
        raise MalformedBody(
            told_of(error.message, encoding), remedy=_remedy(error, encoding),
            code=error.error_code, **error.where,
        ) from None  # fmt: skip
    delimiter = ""
    if told is not None:
        delimiter, text = told
        begins = blank_rows_end(text)
        above, text = above + 1 + text.count("\n", 0, begins), text[begins:]
    refuse_other(text)
    found = _filled(_records(text, delimiter or sniff(text), above))
    rows = list(islice(found, None if most is None else most + 2))
    if not rows:
        raise MalformedBody(
            "The CSV has neither a header nor rows: its lines are blank, or hold delimiters alone.",
            remedy="Name the columns in its first line, and write a row in each line below, as in: age,job\\n57,technician",
            code="no-rows",
        )
    return [name.strip() for name in rows[0]], rows[1:]


def _filled(records: Iterator[list[str]]) -> Iterator[list[str]]:
    """Those that hold a value, as text. Raises TooLarge."""
    blank = 0
    for record in records:
        if any(row := trimmed(record)):
            yield row
            continue
        blank += 1
        if blank > MAX_BLANK_ROWS:
            raise TooLarge(
                f"The CSV holds more than {MAX_BLANK_ROWS:,} rows without a value among the others.",
                remedy="Take the blank lines out, and send the rows alone.",
                code="too-many-rows",
            )


def _records(text: str, delimiter: str, above: int) -> Iterator[list[str]]:
    """The rows of the text, `above` which so many lines stood. Raises MalformedBody."""
    reader = csv.reader(
        io.StringIO(text, newline="\n"), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    lines: list[str] = []
    while True:
        before = reader.line_num
        try:
            record = next(reader, None)
        except csv.Error as error:
            lines, line = lines or text.split("\n"), reader.line_num
            record = unpadded(lines[line - 1], delimiter) if line - before == 1 else None
            if record is None:
                raise MalformedBody(
                    f"The CSV can't be read: {error}, line {line + above}.",
                    code="invalid-csv",
                    line=line + above,
                ) from None
        if record is None:
            return
        yield record


def _text(body: bytes, encoding: str) -> str:
    blocks, size = [], 0
    for block in TextReader([body], encoding).blocks():
        size += len(block)
        if size > MAX_TEXT:
            raise InvalidTable(f"The CSV holds more than {MAX_TEXT:,} characters.", code="archive-too-large")
        blocks.append(block)
    return "".join(blocks)


def refuse_other(text: str) -> None:
    """Raises MalformedBody where the text begins as JSON, HTML or XML."""
    if other := other_format(text, 1):
        raise MalformedBody(other.message, remedy=_remedy(other), code=other.error_code)


def _remedy(error: InvalidTable, encoding: str = "auto") -> str:
    if encoding != "auto" and error.error_code == "not-utf8":
        return "Name the encoding that the CSV has as `charset` of the Content-Type, or send it in UTF-8."
    json = "; JSON in the body of a request goes as application/json" if "is JSON" in error.message else ""
    return f"Send CSV text in UTF-8{json}."


def said_delimiter(line: str) -> str | None:
    """What a line `sep=;` before the header names. Raises MalformedBody for a delimiter that isn't taken."""
    try:
        told = said(line, 1)
    except InvalidTable as error:
        raise MalformedBody(error.message, remedy=error.remedy, code="invalid-csv") from None
    return told[0] if told else None


def sniff(text: str, *, complete: bool = True) -> str:
    """The delimiter of a header line: of comma, semicolon, tab and pipe the one that it holds outside quotation marks.

    Where it holds several, or none, the lines after it tell, as they do intake; `complete`: these are all.
    """
    header = "".join(text.partition("\n")[0].split('"')[::2])
    found = [mark for mark in DELIMITERS if mark in header]
    if len(found) == 1:
        return found[0]
    if found:
        return best(text, complete=complete) or found[0]
    return rare(text[:WINDOW], complete=complete and len(text) <= WINDOW) or ","
