"""Which delimiter a file uses: comma, semicolon, tab or pipe, judged on its first lines."""

from __future__ import annotations

import csv
import io
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


def detect(first: str) -> str:
    """The delimiter that cuts the most rows into as many values as the header has; among equals, into the most.

    `first` is the beginning of the file, whole lines. Raises InvalidTable where no delimiter gives two columns.
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
        line = window.lstrip("\n").partition("\n")[0]
        raise InvalidTable(
            "No delimiter among comma, semicolon, tab and pipe cuts the first line into columns: "
            f"{line[:120]!r}.",
            remedy="The first line must name at least two columns, separated by one of them.",
            code="no-table",
            line=len(window) - len(window.lstrip("\n")) + 1,
        )
    return found
