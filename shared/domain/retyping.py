"""Why a column is of another type than in the version before, with a value of it and one as there were before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from shared.domain.schema import ColumnType, Schema, Value
from shared.domain.table.column_types import datetime_shape
from shared.domain.table.column_warnings import Cause
from shared.domain.table.numerals import numbers
from shared.domain.table.values import convert

_NUMBERS: tuple[ColumnType, ...] = ("integer", "number")


def retyped(causes: Mapping[str, Cause], before: Schema, after: Schema) -> dict[str, Cause]:
    """By column of another type; `causes` are what the new file told of its columns."""
    earlier = {column.name: column.type for column in before.columns}
    found: dict[str, Cause] = {}
    for column in after.columns:
        kind = earlier.get(column.name, column.type)
        cause = causes.get(column.name) or _shown(after, column.name, kind)
        if kind != column.type and cause:
            better = cause.better or (
                "" if kind == "string" else next(iter(_values(before, column.name)), "")
            )
            found[column.name] = replace(cause, better=better)
    return found


def in_words(cause: Cause) -> str:
    """A sentence that follows one which names the column and its type."""
    text = cause.sentence.removeprefix("is text: ")
    return f"It {text}" if text.startswith(("is ", "holds ")) else f"{text[0].upper()}{text[1:]}"


def _shown(schema: Schema, name: str, kind: ColumnType) -> Cause | None:
    value = next((value for value in _values(schema, name) if not _fits(value, kind)), "")
    if not value:
        return None
    lost = ", which would lose a zero or digits as numbers" if value.isdecimal() and kind in _NUMBERS else ""
    return Cause(f"holds such values as {value[:60]!r}{lost}.", value)


def _values(schema: Schema, name: str) -> list[str]:
    """The column's values in the example rows, as a file has them."""
    return [_text(row[name]) for row in schema.example if row.get(name) is not None]


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _fits(value: str, kind: ColumnType) -> bool:
    if kind == "datetime":
        return datetime_shape(value) is not None
    if kind in _NUMBERS and numbers([value], f"\n{value}") is None:
        return False
    try:
        convert(value, kind)
    except ValueError:
        return False
    return True
