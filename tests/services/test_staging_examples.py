"""A refusal shows one value as it must not be and one as it may be, from the file itself where it has one."""

from __future__ import annotations

import re

import pytest

from shared.domain.config import DatasetConfig
from shared.domain.errors import MAX_EXAMPLE
from tests.services.test_quarantine import Desk
from tests.support.staging_area import people, refusal, staged

TAIL = "income,city,member,joined,y"
ROW = "00003,23,1,Oslo,true,2024-01-01,no"
GOOD = "00000,20,1000.0,Bern,true,2024-01-01,yes"


HEADER = ["code", "age", *TAIL.split(",")]
CLOSED = '3,23,1,"Oslo",true,2024-01-01,no'


def with_line(number: int, text: str) -> str:
    lines = people().splitlines()
    lines[number - 1] = text
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "bad", "good"),
    [
        (with_line(5, "1,2"), "1,2", GOOD),
        (with_line(5, f"{ROW},"), f"{ROW},", ROW),
        (with_line(9, '00003,23,1,"Os"lo,true,2024-01-01,no'), '"Os"lo', '"Os""lo"'),
        (with_line(1, f"code,,{TAIL}"), f"code,,{TAIL}", f"code,column_2,{TAIL}"),
        (with_line(1, f"code,code,{TAIL}"), f"code,code,{TAIL}", f"code,code_2,{TAIL}"),
        ("age city y\n30 Bern no\n", "age city y", "age,city,y"),
        (with_line(1, f"code,age,{TAIL},"), f"code,age,{TAIL},", f"code,age,{TAIL}"),
        (with_line(1, f"code,age,{TAIL},,,"), f"code,age,{TAIL},,,", f"code,age,{TAIL}"),
        (people().replace(",", ",,"), ",,".join(HEADER), ",".join(HEADER)),
        (re.sub("(?m)^|$", ",", people().strip()), f",{','.join(HEADER)},", ",".join(HEADER)),
        (with_line(9, '3,23,1,"Oslo,true,2024-01-01,no'), '3,23,1,"Oslo,true,2024-01-01,no', CLOSED),
        (with_line(9, '3,23,1,"5"",true,2024-01-01,no'), '3,23,1,"5"",true,2024-01-01,no', '3,23,1,"5""",true,2024-01-01,no'),
        ('"' + people(), f'"{",".join(HEADER)}', '"code",' + ",".join(HEADER[1:])),
        (with_line(2, "1,2"), "1,2", "1,2,,,,,"),
        (with_line(201, '"a",23,1,"Oslo'), '"a",23,1,"Oslo', '"a",23,1,"Oslo"'),
    ],
)  # fmt: skip
def test_a_row_or_a_header_is_shown_as_it_is_and_as_it_may_be(text: str, bad: str, good: str) -> None:
    example = refusal(text).example
    assert example is not None
    assert (example.bad, example.good) == (bad, good)


def with_semicolons(number: int, text: str) -> str:
    lines = [line.replace(",", ";").replace(".", ",") for line in people().splitlines()]
    lines[number - 1] = text
    return "\n".join(lines) + "\n"


GOOD_OF_SEMICOLONS = "00000;20;1000,0;Bern;true;2024-01-01;yes"


@pytest.mark.parametrize(
    ("text", "bad", "good"),
    [
        (with_semicolons(5, "1,5;2"), "1,5;2", GOOD_OF_SEMICOLONS),
        (with_semicolons(5, f"{GOOD_OF_SEMICOLONS};"), f"{GOOD_OF_SEMICOLONS};", GOOD_OF_SEMICOLONS),
        (with_semicolons(1, "a,b;;c;d;e;f;y"), "a,b;;c;d;e;f;y", "a,b;column_2;c;d;e;f;y"),
        (with_semicolons(1, "a;a;c;d;e;f;y"), "a;a;c;d;e;f;y", "a;a_2;c;d;e;f;y"),
        (people().replace(",", ";", 6), GOOD, GOOD.replace(",", ";")),
        (people(200, "|").replace("|", ",", 6), GOOD.replace(",", "|"), GOOD),
    ],
)
def test_what_is_shown_has_the_file_s_own_delimiter(text: str, bad: str, good: str) -> None:
    example = refusal(text).example
    assert example is not None
    assert (example.bad, example.good) == (bad, good)


def test_a_header_with_another_delimiter_than_its_rows_is_named_as_the_cause() -> None:
    error = refusal(people().replace(",", ";", 6))
    assert (
        "',' stands between the values of this row, and ';' between the names of the header" in error.remedy
    )


def test_a_first_line_of_data_is_shown_with_the_file_s_own_delimiter() -> None:
    rows = [f"{('Bern', 'Oslo', 'y')[i % 3]};{('a', 'b')[i % 2]};{('y', 'n')[i % 2]}" for i in range(90)]
    error = refusal("\n".join(["Oslo;a;y", *rows]))
    assert (error.error_code, error.example and error.example.good) == (
        "no-header",
        "column_1;column_2;label",
    )


def test_what_is_shown_as_right_is_taken() -> None:
    assert staged(with_line(9, '00003,23,1,"Os""lo",true,2024-01-01,no')).rows == 200
    assert staged(with_line(1, f"code,code_2,{TAIL}")).rows == 200


def test_a_label_that_is_no_number_is_shown_beside_one_that_is() -> None:
    text = with_line(9, "00003,23,many,Oslo,true,2024-01-01,no")
    example = refusal(text, DatasetConfig(label="income", task="regression")).example
    assert example is not None
    assert example.bad == "many"
    assert float(example.good) >= 1000


def test_the_report_shows_both_in_lines_of_their_own_and_a_long_one_is_cut() -> None:
    desk = Desk()
    report = desk.show(desk.refused(with_line(5, "1,2"), "slips.csv")).report
    assert f"Wrong:          1,2\nRight:          {GOOD}\nWhat to do:" in report
    example = refusal(with_line(5, "1," + "x" * 5000)).example
    assert example is not None
    assert len(example.bad) == MAX_EXAMPLE
