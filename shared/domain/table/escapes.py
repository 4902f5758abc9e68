"""Rows that a program wrote by other rules than CSV's: each as a whole in quotation marks, or with backslashes."""

from __future__ import annotations

import csv
from collections.abc import Sequence
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
