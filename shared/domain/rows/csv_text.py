"""A CSV to score, read as intake reads: encodings, line ends, invisible characters, blanks around values, blank rows."""

from __future__ import annotations

import csv
import io
from itertools import islice

from shared.domain.errors import InvalidTable
from shared.domain.problems import MalformedBody
from shared.domain.table.dialect import WINDOW, past_blank_rows, rare, said
from shared.domain.table.not_csv import other_format
from shared.domain.table.text import TextReader
from shared.domain.table.trimming import trimmed

#: Characters of one request; a packed one may hold more than it weighs, but no more than could be passed on.
MAX_TEXT = 1 << 23


def read_csv(body: bytes, most: int | None = None) -> tuple[list[str], list[list[str]]]:
    """The names and the rows, one more than `most` of them at most: a row of two bytes is an object of a hundred.

    Raises MalformedBody, with code empty-body where there is nothing.
    """
    try:
        text = _text(body)
        first = past_blank_rows(text)[0]
        told = said(first, 1)
    except InvalidTable as error:
        raise MalformedBody(
            error.message, remedy=_remedy(error), code=error.error_code, **error.where
        ) from None
    if told is not None:
        text = told[1]
    refuse_other(text)
    delimiter = told[0] if told else sniff(first)
    reader = csv.reader(
        io.StringIO(text, newline="\n"), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    try:
        told_rows = (row for record in reader if any(row := trimmed(record)))
        rows = list(islice(told_rows, None if most is None else most + 2))
    except csv.Error as error:
        line = reader.line_num + (told is not None)
        raise MalformedBody(
            f"The CSV can't be read: {error}, line {line}.", code="invalid-csv", line=line
        ) from None
    if not rows:
        raise MalformedBody("The body arrived empty.", code="empty-body")
    return [name.strip() for name in rows[0]], rows[1:]


def _text(body: bytes) -> str:
    blocks, size = [], 0
    for block in TextReader([body]).blocks():
        size += len(block)
        if size > MAX_TEXT:
            raise InvalidTable(f"The CSV holds more than {MAX_TEXT:,} characters.", code="archive-too-large")
        blocks.append(block)
    return "".join(blocks)


def refuse_other(text: str) -> None:
    """Raises MalformedBody where the text begins as JSON, HTML or XML."""
    if other := other_format(text, 1):
        raise MalformedBody(other.message, remedy=_remedy(other), code=other.error_code)


def _remedy(error: InvalidTable) -> str:
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
    """The delimiter of a header line: of comma, semicolon, tab and pipe the one it holds most of outside quotation marks.

    Where it holds none, colon or caret, if the lines after it agree; `complete`: these are all.
    """
    header = "".join(text.partition("\n")[0].split('"')[::2])
    found = max(",;\t|", key=header.count)
    if found in header:
        return found
    return rare(text[:WINDOW], complete=complete and len(text) <= WINDOW) or found
