"""Files that can't be taken: each is refused with what is wrong, where, and what to do."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator

import pytest

from shared.domain.config import DatasetConfig
from shared.services.intake.staging import stage
from tests.support.staging_area import RULE, MemoryArea, people, refusal, staged

GOOD = people()
LINES = GOOD.splitlines(keepends=True)
REGRESSION = DatasetConfig(label="income", task="regression")


def with_line(number: int, text: str) -> str:
    """The good file with line `number` (from 1) replaced."""
    return "".join([*LINES[: number - 1], text, *LINES[number:]])


@pytest.mark.parametrize("data", [b"", b"\n\n  \n", b"\xef\xbb\xbf", b"\r\n"])
def test_an_empty_file(data: bytes) -> None:
    assert refusal(data).error_code == "empty-file"


@pytest.mark.parametrize("data", [LINES[0], LINES[0].rstrip("\n"), LINES[0] + "\n\n"])
def test_a_header_without_rows(data: str) -> None:
    error = refusal(data)
    assert (error.error_code, error.where["line"]) == ("header-only", 1)


def test_repeated_column_names_are_listed() -> None:
    error = refusal(with_line(1, "code,age,age,city,city,joined,y\n"))
    assert error.error_code == "duplicate-columns"
    assert "'age' (columns 2, 3), 'city' (columns 4, 5)" in error.message
    assert error.where["line"] == 1


def test_a_column_without_a_name() -> None:
    error = refusal(with_line(1, ",age,income,city,member,joined,y\n"))
    assert (error.error_code, error.where["column"]) == ("unnamed-columns", 1)
    assert "index=False" in error.remedy


def test_a_delimiter_at_the_end_of_each_line() -> None:
    error = refusal("".join(line.rstrip("\n") + ",\n" for line in LINES))
    assert (error.error_code, error.where["column"]) == ("unnamed-columns", 8)


@pytest.mark.parametrize(("row", "found"), [("1,2,3\n", 3), ("1,2,3,4,5,6,7,8\n", 8), ("alone\n", 1)])
def test_a_ragged_row_is_named_by_its_line(row: str, found: int) -> None:
    error = refusal(with_line(120, row))
    assert error.error_code == "ragged-row"
    assert error.where["line"] == 120
    assert (error.where["expected"], error.where["found"]) == (7, found)


def test_lines_are_counted_through_quoted_newlines_and_blank_lines() -> None:
    text = "".join([*LINES[:10], '00009,1,2,"two\nlines",true,2024-01-01,no\n', "\n", *LINES[10:50], "x,y\n"])
    error = refusal(text)
    assert (error.error_code, error.where["line"]) == ("ragged-row", 10 + 2 + 1 + 40 + 1)


def test_lines_are_counted_with_every_kind_of_newline() -> None:
    for newline in ("\r\n", "\r"):
        error = refusal(with_line(150, "x,y\n").replace("\n", newline))
        assert error.where["line"] == 150


def test_a_missing_label_column_lists_the_columns_and_guesses() -> None:
    error = refusal(GOOD, DatasetConfig(label="Incom"))
    assert error.error_code == "label-missing"
    assert "code, age, income, city, member, joined, y" in error.message
    assert "Did you mean 'income'?" in error.message
    assert "label:" in error.remedy


def test_a_label_that_another_delimiter_would_part_is_told_that() -> None:
    error = refusal("id;name,age,y\n" + "1;Bern,2,no\n2;Oslo,3,yes\n" * 50, DatasetConfig(label="name"))
    assert (
        "It is part of 'id;name': if ';' stands between the columns, say so in a first line sep=;."
        in error.remedy
    )


def test_a_label_with_one_class() -> None:
    error = refusal(GOOD.replace(",yes\n", ",no\n"))
    assert (error.error_code, error.where["column"]) == ("single-class", "y")


@pytest.mark.parametrize("word", ["null", "?", ""])
def test_a_label_with_one_class_is_told_what_was_left_out(word: str) -> None:
    error = refusal(GOOD.replace(",no\n", ",0\n").replace(",0\n", f",{word}\n", 30).replace(",yes\n", ",0\n"))
    assert error.error_code == "single-class"
    assert "the same value in all 170 rows that have one (30 have none, the first on line 3)" in error.message
    assert (f"The word {word!r} counts as empty" in error.message) == bool(word)


def test_a_regression_label_with_one_value() -> None:
    text = people().replace("income", "old").replace(",y\n", ",income\n").replace(",yes\n", ",1\n")
    assert refusal(text.replace(",no\n", ",1\n"), REGRESSION).error_code == "single-class"


@pytest.mark.parametrize("rows", [1, 49])
def test_fewer_than_fifty_rows(rows: int) -> None:
    error = refusal(people(rows))
    assert (error.error_code, error.where["rows"]) == ("too-few-rows", rows)


def test_a_label_that_is_mostly_missing() -> None:
    error = refusal(GOOD.replace(",no\n", ",\n"))
    assert error.error_code == "label-values-missing"
    assert error.where["line"] == 3
    assert "150 of 200" in error.message


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        (GOOD.encode("utf-16-le"), "binary-file", "NUL byte at offset 1"),
        (gzip.compress(GOOD.encode(), mtime=0)[:-20], "broken-archive", "ends in the middle"),
        (gzip.compress(gzip.compress(GOOD.encode(), mtime=0), mtime=0), "binary-file", "gzip packed twice"),
        (gzip.compress(b"a,y\n" + (b"0" * 997 + b",1\n") * (1 << 17), mtime=0), "archive-too-large", "gzip"),
        (b"PK\x03\x04rest", "binary-file", "Excel"),
        (bytes(range(1, 256)) * 100, "not-utf8", "0x80"),
    ],
)
def test_binary_files_and_other_encodings(data: bytes, code: str, said: str) -> None:
    error = refusal(data)
    assert error.error_code == code
    assert said in error.message


def test_an_undecodable_byte_is_named_by_offset_and_line() -> None:
    raw = with_line(100, "00098,30,1,Z\x81rich,true,2024-01-01,no\n").encode("latin-1")
    error = refusal(raw)
    assert error.error_code == "not-utf8"
    assert (error.where["line"], error.where["byte"]) == (100, raw.index(b"\x81"))
    assert "CSV UTF-8" in error.remedy


def test_a_nul_byte_far_into_the_file() -> None:
    long = people(20_000).encode()
    error = refusal(long[:-50] + b"\0" + long[-50:])
    assert (error.error_code, error.where["byte"]) == ("binary-file", len(long) - 50)
    assert error.where["line"] == long[:-50].count(b"\n") + 1


@pytest.mark.parametrize("rows", [200, 20_000])
def test_a_quotation_mark_that_is_never_closed(rows: int) -> None:
    lines = people(rows).splitlines(keepends=True)
    lines[99] = '00098,30,1,"Bern,true,2024-01-01,no\n'
    error = refusal("".join(lines))
    assert (error.error_code, error.where["line"]) == ("unterminated-quote", 100)


def test_text_after_a_closing_quotation_mark() -> None:
    error = refusal(with_line(100, '00098,30,1,"Be"rn,true,2024-01-01,no\n'))
    assert (error.error_code, error.where["line"]) == ("stray-quote", 100)


def test_an_over_long_value() -> None:
    error = refusal(with_line(100, f"00098,30,1,{'x' * 200_000},true,2024-01-01,no\n"))
    assert (error.error_code, error.where["line"]) == ("value-too-long", 100)


def test_a_file_without_line_ends_is_not_gathered_in_memory() -> None:
    error = refusal("a,y\n" + "x" * 3_000_000)
    assert (error.error_code, error.where["line"]) == ("line-too-long", 2)


@pytest.mark.parametrize(
    ("begin", "each", "kind"),
    [
        ("[", '{"age": 30, "y": "no"},', "JSON"),
        ("<table>", "<tr><td>30</td></tr>", "HTML"),
        ('<?xml version="1.0"?><rows>', "<row>30</row>", "XML"),
    ],
)
def test_another_format_without_line_ends_is_called_by_its_name_whatever_its_size(
    begin: str, each: str, kind: str
) -> None:
    error = refusal(begin + each * (3_000_000 // len(each)))
    assert (error.error_code, error.where["line"]) == ("no-table", 1)
    assert error.message.startswith(f"This is {kind}, not CSV")


@pytest.mark.parametrize("above", ["\n", " \n\n", ",,,\n", "sep=;\n", "\nsep=;\n\n"])
def test_what_may_stand_above_a_header_hides_no_other_format(above: str) -> None:
    error = refusal(above + "[" + '{"age": 30, "y": "no"},' * 100_000)
    assert (error.error_code, error.where["line"]) == ("no-table", above.count("\n") + 1)
    assert error.message.startswith("This is JSON, not CSV")


def test_a_long_line_below_a_header_is_no_other_format() -> None:
    error = refusal("\na,y\n" + '{"age": 30, "y": "no"},' * 100_000)
    assert (error.error_code, error.where["line"]) == ("line-too-long", 3)


def test_one_column_and_prose_are_no_table() -> None:
    assert refusal("y\n" + "yes\nno\n" * 50).error_code == "no-table"
    assert refusal("To whom it may concern:\nthis is no table.\n").error_code == "no-table"


def test_too_many_columns() -> None:
    assert refusal(",".join(f"c{i}" for i in range(6000)) + "\n1,2\n").error_code == "too-many-columns"


def test_the_weight_column_s_name_is_reserved() -> None:
    error = refusal(with_line(1, "code,age,dropml_weight,city,member,joined,y\n"))
    assert error.error_code == "reserved-column"


def test_a_quantity_as_a_class_label() -> None:
    error = refusal(people(5000), DatasetConfig(label="income"))
    assert error.error_code == "too-many-classes"
    assert "task: regression" in error.remedy


def test_a_regression_label_must_be_numeric() -> None:
    error = refusal(with_line(77, "00075,30,n.a.,Bern,true,2024-01-01,no\n"), REGRESSION)
    assert (error.error_code, error.where["line"], error.where["column"]) == (
        "label-not-numeric",
        77,
        "income",
    )
    assert refusal(GOOD, DatasetConfig(task="regression")).where["line"] == 2


def test_the_refusal_carries_the_hash_of_the_whole_file() -> None:
    raw = b"a,y\n1\n" + people(5000).encode()
    error = refusal(raw)
    assert error.error_code == "ragged-row"
    assert error.content_hash == hashlib.sha256(raw).hexdigest()


def test_a_source_that_breaks_off_is_not_the_file_s_fault() -> None:
    def broken() -> Iterator[bytes]:
        yield GOOD.encode()[:2000]
        raise ConnectionError("gone")

    area = MemoryArea()
    with pytest.raises(ConnectionError):
        stage(broken(), area, DatasetConfig(), RULE, "people")
    assert area.blobs == {}


def test_the_good_file_itself_is_taken() -> None:
    assert staged(GOOD).rows == 200


def test_a_label_that_tells_rows_apart_is_told_so() -> None:
    error = refusal("a,y\n" + "".join(f"{i},row {i}\n" for i in range(120)))
    assert error.error_code == "too-many-classes"
    assert "another value in each of the 120 rows" in error.message
    assert "task: regression" in error.remedy


@pytest.mark.parametrize(
    ("encoding", "data", "said"),
    [
        ("utf-16", GOOD.encode(), "byte order mark"),
        ("utf-16", GOOD.encode("utf-16-le"), "byte order mark"),
        ("utf-16-le", GOOD.encode(), "not UTF-16-LE"),
        ("utf-16-be", GOOD.encode(), "not UTF-16-BE"),
        ("utf-16-be", GOOD.encode("utf-16-le"), "not UTF-16-BE"),
        ("utf-16-le", gzip.compress(GOOD.encode(), mtime=0), "not UTF-16-LE"),
        ("utf-8", GOOD.replace("Bern", "Zürich").encode("latin-1"), "not UTF-8"),
        ("shift-jis", GOOD.replace("Bern", "Zürich ü").encode("latin-1"), "0x"),
    ],
)
def test_an_encoding_that_the_bytes_do_not_fit_is_told_with_what_was_said(
    encoding: str, data: bytes, said: str
) -> None:
    error = refusal(data, DatasetConfig(encoding=encoding))
    assert error.error_code == "not-utf8"
    assert said in error.message
    way = "utf-16-le" if data.startswith(b"c\0") else encoding
    assert f"`encoding: {way}`" in error.remedy


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8"])
def test_a_mark_or_fitting_bytes_are_read_as_said(encoding: str) -> None:
    for data in (GOOD.encode("utf-16"), GOOD.encode(encoding)):
        assert staged(data, DatasetConfig(encoding=encoding)).rows == 200


def test_more_classes_than_rows_can_teach_are_refused_at_intake() -> None:
    rows = "".join(f"{i},name-{i // 2}\n" for i in range(200))
    error = refusal("a,y\n" + rows, DatasetConfig(imbalance="off"))
    assert error.error_code == "too-many-classes"
    assert "different values" in error.message
    assert "task: regression" in error.remedy
    assert staged("a,y\n" + "".join(f"{i},name-{i % 40}\n" for i in range(400))).rows == 400
