"""Cells of text as values of their column's type: the one reading for staged files and for rows to score."""

from __future__ import annotations

from collections.abc import Callable

from shared.domain.schema import ColumnType, Value

_BOOLEANS = {"true": True, "false": False}


def _integer(cell: str) -> int | float:
    """A whole number; "3.0" is one too, and comes as the float that it is written as."""
    try:
        value: int | float = int(cell)
    except ValueError:
        return _number(cell)
    if "_" in cell:  # Python's own digit separator, in no CSV
        raise ValueError(cell)
    return value


def _number(cell: str) -> float:
    if "_" in cell:
        raise ValueError(cell)
    return float(cell)


def _boolean(cell: str) -> bool:
    found = _BOOLEANS.get(cell.strip().lower())
    if found is None:
        raise ValueError(cell)
    return found


#: Each raises ValueError for a cell that is not of its type; datetimes stay ISO 8601 text.
READERS: dict[ColumnType, Callable[[str], Value]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "datetime": str,
    "string": str,
}


def convert(cell: str, kind: ColumnType) -> Value:
    """A staged cell as JSON has it: None for the empty cell. Raises ValueError for one of another type."""
    return None if cell == "" else READERS[kind](cell)
