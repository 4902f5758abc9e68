"""Which delimiter a file uses: comma, semicolon, tab or pipe, judged on its first lines."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

from shared.domain.errors import InvalidTable

DELIMITERS = (",", ";", "\t", "|")
#: Characters looked at.
WINDOW = 1 << 16
#: Rows looked at.
WINDOW_ROWS = 500


@dataclass(frozen=True)
class Dialect:
    """How the original file was written. The staged copy is always UTF-8, comma, newline, RFC 4180."""

    delimiter: str
    bom: bool = False


_SEP = re.compile(r'"?sep=(.)"?[,;\t| ]*\n', re.IGNORECASE)


_BLANK_ROWS = re.compile(r"(?:[,;|\t ]*\n)+")


def past_blank_rows(text: str) -> tuple[str, int, int]:
    """The text behind its first lines of blanks and delimiters alone, how many lines those are, and how many hold a delimiter."""
    match = _BLANK_ROWS.match(text)
    if match is None:
        return text, 0, 0
    lines = match[0].split("\n")[:-1]
    return text[match.end() :], len(lines), sum(any(mark in line for mark in ",;|") for line in lines)


def said(first: str, line: int) -> tuple[str, str] | None:
    """The delimiter that a line `sep=;` names, as spreadsheets write it before the header, and the text behind it.

    Raises InvalidTable where it names none that is taken.
    """
    match = _SEP.match(first)
    if match is None:
        return None
    if match[1] not in DELIMITERS:
        raise InvalidTable(
            f"Line {line} names {match[1]!r} as the delimiter; comma, semicolon, tab and pipe are taken.",
            remedy="Write the file with one of them.",
            code="no-table",
            line=line,
        )
    return match[1], first[match.end() :]


def only_before_a_header(text: str) -> bool:
    """Whether these whole lines are no more than may stand above a header: blank ones and a line `sep=;`."""
    rest = past_blank_rows(text)[0]
    match = _SEP.match(rest)
    return not past_blank_rows(rest[match.end() :] if match else rest)[0]


def _rows(window: str, delimiter: str, complete: bool) -> list[list[str]]:
    rows: list[list[str]] = []
    reader = csv.reader(
        io.StringIO(window, newline="\n"), delimiter=delimiter, skipinitialspace=True, strict=False
    )
    try:
        for row in reader:
            if row:
                rows.append(row)
            if len(rows) > WINDOW_ROWS:
                return rows
    except csv.Error:  # a value past the field limit: the rows before it are evidence enough
        return rows
    # The window may end inside a row.
    return rows if complete or len(rows) < 2 else rows[:-1]


def detect(first: str, line: int = 1) -> str:
    """The delimiter that cuts the most rows into as many values as the header has; among equals, into the most.

    `first` is the beginning of the file, whole lines, the first of them `line`.
    Raises InvalidTable where no delimiter gives two columns.
    """
    window, complete = first[:WINDOW], len(first) <= WINDOW
    best: tuple[float, int] | None = None
    found = ""
    for delimiter in DELIMITERS:
        header, *rows = _rows(window, delimiter, complete) or [[]]
        if len(header) < 2:
            continue
        share = sum(len(row) == len(header) for row in rows) / len(rows) if rows else 1.0
        if best is None or (share, len(header)) > best:
            best, found = (share, len(header)), delimiter
    if not found:
        text = window.lstrip("\n").partition("\n")[0]
        raise InvalidTable(
            "No delimiter among comma, semicolon, tab and pipe cuts the first line into columns: "
            f"{text[:120]!r}.",
            remedy="The first line must name at least two columns, separated by one of them.",
            code="no-table",
            line=line + len(window) - len(window.lstrip("\n")),
        ).showing(text[:60], ",".join(words) if 1 < len(words := text[:60].split()) < 8 else "age,city,y")
    return found
