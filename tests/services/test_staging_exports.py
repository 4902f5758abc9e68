"""Files as programs export them: what is odd about each is named, with its line and what to do."""

from __future__ import annotations

import pytest

from shared.domain.config import DatasetConfig
from shared.domain.rows.csv_text import read_csv
from shared.domain.schema import Column
from tests.support.staging_area import refusal, staged

ROWS = 120


def answer(i: int) -> str:
    return "no" if i % 3 else "yes"


def lines(delimiter: str = ",", rows: int = ROWS) -> list[str]:
    found = [
        delimiter.join((f"2024-01-{1 + i % 28:02}", f"{100 + i % 40}.25", answer(i))) for i in range(rows)
    ]
    return [delimiter.join(("date", "amount", "y")), *found]


def column(values: list[str]) -> tuple[Column, str]:
    """A column of these values in turn, and what is said of it."""
    rows = "".join(f'"{values[i % len(values)]}",{i % 7},{answer(i)}\n' for i in range(ROWS))
    done = staged("c,x,y\n" + rows, rule=None)
    told = [sentence for sentence in done.warnings if sentence.startswith("Column 'c' is text")]
    return done.schema.columns[0], " ".join(told)


@pytest.mark.parametrize(
    ("values", "cause", "example"),
    [
        (["−5", "7", "−2.5"], "minus that is none of the keyboard's", "write -5 for −5"),  # a word processor
        (["5.00-", "7.00", "1,234.50-"], "minus behind the number", "write -5 for 5-"),  # SAP
        (["(5.00)", "7.00"], "brackets around numbers below zero", "write -5 for (5)"),  # accounts
        (["1,10,100", "2,345"], "commas before every second digit", "write 110100"),  # India
        (["1,5E+03", "2,5E+03"], "decimal comma before an exponent", "write 1.5e3"),  # a laboratory's German
        (["١٢", "٣٤"], "digits of another script", "write 12 for ١٢"),
        (["1´507", "2´000"], "signs between thousands", "write 1507 for 1´507"),
        (["<0.5", "0.7", "≥ 100"], "signs of comparison", "leave the cell empty"),
        (["R$ 5,00", "R$ 7,50"], "currencies that are not read", "write 5 for 5 kr"),
        (["5 kr", "7 kr"], "currencies that are not read", "write 5 for 5 kr"),
        (["- 5", "- 7.5"], "gaps behind the sign", "write -5 for - 5"),
        (["1.5D+02", "2.5D+02"], "exponents with a D", "write 1.5e02"),  # Fortran
        (
            ["2024/01/05 10:00:00 AM GMT+1", "2024/01/06 9:30:00 PM GMT+1"],
            "dates in another form",
            "2024-01-31",
        ),
        (["20.5 °C", "21 °C"], "units behind numbers", "into the column's name"),
        (["5kg", "7.5 kg", "8 g"], "units behind numbers", "into the column's name"),
        (["1/13/2024 1:05 PM", "2/3/2024 11:15 AM"], "day and month", "2024-01-31T10:05:00"),
        (["2024/01/05", "2024/1/6 10:00"], "dates in another form", "write 2024-01-31"),
        (["05JAN2024", "6 Feb 2024", "7-Mär-24"], "dates in another form", "write 2024-01-31"),  # SAS
        (["Jan 5, 2024", "October 16, 2023"], "dates in another form", "write 2024-01-31"),
        (["2024-01-05 10:11:12 UTC", "2024-01-06"], "dates in another form", "write 2024-01-31"),  # BigQuery
        (
            ["2024-01-05 10:11:12.5+00", "2024-01-06 10:11:12+00"],
            "dates in another form",
            "write 2024-01-31",
        ),  # PostgreSQL
        (
            ["2024-01-05 10:11:12,345", "2024-01-06 10:11:12,001"],
            "dates in another form",
            "write 2024-01-31",
        ),  # log files
        (
            ["2024-01-05 10:11:12 Europe/Berlin", "2024-01-06 10:11:12 +0200"],
            "dates in another form",
            "write 2024-01-31",
        ),
        (["20240105T101112Z", "20240106T101112Z"], "dates in another form", "write 2024-01-31"),
        (["2024-1-5", "2024-11-7", "2024-12-31"], "dates in another form", "write 2024-01-31"),
        (["2024-1-5 9:05", "2024-11-7 10:05"], "dates in another form", "write 2024-01-31"),
        (["5‰", "7.5 ‰"], "units behind numbers", "write 20.5"),
    ],
)
def test_a_column_that_is_text_for_its_form_is_told_so(values: list[str], cause: str, example: str) -> None:
    found, told = column(values)
    assert found.type == "string"
    assert cause in told
    assert example in told
    assert "(line " in told


@pytest.mark.parametrize(
    "values",
    [
        ["12A", "14", "12B"],  # house numbers
        ["May", "June", "March"],
        ["A-", "B", "C-"],
        ["10-19", "20-29"],
        ["v1.2", "v1.3"],
        ["Room 5", "Room 6"],
        ["10.0.0.1", "10.0.0.2"],
        ["M", "L", "XL"],
        ["2024-01", "2024-02"],
        ["12:05", "13:10"],
        ["555-1234", "555-9876"],
    ],
)
def test_other_text_is_just_text(values: list[str]) -> None:
    found, told = column(values)
    assert found.type == "string"
    assert told == ""


def test_all_words_that_spoil_a_column_are_told_at_once() -> None:
    found, told = column(["1.5", "2", "(null)", "3", "4", ".", "5", "6", "-", "7", "8", "9"])
    assert found.type == "string"
    assert all(repr(word) in told for word in ("(null)", ".", "-"))
    assert "(10 times, first on line 4)" in told


@pytest.mark.parametrize("word", ["NaT", "0000-00-00", "9999-12-31", "never"])
def test_a_word_among_dates_is_told_as_one_among_numbers_is(word: str) -> None:
    found, told = column(["2024-01-05", "2024-01-06", word, "2024-01-07"])
    assert found.type == "string"
    assert f"{word!r} among dates (30 times, first on line 4)" in told
    assert "Leave cells without a date empty" in told
    assert staged("c,y\n" + f"2024-01-05,yes\n{word},no\n" * 60).schema.columns[0].type == "string"


@pytest.mark.parametrize("day", ["9999-12-31", "2023-02-29", "2024-01-05T24:00:00", "2016-12-31 23:59:60"])
def test_a_day_that_no_calendar_has_is_told_what_dates_are(day: str) -> None:
    _, told = column(["2024-01-05", "2024-01-06", day])
    assert "from 1678 to 2261" in told
    assert repr(day) in told


def test_a_decimal_below_one_has_no_thousands() -> None:
    _, told = column(["0.102", "5%", "0.005", "7%"])
    assert "percent signs" in told
    assert "thousands" not in told
    assert "Two notations" not in told


def test_rows_that_leave_out_their_last_empty_values_are_told_so() -> None:
    rows = "".join(f"{answer(i)},{i},{'1' if i % 2 else '1,2'}\n" for i in range(60))
    assert "empty have their delimiters" in refusal("y,a,b,c\n" + rows).remedy


@pytest.mark.parametrize("at", [60, ROWS])
def test_nul_bytes_in_text_are_told_as_what_they_are(at: int) -> None:
    rows = lines()
    rows[at] += "\0" * 200
    error = refusal("\n".join(rows))
    assert error.error_code == "binary-file"
    assert f"(line {at + 1})" in error.message
    assert "cut off" in error.message
    assert "UTF-16" not in error.message
    assert "tr -d" in error.remedy


def test_a_leading_zero_is_no_slip() -> None:
    rows = "".join(f"{'01' if i > 100 else '1'}{1000 + i},{i % 7},{answer(i)}\n" for i in range(ROWS))
    done = staged("zip,x,y\n" + rows, rule=None)
    [told] = [sentence for sentence in done.warnings if "'zip' is text" in sentence]
    assert "would lose a zero" in told
    assert "empty" not in told


FOOTERS = [
    ["Total rows: 120"],
    ["", "(120 rows affected)"],  # sqlcmd
    ["", "", "Copyright (c) 2000-2024 salesforce.com, inc.", "Generated By: Jane Doe"],
    ['"Applied filters:', "Year is 2024", 'Region is not blank"'],  # Power BI
    ["\\."],  # psql
    ["2024-01-0"],  # cut off
]


@pytest.mark.parametrize("footer", FOOTERS)
def test_what_ends_the_file_is_named_as_a_footer_or_a_cut(footer: list[str]) -> None:
    error = refusal("\n".join([*lines(), *footer]) + "\n")
    assert error.error_code == "ragged-row"
    assert "if a program wrote a footer there" in error.remedy
    assert "if the file was cut off" in error.remedy


@pytest.mark.parametrize("at", [1, 60, ROWS])
def test_a_bad_row_with_rows_below_it_is_no_footer(at: int) -> None:
    rows = lines()
    assert "footer" not in refusal("\n".join([*rows[:at], "page 2", *rows[at:]])).remedy


@pytest.mark.parametrize("end", ["\x1a", "\x1a\n", "\x1a\r\n", "\f\n", "\n\x1a\x1a\x1a"])
def test_the_mark_that_ends_a_file_of_dos_is_no_row(end: str) -> None:
    text = "\n".join(lines()) + "\n" + end
    done = staged(text)
    assert (done.rows, done.bad_rows) == (ROWS, 0)
    assert [told for told in done.warnings if "invisible" in told and "line 12" in told]
    assert len(read_csv(text.encode())[1]) == ROWS


def test_a_mark_that_was_written_twice_is_no_part_of_the_first_name() -> None:
    raw = "\n".join(lines()).replace("date,amount,y", "y,amount,date")
    raw = "\n".join(
        ",".join(reversed(line.split(","))) if i else line for i, line in enumerate(raw.split("\n"))
    )
    for mark in ("ï»¿", "\ufeffï»¿"[:1]):
        assert staged(mark + raw).schema.label == "y"
        assert read_csv((mark + raw).encode())[0][0] == "y"


@pytest.mark.parametrize(
    "written",
    [
        [f'"{line}"' for line in lines()],
        ['"' + line.replace("yes", '""yes""') + '"' for line in lines()],
        [f'"{line}"' for line in lines(";")],
    ],
)
def test_lines_in_quotation_marks_as_a_whole_are_told_as_that(written: list[str]) -> None:
    error = refusal("\n".join(written))
    assert error.error_code == "no-table"
    assert "take off the marks at both ends" in error.remedy
    rows_alone = refusal("\n".join([written[0].strip('"'), *written[1:]]))
    assert rows_alone.error_code == "ragged-row"
    assert "stands in quotation marks as a whole" in rows_alone.message


@pytest.mark.parametrize(
    ("row", "code", "said"),
    [
        ('"say \\"hi\\"",5,no', "stray-quote", "Spark"),
        ("a\\, b,5,no", "ragged-row", "backslash stands before a delimiter"),
        ("1,5,2,5,no", "ragged-row", "semicolons between the values"),
    ],
)
def test_other_rules_of_escaping_are_named(row: str, code: str, said: str) -> None:
    error = refusal("c,x,y\n" + f"{row}\n" * 60)
    assert error.error_code == code
    assert said in error.remedy


def test_the_example_of_a_backslash_is_without_it() -> None:
    error = refusal("c,x,y\n" + '"say \\"hi\\"",5,no\n' * 60)
    assert error.example is not None
    assert error.example.good == '"say ""hi"""'


@pytest.mark.parametrize("sign", ["\x01", "~", "#", "¦"])
def test_a_sign_between_values_that_is_no_delimiter_is_named(sign: str) -> None:
    error = refusal("\n".join(lines(sign)))
    assert error.error_code == "no-table"
    assert f"{sign!r} seems to stand between the values" in error.remedy


@pytest.mark.parametrize(
    ("header", "row", "said"),
    [
        ("|a|b|y|", "|1|2|no|", "both ends"),
        (",a,b,y", "1,2,3,no", "row.names = FALSE"),
        ("a,b,c,y,,,", "1,2,3,no,,,", "delete them there"),
        ("a;;b;;y", "1;;2;;no", "write it once"),
        ("a;b;y;", "1,5;2,5;no;", "delimiter at the end of each line"),
    ],
)
def test_columns_without_a_name_are_told_by_where_they_stand(header: str, row: str, said: str) -> None:
    error = refusal(header + "\n" + f"{row}\n" * 60)
    assert error.error_code == "unnamed-columns"
    assert said in error.remedy


def test_decimal_commas_below_a_header_make_no_title_of_it() -> None:
    rows = "".join(f"2024-01-01T00:{i:02}:00;20,{i};no;\n" for i in range(60))
    assert "remove the lines above" not in refusal("ts;temp;y;\n" + rows).remedy


def test_a_label_in_letters_that_were_guessed_wrongly_names_the_encoding() -> None:
    rows = "".join(f"{i % 9},{'да' if i % 3 else 'нет'}\n" for i in range(60))
    error = refusal(("x,ответ\n" + rows).encode("cp1251"), DatasetConfig(label="ответ"))
    assert error.error_code == "label-missing"
    assert "read as Windows-1252" in error.remedy
    assert "windows-1251" in error.remedy
    sound = staged(
        ("x,ответ\n" + rows).encode("cp1251"), DatasetConfig(label="ответ", encoding="windows-1251")
    )
    assert set(sound.schema.classes) == {"да", "нет"}


def test_bytes_that_windows_1252_has_not_are_told_how_to_name_their_encoding() -> None:
    raw = ("名前,y\n" + "東京,yes\n大阪,no\n" * 40).encode("shift-jis")
    assert "`encoding:`" in refusal(raw).remedy
    assert staged(raw, DatasetConfig(encoding="shift-jis")).rows == 80


def test_a_class_called_na_is_told_what_to_do() -> None:
    rows = "".join(f"{i % 9},{('NA', 'EU', 'AS')[i % 3]}\n" for i in range(60))
    error = refusal("x,y\n" + rows)
    assert error.error_code == "label-values-missing"
    assert "'NA' counts as empty. If it is a class, write another word for it." in error.message
