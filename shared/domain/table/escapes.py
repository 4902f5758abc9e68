"""Rows by other rules than CSV's: in quotation marks as a whole, with blanks behind quotation marks, with backslashes."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

_DOUBLED = 'two quotation marks for one inside a value ("")'
_BACKSLASH = (
    f" A backslash stands before it, as MySQL, Hive and Spark write it; CSV knows {_DOUBLED}. In Spark, "
    "option('escape', '\"') writes it so; in MySQL, FIELDS ESCAPED BY '\"'."
)


def whole_row(text: str, delimiters: str = ",;\t|") -> str:
    """What stands in a line that is one value in quotation marks, delimiters inside; nothing where it is no such line."""
    line = text.rstrip(" ,;\t|")
    if len(line) < 5 or line[0] != '"' or line[-1] != '"':
        return ""
    try:
        cells = next(csv.reader([line], strict=True), [])
    except csv.Error:
        return ""
    inside = cells[0] if len(cells) == 1 else ""
    return inside if "\n" not in inside and any(mark in inside for mark in delimiters) else ""


def whole_rows(first: str, second: str) -> str:
    """A hint where both lines, a header and a row or two rows, stand in quotation marks as a whole."""
    inside = whole_row(first)
    if not inside or not whole_row(second):
        return ""
    return (
        " Each line stands in quotation marks as a whole, so that it is one value: take off the marks at both ends, and make one "
        f"of those that are doubled inside ({inside[:60]}). Spreadsheets write so when lines are pasted into one column."
    )


def unpadded(line: str, delimiter: str) -> list[str] | None:
    """The values of a line with blanks between closing quotation marks and delimiters, which are left out.

    None where anything else stands there, or a value goes on in the next line.
    """
    cells: list[str] = []
    at, more = 0, True
    while more:
        match = _cell(delimiter).match(line, at)
        if match is None or len(match[0]) > csv.field_size_limit():
            return None
        cells.append(match[2] if match[1] is None else match[1].replace('""', '"'))
        at, more = match.end(), bool(match[3])
    return cells


def closed(line: str, delimiter: str) -> str:
    """The line with the quotation mark closed that it leaves open, before the next delimiter; nothing where it leaves none."""
    at = 0
    while match := _cell(delimiter).match(line, at):
        at = match.end()
        if not match[3]:
            return ""
    value, mark, others = line[at:].partition(delimiter)
    well = f'{line[:at]}{value.rstrip()}"{mark}{others}'
    return well if unpadded(well, delimiter) else ""


@lru_cache
def _cell(delimiter: str) -> re.Pattern[str]:
    """A value and the delimiter behind it, if any: in quotation marks, or without one at its beginning."""
    mark, blanks = re.escape(delimiter), " " if delimiter == "\t" else r" \t"
    return re.compile(rf' *+(?:"([^"]*+(?:""[^"]*+)*+)"[{blanks}]*+|(?!")([^{mark}]*+))({mark}|\Z)')


def blank_behind(text: str, delimiter: str) -> str:
    """A hint where a blank stands between a closing quotation mark and a delimiter or the line's end."""
    if not re.search(rf'"[ \t]+(?:{re.escape(delimiter)}|$)', text):
        return ""
    return " Where a value has several lines, no blank may stand between its closing quotation mark and the delimiter."


def backslash(text: str, delimiter: str) -> str:
    """A hint where a quotation mark or the delimiter stands behind a backslash."""
    if '\\"' in text:
        return _BACKSLASH
    if f"\\{delimiter}" in text:
        return (
            " A backslash stands before a delimiter inside a value, as MySQL and Hive write it: CSV wants such a value in "
            "quotation marks, without the backslash."
        )
    return ""


def decimal_commas(row: Sequence[str], expected: int) -> str:
    """A hint where decimal commas seem to have cut a row at commas."""
    pairs = sum(one.lstrip("-").isdigit() and other.isdigit() for one, other in pairwise(row))
    if pairs < len(row) - expected:
        return ""
    return " If its numbers have decimal commas, write the file with semicolons between the values."
