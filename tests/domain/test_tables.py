"""Reading delimited text: the delimiter, the rows with their lines, the columns' types."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import InvalidTable
from shared.domain.schema import Column
from shared.domain.table.blocks import csv_lines
from shared.domain.table.column_types import ColumnStats, datetime_shape
from shared.domain.table.dialect import best, refuse_uncut
from shared.domain.table.reader import Table
from shared.domain.table.text import TextReader
from shared.domain.table.values import convert


def column(*blocks: list[str]) -> Column:
    stats = ColumnStats("c")
    for values in blocks:
        stats.update(set(values))
    return stats.column()


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b,c\n1,2,3\n", ","),
        ("a;b;c\n1,5;2,5;3\n", ";"),
        ("a\tb\n1,2\t3\n", "\t"),
        ("a|b\n1|2\n", "|"),
        ("a,b\n", ","),
        ('"x;y",b,c\n"1;2",2,3\n', ","),
        ("a;b\n" + "free text, with commas;1\n" * 20, ";"),
        ("\n\na;b\n1;2\n", ";"),
        ("name;city, country;y\nx;Bern, CH;1\nz;Oslo, NO, EU;0\n", ";"),
        ("a,b,c\n1,2,3\n1,2\n1,2,3\n", ","),
        ("size, cm;y\n1,5;a\n2,5;b\n", ";"),
        ("name, first|y\nDoe, John|1\nRoe, Jane|0\n", "|"),
        ("id;name,y\n1;Bob,yes\n2;Eve,no\n", ","),
        ("size, cm;y\n", ","),
    ],
)
def test_the_delimiter_is_the_one_that_makes_a_table(text: str, delimiter: str) -> None:
    assert best(text) == delimiter


def test_a_long_first_row_is_no_reason_to_guess_wrongly() -> None:
    assert best('a;b\n"' + "x,y\n" * 40_000 + '";2\n') == ";"


def test_where_no_delimiter_fits_the_first_line_is_shown() -> None:
    with pytest.raises(InvalidTable, match="'just one'"):
        refuse_uncut(best("\njust one\n1\n"), "\njust one\n1\n", 1)


def test_rows_know_their_lines() -> None:
    raw = b'\n\nname,y\r\nplain,1\r\n"two\r\nlines",2\r\n\r\n"three\n\nlines",3\nlast,4'
    table = Table(TextReader([raw]))
    assert (table.header, table.header_line) == (["name", "y"], 3)
    rows = [
        (line, *values)
        for block in table.blocks()
        for line, *values in zip(block.starts, *block.columns, strict=True)
    ]
    assert rows == [
        (4, "plain", "1"),
        (5, "two\nlines", "2"),
        (8, "three\n\nlines", "3"),
        (11, "last", "4"),
    ]


def test_lines_are_written_as_rfc_4180_asks() -> None:
    assert csv_lines([["a,b", 'say "x"', "two\nlines", "", "plain"]]) == [
        '"a,b","say ""x""","two\nlines",,plain'
    ]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-2", "0"], "integer"),
        (["9223372036854775807"], "integer"),
        (["9223372036854775808"], "string"),
        (["1.5", "12345678901234567890"], "string"),
        (["1.5", "0.12345678901234567890"], "number"),
        (["-0"], "number"),
        (["1", "2.5"], "number"),
        (["1e5", ".5", "1.", "+3"], "number"),
        (["1e999"], "string"),
        (["007", "12"], "string"),
        (["00.5", "1.5"], "string"),
        (["1_000"], "string"),
        (["1,5"], "string"),
        (["١٢"], "string"),
        (["inf", "1"], "string"),
        (["-"], "string"),
        (["1-2"], "string"),
        (["e"], "string"),
        (["true", "FALSE", "True"], "boolean"),
        (["true", "1"], "string"),
        (["yes", "no"], "string"),
        (["2024-02-29", "1999-12-31"], "datetime"),
        (["2024-01-02T03:04:05Z", "2024-01-02 03:04"], "datetime"),
        (["2023-02-29"], "string"),
        (["20240102"], "integer"),
        (["9999-12-31"], "string"),
        (["31/12/2024"], "string"),
        ([""], "string"),
    ],
)
def test_a_column_is_of_the_narrowest_type_that_holds_all_its_values(values: list[str], kind: str) -> None:
    assert column(values).type == kind


@pytest.mark.parametrize(
    ("first", "then", "kind"),
    [
        (["1"], ["2.5"], "number"),
        (["2.5"], ["1"], "number"),
        (["1"], ["x"], "string"),
        (["x"], ["1"], "string"),
        (["true"], ["1"], "string"),
        (["2024-01-01"], ["true"], "string"),
        ([""], ["1"], "integer"),
        (["1"], [""], "integer"),
    ],
)
def test_types_widen_from_block_to_block(first: list[str], then: list[str], kind: str) -> None:
    found = column(first, then)
    assert found.type == kind
    assert found.nullable == ("" in first + then)
    if kind == "string":
        assert found.minimum is found.maximum is None


def test_categories_are_complete_or_absent() -> None:
    assert column(["1", "2"], ["x"]).categories == ("1", "2", "x")
    assert column([f"w{i}" for i in range(50)]).categories is not None
    assert column([f"w{i}" for i in range(40)], [f"v{i}" for i in range(11)], ["w1"]).categories is None
    assert column(["x" * 201, "y"]).categories is None
    assert column(["1", "2"]).categories is None


def test_shapes_are_what_strptime_and_mltable_call_them() -> None:
    assert datetime_shape("2024-01-02") == "%Y-%m-%d"
    assert datetime_shape("2024-01-02T03:04:05.123+02:00") == "%Y-%m-%dT%H:%M:%S.%f%z"
    assert datetime_shape("2024-01-02 03:04") == "%Y-%m-%d %H:%M"
    assert datetime_shape("2024-01-02T25:00") is None


@given(
    st.lists(
        st.one_of(st.integers(-(10**20), 10**20).map(str), st.floats().map(repr)), min_size=1, max_size=8
    )
)
def test_a_numeric_type_always_converts_back(values: list[str]) -> None:
    found = column(values)
    if found.type in ("integer", "number"):
        converted = [convert(value, found.type) for value in values]
        numbers = [number for number in converted if isinstance(number, int | float)]
        assert len(numbers) == len(values)
        assert all(math.isfinite(number) for number in numbers)
        assert (found.minimum, found.maximum) == (float(min(numbers)), float(max(numbers)))
        if found.type == "integer":
            assert [str(number) for number in numbers] == values


def test_cells_become_json() -> None:
    assert [
        convert("", "number"),
        convert("TRUE", "boolean"),
        convert("7", "integer"),
        convert("7", "string"),
    ] == [
        None,
        True,
        7,
        "7",
    ]
