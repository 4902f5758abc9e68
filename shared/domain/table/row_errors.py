"""Rows that are none: what is wrong, on which line."""

from __future__ import annotations

import csv
from collections.abc import Sequence

from shared.domain.errors import InvalidTable
from shared.domain.table.blocks import csv_lines
from shared.domain.table.dialect import DELIMITERS
from shared.domain.table.escapes import backslash, blank_behind, closed, decimal_commas
from shared.domain.table.foreign_quotes import cut_value
from shared.domain.table.text import MAX_LINE

#: Longest value taken: the csv module's own limit.
MAX_VALUE = 131_072
#: Longest row taken, in characters: a row of many quoted lines must not fill the memory.
MAX_ROW = 8 * MAX_LINE
ROW_TOO_LONG = "row too long"
_NUMBERED = (
    " If the first value of each row is its number, R wrote it without a name for its column: write.csv(x, row.names = FALSE) "
    "leaves it out."
)


def ragged(
    line: int,
    expected: int,
    row: Sequence[str],
    good: Sequence[str],
    delimiter: str = ",",
    *,
    first: bool = True,
) -> InvalidTable:
    """`good` is a row of the right width, or the header, where it is the `first` row."""
    found = len(row)
    cut = cut_value(row, delimiter) if found > expected else ""
    hint = ""
    if found == expected + 1 and not row[-1]:
        hint, good = " The row ends with a delimiter: leave that out.", row[:-1]
    elif found == expected + 1 and first and not cut and row[0] == "1":
        hint, good = _NUMBERED, row[1:]
    elif found == 1 and expected > 1 and row[0].count(delimiter) == expected - 1:
        return _whole(line, expected, row[0])
    elif found == 1 and (others := [mark for mark in DELIMITERS if row[0].count(mark) == expected - 1 > 0]):
        hint = f" {others[0]!r} stands between the values of this row, and {delimiter!r} between the names of the header: write "
        hint += "the same in both."
        good = row[0].split(others[0])
    elif 1 < found < expected:
        cut = " Values at the end of a row that are empty have their delimiters, too."
        good = [*row, *[""] * (expected - found)] if first else good
    elif any(cell.endswith("\\") for cell in row[:-1]) and found > expected:
        cut = backslash(delimiter.join(row), delimiter)
    elif found > expected and delimiter == "," and not cut:
        cut = decimal_commas(row, expected)
    return InvalidTable(
        f"Line {line} has {found} value{'s' if found != 1 else ''}; the header names {expected} columns.",
        remedy="Give every row one value per column; a value that holds the delimiter must stand in quotation marks."
        + (cut or hint),
        code="ragged-row",
        line=line,
        expected=expected,
        found=found,
    ).showing(*csv_lines([row, good], delimiter))


def _whole(line: int, expected: int, text: str) -> InvalidTable:
    """A row that is one value for the quotation marks around all of it."""
    return InvalidTable(
        f"Line {line} stands in quotation marks as a whole, so that it is 1 value; the header names {expected} columns.",
        remedy="Take off the marks at both ends of each such line, and make one of those that are doubled inside. Spreadsheets "
        "write so when lines are pasted into one column.",
        code="ragged-row",
        line=line,
        expected=expected,
        found=1,
    ).showing('"' + text.replace('"', '""') + '"', text)


def _quoted_well(text: str, delimiter: str) -> tuple[str, str] | None:
    """Of a line the first value with text behind its closing quotation mark, and how to write it."""
    for cell in map(str.strip, text.split(delimiter)):
        if cell.startswith('"') and '"' in cell[1:-1]:
            inner = cell[1:].removesuffix('"').replace('\\"', '"').replace('""', '"').replace('"', '""')
            return cell, f'"{inner}"'
    return None


def unparsable(
    error: csv.Error, start: int, line: int, text: str = "", delimiter: str = ",", first: str = ""
) -> InvalidTable:
    """`text` is the line last read, `first` the one that the row began on."""
    message = str(error)
    if "unexpected end of data" in message or ("field limit" in message and line > start):
        unclosed = InvalidTable(
            f"A quotation mark opened in the row on line {start} is never closed.",
            remedy='Close it; a quotation mark inside a value is written twice ("").',
            code="unterminated-quote",
            line=start,
        )
        well = closed(first, delimiter)
        return unclosed.showing(first, well) if well else unclosed
    if "field limit" in message:
        return InvalidTable(
            f"A value on line {start} is longer than {MAX_VALUE:,} characters.",
            remedy="Shorten it, or leave that column out.",
            code="value-too-long",
            line=start,
        )
    if ROW_TOO_LONG in message:
        return InvalidTable(
            f"The row on line {start} is longer than {MAX_ROW:,} characters.",
            remedy="Check the quotation marks from that line on.",
            code="row-too-long",
            line=start,
        )
    found = _quoted_well(text, delimiter)
    refused = InvalidTable(
        f"Line {line} has text after a closing quotation mark"
        + (f" (the row began on line {start})." if line > start else "."),
        remedy='A quotation mark inside a value is written twice (""), in a value that stands in quotation marks.'
        + (backslash(text, delimiter) or (blank_behind(text, delimiter) if line > start else "")),
        code="stray-quote",
        line=line,
    )
    return refused.showing(*found) if found else refused
