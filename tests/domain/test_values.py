"""A cell means the same in a staged file and in a row to score."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.rows.cells import CELL_CHECKS, BadCellError
from shared.domain.schema import ColumnType, Value
from shared.domain.table.column_types import ColumnStats
from shared.domain.table.values import convert


@pytest.mark.parametrize(
    ("cell", "kind", "value"),
    [
        ("", "integer", None),
        ("", "string", None),
        ("41", "integer", 41),
        ("-3", "integer", -3),
        ("3.0", "integer", 3.0),
        ("1.50", "number", 1.5),
        ("1e3", "number", 1000.0),
        ("TRUE", "boolean", True),
        ("false", "boolean", False),
        ("2024-01-01", "datetime", "2024-01-01"),
        ("1_000", "string", "1_000"),
    ],
)
def test_a_cell_becomes_a_value_of_its_type(cell: str, kind: ColumnType, value: Value) -> None:
    found = convert(cell, kind)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("1_000", "integer"),
        ("1_0.5", "number"),
        ("1_0.5", "integer"),
        ("many", "integer"),
        ("many", "number"),
        ("maybe", "boolean"),
        ("1", "boolean"),
    ],
)
def test_a_cell_of_another_type_is_refused_in_both_places(cell: str, kind: ColumnType) -> None:
    with pytest.raises(ValueError, match=cell):
        convert(cell, kind)
    with pytest.raises(BadCellError, match="wrong-type"):
        CELL_CHECKS[kind](cell)


CELLS = st.one_of(
    st.integers(-(2**63), 2**63 - 1).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.booleans().map(str),
    st.dates().map(str),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)


@given(CELLS)
def test_what_intake_takes_is_scored_as_the_same_value(cell: str) -> None:
    stats = ColumnStats("x")
    stats.update({cell})
    kind = stats.column().type
    staged = convert(cell, kind)
    if staged is None:
        return
    scored = CELL_CHECKS[kind](cell)
    assert scored == staged
    assert not isinstance(staged, float) or math.isfinite(staged)
