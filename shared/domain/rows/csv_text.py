"""A CSV to score, read as intake reads: encodings, line ends, invisible characters, blanks around values, blank rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice

from shared.domain.errors import InvalidTable
from shared.domain.problems import MalformedBody
from shared.domain.table.dialect import DELIMITERS, WINDOW, best, past_blank_rows, rare, said
from shared.domain.table.escapes import unpadded
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
    told_rows = (row for record in _records(text, delimiter, told is not None) if any(row := trimmed(record)))
    rows = list(islice(told_rows, None if most is None else most + 2))
    if not rows:
        raise MalformedBody("The body arrived empty.", code="empty-body")
    return [name.strip() for name in rows[0]], rows[1:]


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
