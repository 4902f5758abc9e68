"""Next month's rows, as last month's model takes them."""

from __future__ import annotations

from shared.domain.fitting import fitting
from shared.domain.schema import Column, Schema, Value


def schema(*columns: Column) -> Schema:
    return Schema("y", columns)


def test_rows_come_in_the_model_s_order_and_types() -> None:
    drawn = schema(Column("zip", "integer"), Column("age", "number", nullable=True), Column("new", "string"))
    model = schema(Column("age", "number"), Column("zip", "string"), Column("gone", "string", nullable=True))
    assert fitting([[8001, 41.0, "x"]], drawn, model) == [[41.0, "8001", None]]


def test_what_the_model_cannot_take_is_none_and_the_rest_is_kept() -> None:
    drawn = schema(Column("age", "number", nullable=True), Column("member", "string", nullable=True))
    model = schema(Column("age", "integer"), Column("member", "boolean"))
    rows: list[list[Value]] = [[41.0, "True"], [41.5, "true"], [None, "true"], [3, "perhaps"], [3, None]]
    assert fitting(rows, drawn, model) == [[41, True], None, None, None, None]


def test_whole_numbers_trained_as_floats_take_gaps_and_decimals() -> None:
    drawn = schema(Column("age", "number", nullable=True))
    model = Schema("y", (Column("age", "integer", maximum=90.0),), whole_as_float=True)
    assert fitting([[41.5], [None], [3]], drawn, model) == [[41.5], [None], [3]]
    beyond = Schema("y", (Column("age", "integer", maximum=2.0**60),), whole_as_float=True)
    assert fitting([[41.5], [None], [3]], drawn, beyond) == [None, None, [3]]


def test_the_same_schema_changes_nothing() -> None:
    one = schema(Column("age", "integer", nullable=True))
    assert fitting([[None], [1]], one, one) == [[None], [1]]
