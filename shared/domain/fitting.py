"""Rows drawn under one schema, as a model trained under another takes them."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.schema import Column, Schema, Value
from shared.domain.table.column_types import EXACT
from shared.domain.table.values import convert


def fitting(rows: Sequence[Sequence[Value]], drawn: Schema, model: Schema) -> list[list[Value] | None]:
    """Each row in the order and the types of `model`'s columns; None for a row that the model can't take.

    A column that the rows don't have is empty.
    """
    if drawn.columns == model.columns:
        return [list(row) for row in rows]
    at = {column.name: index for index, column in enumerate(drawn.columns)}
    plan = [(column, _loose(column, model), at.get(column.name)) for column in model.columns]
    found: list[list[Value] | None] = []
    for row in rows:
        try:
            found.append(
                [
                    _value(None if index is None else row[index], column, loose)
                    for column, loose, index in plan
                ]
            )
        except ValueError:
            found.append(None)
    return found


def _loose(column: Column, model: Schema) -> bool:
    """Whether a column of whole numbers takes gaps and decimals, too: it was trained as floats."""
    return model.whole_as_float and max(abs(column.minimum or 0), abs(column.maximum or 0)) <= EXACT


def _value(value: Value, column: Column, loose: bool) -> Value:
    """Raises ValueError where the column doesn't take it."""
    strict = column.type == "integer" and not loose
    if value is None:
        if not column.nullable and (strict or column.type == "boolean"):
            raise ValueError(column.name)
        return None
    text = str(value).lower() if isinstance(value, bool) else str(value)
    taken = convert(text, column.type)
    if strict and isinstance(taken, float):
        if not taken.is_integer():
            raise ValueError(column.name)
        return int(taken)
    return taken
