"""A file whose first line is a row: told, whatever word in it happens to be the label's name."""

from __future__ import annotations

import pytest

from shared.domain.config import DatasetConfig
from tests.services.test_quarantine import Desk
from tests.support.staging_area import people, refusal, staged

ROWS = people().partition("\n")[2]
TOLD = "is taken for the header, but"


def table(header: str, *columns: list[str]) -> str:
    rows = [",".join(column[i % len(column)] for column in columns) for i in range(120)]
    return "\n".join([header, *rows]) + "\n"


def test_one_whose_label_is_named_as_a_value_of_its_first_row_is_refused_for_that() -> None:
    error = refusal(ROWS, DatasetConfig(label="yes"))
    assert (error.error_code, error.where["line"]) == ("no-header", 1)
    assert "'Bern'" in error.message
    assert "names above it" in error.remedy
    assert error.example is not None
    assert error.example.bad.startswith("00000,20,1000.0")
    assert staged(people(), DatasetConfig(label="y")).rows == 200


def test_numbers_and_words_of_a_first_row_are_seen_alike() -> None:
    numbers = [f"{4 + i / 50}" for i in range(100)]
    assert refusal(table("5.1,4.5,y", numbers, numbers[::-1], ["y", "n"])).error_code == "no-header"
    words = table("Bern,anna,y", ["Oslo", "Bern", "Rome"], ["ann", "anna"], ["y", "n"])
    assert refusal(words).error_code == "no-header"
    days = table("2024-01-05,12,y", ["2024-01-05", "2024-02-01"], ["12", "13", "14"], ["y", "n"])
    assert refusal(days).error_code == "no-header"


def test_it_is_a_warning_where_the_label_is_no_value() -> None:
    done = staged(table("5.1,4.5,y", ["5.1", "4.2"], ["4.5", "4.7"], ["yes", "no"]))
    assert any(TOLD in said and "'5.1', '4.5'" in said for said in done.warnings)


@pytest.mark.parametrize(
    "text",
    [
        people(),
        table("length,words,y", ["3", "4"], ["1", "2"], ["y", "n"]),
        table("0,1,y", ["0", "1"], ["1", "2"], ["y", "n"]),
        table("2019,2020,2021,y", ["2018", "2022"], ["2019", "2023"], ["2020", "2022"], ["y", "n"]),
        table("2024-01-01,2024-02-01,y", ["2024-01-01"], ["2024-02-01", "2024-01-01"], ["yes", "no"]),
        table("city,y,n", ["Oslo", "Bern"], ["y", "n"], ["1", "2"]),
    ],
)
def test_a_header_stays_one(text: str) -> None:
    assert not any(TOLD in said for said in staged(text).warnings)


def test_it_is_told_with_the_yaml_that_is_to_name_the_label() -> None:
    desk = Desk()
    desk.put("slips.yaml", 'label: "yes"\n')
    view = desk.show(desk.refused(ROWS, "slips.csv"))
    assert "in slips.yaml beside slips.csv (label: COLUMN)" in view.problem.remedy
    assert "Wrong:          00000,20,1000.0" in view.report
    assert view.actions == ("discard",)


def test_files_put_together_with_a_header_each_are_told_as_that() -> None:
    header, *rows = people().splitlines()
    error = refusal("\n".join([header, *rows[:90], header, *rows[90:]]))
    assert (error.error_code, error.where["line"]) == ("repeated-header", 92)
    assert "keep one header" in error.remedy
