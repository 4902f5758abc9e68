"""Bad rows are put aside with line and reason while the rest trains; every row of the file is one or the other."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.config import DatasetConfig
from shared.services.intake.staging import BAD_ROWS, HOLDOUT, TRAIN
from tests.support.staging_area import MemoryArea, people, refusal, staged

BAD = {
    "ragged-row": ["1,2", "1,2,3,4,5,6,7,8", "00098,30,1,Bern,true,2024-01-01,no,"],
    "stray-quote": ['00098,30,1,"Bern"x,true,2024-01-01,no'],
    "no-label": ["00098,30,1,Bern,true,2024-01-01,", "00098,30,1,Bern,true,2024-01-01,NA"],
}
EVERY = [(code, row) for code, rows in BAD.items() for row in rows]


def put_aside(area: MemoryArea) -> list[list[str]]:
    return list(csv.reader(io.StringIO(area.blobs[BAD_ROWS].decode(), newline="")))


@given(
    st.dictionaries(st.integers(1, 199), st.sampled_from(EVERY), min_size=1, max_size=12),
    st.sets(st.integers(1, 199), max_size=5),
    st.sampled_from([300, 4096, 1 << 17]),
)
@settings(max_examples=40, deadline=None)
def test_what_is_bad_is_put_aside_with_its_line_and_the_rest_is_staged(
    bad: dict[int, tuple[str, str]], blank: set[int], block: int
) -> None:
    lines = people(200).splitlines()
    for at in blank:
        lines[at] = ",,,,,,"
    for at, (_, row) in bad.items():
        lines[at] = row
    area = MemoryArea()
    done = staged("\n".join(lines), DatasetConfig(max_bad_rows=50), area=area, block=block)
    header, *found = put_aside(area)
    assert header == ["line", "code", "reason", "row"]
    assert [(int(line), code) for line, code, *_ in found] == [(at + 1, bad[at][0]) for at in sorted(bad)]
    assert done.input_rows == 200 - len(blank - set(bad))
    assert done.rows + done.bad_rows == done.input_rows
    assert len(area.rows(TRAIN)) - 1 + len(area.rows(HOLDOUT)) - 1 == done.rows
    passed = len(blank - set(bad))
    assert any(f"{passed} row{'s' * (passed > 1)} without any value" in said for said in done.warnings) == (
        passed > 0
    )


@pytest.mark.parametrize(
    ("rows", "bad", "most", "taken"),
    [
        (2000, 2, 0.001, True),
        (2000, 3, 0.001, False),
        (1000, 1, 0.001, True),
        (300, 1, 0.001, False),
        (300, 30, 0.1, True),
        (300, 5, 5, True),
        (300, 6, 5, False),
        (300, 1, 0, False),
    ],
)
def test_how_many_may_be_bad_is_a_share_or_a_count(rows: int, bad: int, most: float, taken: bool) -> None:
    lines = people(rows).splitlines()
    for at in range(bad):
        lines[7 + at * 5] = "1,2"
    text, config = "\n".join(lines), DatasetConfig(max_bad_rows=most)
    if taken:
        done = staged(text, config)
        assert (done.bad_rows, done.rows) == (bad, rows - bad)
        assert any(
            f"{bad:,} of {rows:,} rows can't be read" in said and "Line 8" in said for said in done.warnings
        )
    else:
        error = refusal(text, config)
        assert (error.error_code, error.where["line"], error.where["bad_rows"]) == ("ragged-row", 8, bad)
        assert "max_bad_rows" in error.remedy


def test_a_file_of_bad_rows_alone_is_not_read_to_its_end() -> None:
    error = refusal("code,y\n" + "1,2,3\n" * 50_000)
    assert error.error_code == "ragged-row"
    assert "1,001 of 1,001 rows" in error.message
    assert "bad_rows" not in error.where, "with no row left there is nothing to release"
    assert "max_bad_rows" not in error.remedy


def test_a_sound_file_has_nothing_put_aside() -> None:
    area = MemoryArea()
    done = staged(people(), area=area)
    assert (done.input_rows, done.bad_rows, BAD_ROWS in area.blobs) == (200, 0, False)


def test_a_delimiter_at_each_row_s_end_is_named_as_the_cause() -> None:
    header, *rows = people().splitlines()
    error = refusal("\n".join([header, *(row + "," for row in rows)]))
    assert (error.error_code, error.where["line"]) == ("ragged-row", 2)
    assert "ends with a delimiter" in error.remedy
