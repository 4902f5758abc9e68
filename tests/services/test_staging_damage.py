"""Files that were damaged or padded on their way: the cause in words, and what to do."""

from __future__ import annotations

import bz2
import gzip

import pytest

from tests.support.staging_area import people, refusal, staged

TABLE = people()
PACKED = gzip.compress(TABLE.encode(), mtime=0)


@pytest.mark.parametrize(
    "title", ["Report,2024,,,,,\n", "Sales,Q1,by me,,,,\n", "Report,2024,,,,,\n,,,,,,\n"]
)
def test_a_title_that_a_spreadsheet_padded_is_told_with_the_header_s_line(title: str) -> None:
    assert f"header seems to be on line {title.count(chr(10)) + 1}; remove" in refusal(title + TABLE).remedy


def test_a_header_that_names_most_columns_is_no_title() -> None:
    assert "header seems" not in refusal(TABLE.replace("code,age,", ",,", 1)).remedy


def test_fields_filled_up_with_nul_are_told_as_text_with_such_in_it() -> None:
    error = refusal(TABLE.replace("Bern", "Bern\0\0\0"))
    assert (error.error_code, error.where["line"]) == ("binary-file", 2)
    assert "fill space up" in error.message
    assert "tr -d" in error.remedy


@pytest.mark.parametrize(
    "raw", [TABLE.encode("utf-32-le"), b"a\nb\0\x01\x02\x03" * 40, TABLE.encode("utf-16-be")]
)
def test_other_bytes_with_nul_are_not(raw: bytes) -> None:
    assert "it is binary, or UTF-16 text" in refusal(raw).message


def test_a_mark_that_was_read_as_letters_and_saved_anew_is_told() -> None:
    [told] = [said for said in staged("ï»¿" + TABLE).warnings if "byte order mark" in said]
    assert "was taken off" in told
    assert not [said for said in staged("\ufeff" + TABLE).warnings if "byte order mark" in said]


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (PACKED[:-8] + bytes(8), "does not fit its check sum"),
        (PACKED + b"more", "something else than gzip"),
        (PACKED[:200] + b"\xff" * 40 + PACKED[240:], "it is damaged there"),
    ],
)
def test_a_broken_archive_is_told_in_words(raw: bytes, why: str) -> None:
    error = refusal(raw)
    assert error.error_code == "broken-archive"
    assert why in error.message
    assert "Error" not in error.message


def test_an_archive_is_told_once_what_to_drop() -> None:
    assert refusal(bz2.compress(TABLE.encode())).remedy.count("drop") == 1


@pytest.mark.parametrize(
    ("hidden", "told"),
    [
        ("\u200b", "1 invisible character (zero-width, soft hyphens, marks) was removed"),
        ("\u00a0", "1 non-breaking or special space became a plain one"),
    ],
)
def test_one_of_what_nobody_sees_is_told_as_one(hidden: str, told: str) -> None:
    warnings = staged(TABLE.replace("Bern", f"Bern{hidden}", 1)).warnings
    assert any(said.startswith(told) and "line 2" in said for said in warnings)
