"""With an engine for clean rows or without: the same bytes, split, schema, warnings and refusals."""

from __future__ import annotations

from itertools import cycle
from typing import Literal
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters import packed_rows
from shared.adapters.packed_repeats import RowRepeats
from shared.adapters.packed_rows import RowEngine
from shared.domain.config import DatasetConfig
from shared.domain.documents import to_json
from shared.domain.errors import InvalidTable
from shared.domain.table.column_types import ColumnStats
from shared.domain.table.holdout import NEWEST, Counted, HoldoutRule
from shared.domain.table.packed import Numbers
from shared.domain.table.profile import sketches
from shared.domain.table.row_errors import MAX_VALUE
from shared.domain.table.row_sums import RowSums, stirred
from shared.services.intake.staging import stage
from tests.support.staging_area import MemoryArea

COUNTS = st.integers(-(10**15), 10**15).map(str)
AMOUNTS = st.decimals(
    allow_nan=False, allow_infinity=False, places=3, min_value=-(10**11), max_value=10**11
).map(str)
ODD = st.sampled_from(
    ",0,-0,00,007,0.5,-0.5,.5,5.,-,+1,1e5,1.2.3,1-2,NA,?,é,a b,99999999,123456789.25,abcdefgh,abcdefghi,2024-01-31,true,"
    "1111111111111111,00000000000000000000,a-value-that-is-longer-than-any-that-is-held-as-words-of-eight-bytes-each".split(
        ","
    )
)
#: How a value stands in the file: bare, quoted, or with a blank beside it.
DRESS = st.sampled_from(["{}", '"{}"', "{} ", '" {}"', ' "{}"'])
COLUMN = st.one_of(
    st.lists(COUNTS, min_size=4, max_size=9),
    st.lists(AMOUNTS, min_size=4, max_size=9),
    st.lists(st.one_of(COUNTS, AMOUNTS, ODD), min_size=4, max_size=9),
)


def text_of(columns: list[list[str]], rows: int = 200) -> str:
    """Rows that walk the columns' values, so that they repeat and meet."""
    return "".join(",".join(column[i % len(column)] for column in columns) + "\n" for i in range(rows))


def packed(text: str, width: int) -> packed_rows.PackedRows | None:
    """Packed however few the rows are."""
    with patch.object(packed_rows, "FEWEST", 1):
        return RowEngine().packer(width, ",")(text)


def outcome(
    raw: bytes, config: DatasetConfig, version: int, block: int, *, packed: bool
) -> tuple[object, object]:
    area = MemoryArea()
    with (
        patch("shared.domain.table.text.BLOCK", block),
        patch.object(packed_rows, "FEWEST", 1),
        # So few that most columns have more.
        patch.object(sketches, "MOST_EXACT", 2),
        patch("shared.domain.table.column_types.MAX_CATEGORIES", 1),
    ):
        try:
            done = stage(
                iter([raw]),
                area,
                config,
                HoldoutRule("s", 0.3, version),
                "d",
                engine=RowEngine() if packed else None,
            )
        except InvalidTable as error:
            return error.to_dict(), {}
    return to_json(done), area.blobs


@given(
    st.lists(COLUMN, min_size=1, max_size=4),
    st.lists(st.sampled_from(["yes", "no", "maybe", "", *map(str, range(12))]), min_size=2, max_size=12),
    st.sampled_from([1, NEWEST]),
    st.sampled_from([64, 300, 1 << 17]),
    st.sampled_from(["", "1,2,3,4,5,6,7\n", '"a,b",2\n', '"open\n', ",,,,\n", '"","","",""\n']),
    st.lists(DRESS, min_size=1, max_size=2),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["off", "weight"]),
)
@settings(max_examples=150, deadline=None)
def test_the_outcome_is_the_same_with_an_engine(
    columns: list[list[str]],
    labels: list[str],
    version: int,
    block: int,
    end: str,
    dresses: list[str],
    delimiter: str,
    imbalance: Literal["off", "weight"],
) -> None:
    header = ",".join(f"c{i}" for i in range(len(columns)))
    dressed = [
        [dress.format(value) for value in column]
        for dress, column in zip(cycle(dresses), columns, strict=False)
    ]
    text = f"{header},y\n{text_of([*dressed, labels])}{end}".replace(",", delimiter)
    config = DatasetConfig(label="y", max_bad_rows=0.1, imbalance=imbalance)
    with_engine, without = (
        outcome(text.encode(), config, version, block, packed=way) for way in (True, False)
    )
    assert with_engine == without


@given(st.lists(st.lists(st.integers(0, (1 << 64) - 1) | st.integers(0, 9)), max_size=6), st.integers(1, 40))
def test_repetitions_are_counted_as_they_are_one_by_one(blocks: list[list[int]], most: int) -> None:
    # 0 and 1 are one key to the engine: of sums of 64 bits it is one in so many.
    kept = [[key for key in block if key] for block in blocks]
    here, there = RowRepeats(most), Counted(most)
    for block in kept:
        assert here.add(block) == there.add(block)
        assert here.counted == there.counted


@given(COLUMN)
@settings(max_examples=100, deadline=None)
def test_numbers_are_those_that_are_read_one_by_one(values: list[str]) -> None:
    rows = packed("".join(f"x,{value}\n" for value in values), 2)
    found = rows.numbers(1) if rows else None
    if found is None:
        return
    stats = ColumnStats("a")
    stats.update(set(values))
    column = stats.column()
    assert (column.type, column.minimum, column.maximum) == (
        "integer" if found.whole else "number",
        found.low,
        found.high,
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "-20", "300"], Numbers(True, -20, 300)),
        (["0.1", "-1234567.891", ""], Numbers(False, -1234567.891, 0.1)),
        (["123456789012345", "7"], Numbers(True, 7, 123456789012345)),
        (["1234567890123456"], None),
        (["01"], None),
        (["-0"], None),
        (["1."], None),
        (["1e3"], None),
        (["1/2"], None),
        (["", ""], None),
    ],
)
def test_plain_numbers_are_recognised(values: list[str], expected: Numbers | None) -> None:
    rows = packed("".join(f"{value},x\n" for value in values), 2)
    assert rows is not None
    assert rows.numbers(0) == expected


@given(COLUMN.filter(lambda values: all(value.isascii() for value in values)), st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_rows_fall_where_they_fall_one_by_one(values: list[str], share: float) -> None:
    rows = packed("".join(f"x,{value}\n" for value in values), 2)
    assert rows is not None
    sums, limit = RowSums("salt", ["a", "b"]), int(share * (1 << 64))
    keys = sums.of([["x"] * len(values), values])
    expected = [stirred(key) < limit for key in keys]
    for at, number in zip(*Counted(99).add(keys), strict=True):
        expected[at] = stirred(sums.again(keys[at], number)) < limit
    assert list(rows.split(sums, limit, RowRepeats(99))) == expected


@pytest.mark.parametrize(
    "text",
    [
        "1,2\n3\n4,5,6\n",
        "1,2\n3,4,5\n6\n",
        "1\n2,3\n",
        "é,1\n",
        "1, 2\n",
        "1,2 \n",
        "\t1,2\n",
        '1,"2"x\n',
        '1,"2""3"\n',
        '1,"\n',
        '"1,2",3\n',
        ",\n",
        '"",""\n',
        f"1,{'2' * MAX_VALUE}\n",
    ],
)
def test_rows_that_are_not_clean_are_left_to_the_exact_way(text: str) -> None:
    assert packed(text, 2) is None


def test_few_rows_are_left_to_the_exact_way() -> None:
    pack = RowEngine().packer(2, ",")
    assert pack("1,2\n" * (packed_rows.FEWEST - 1)) is None
    assert pack("1,2\n" * packed_rows.FEWEST) is not None
