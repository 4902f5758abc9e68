"""Lines above the header: a title, notes, an export's settings."""

from __future__ import annotations

import csv
import io

from shared.domain.table.dialect import DELIMITERS, WINDOW
from shared.domain.table.header import like_data

#: Rows looked at for a title, the share of them that are the table's, and the fewest of those.
_LOOK, _MOST, _FEWEST = 200, 0.8, 3


def titled(text: str, line: int, delimiter: str = "") -> str:
    """Where the header seems to be, if lines of another width stand above it; `line` is the first of `text`.

    `delimiter` is what cuts the table, where something does.
    """
    cut = [_rows(text[:WINDOW], mark) for mark in dict.fromkeys((*DELIMITERS, *delimiter))]
    if any(map(_from_the_first, cut)):
        return ""
    found = [header for header in map(_header_at, cut) if header]
    # Decimal commas cut rows, too: between the pieces stands the delimiter.
    lines = [at for at, names in found if not delimiter or not any(delimiter in name for name in names)]
    return (
        f" The header seems to be on line {line + min(lines) - 1}; remove the lines above." if lines else ""
    )


def _rows(window: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """The first rows but the last, which the window may cut, each with its line."""
    reader = csv.reader(io.StringIO(window, newline="\n"), delimiter=delimiter, skipinitialspace=True)
    rows: list[tuple[int, list[str]]] = []
    start = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append((start, [cell.strip() for cell in row]))
            start = reader.line_num + 1
            if len(rows) > _LOOK:
                break
    except csv.Error:  # reading the table tells of it
        return []
    return rows[:-1]


def _from_the_first(rows: list[tuple[int, list[str]]]) -> bool:
    """Whether all rows have as many values as the first, two at least: what else cuts them is no delimiter.

    A first row that fills half of its columns at most may be a title that a spreadsheet wrote.
    """
    widths = {len(row) for _, row in rows}
    return len(rows) >= _FEWEST and len(widths) == 1 and sum(map(bool, rows[0][1])) * 2 > widths.pop() > 1


def _header_at(rows: list[tuple[int, list[str]]]) -> tuple[int, list[str]] | None:
    """The first row of names and its line, where the rows before it fill half of its columns at most."""
    widths = [len(row) for _, row in rows]
    width = max(widths, key=widths.count, default=0)
    if width < 2 or widths.count(width) < max(_FEWEST, _MOST * len(rows)):
        return None
    for i, (line, row) in enumerate(rows):
        filled = sum(map(bool, row))
        if len(row) == width and filled == width:
            names = len(set(row)) == width and not like_data(row)
            return (line, row) if i and names else None
        if filled * 2 > width:
            return None
    return None
