"""What is called .csv and is something else is named, by intake, scoring and batches alike, with the way to a CSV."""

from __future__ import annotations

import gzip
import pickle
import time

import pytest

from shared.domain.errors import InvalidTable
from shared.domain.problems import MalformedBody
from shared.domain.rows.csv_text import read_csv
from shared.domain.table.not_csv import other_format
from shared.domain.table.reader import Table
from shared.domain.table.text import TextReader
from shared.services.batches.csv_chunks import read_layout

TEXTS = {
    "SQL": [
        "INSERT INTO people VALUES (1,'a');\n",
        "insert ignore into t (a, b) values (1, 2);\n",
        "-- MySQL dump 10.13\n--\n-- Host: x\n\n/*!40101 SET NAMES utf8 */;\n/* a\n b */\nDROP TABLE IF EXISTS `x`;\n",
        "CREATE TABLE people (\n id int,\n",
        "create temporary table if not exists x (a int);\n",
        "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n",
        "--\n-- PostgreSQL database dump\n--\n\nSET statement_timeout = 0;\n",
        "COPY public.people (id, name) FROM stdin;\n1\tx\n",
        "# dump\nUSE `shop`;\n",
    ],
    "ARFF": [
        "@relation iris\n",
        "% made, by hand\n%\n\n@RELATION iris\n@ATTRIBUTE a real\n",
        "@attribute a real\n",
    ],
    "LaTeX": [
        "\\begin{tabular}{ll}\na & b \\\\\n",
        "% made by x\n\\documentclass{article}\n",
        "a & b & y \\\\\n1 & 2 & no \\\\\n",
        "\\hline\na & b\n",
    ],
    "Markdown": [
        "| a | b |\n|---|---|\n| 1 | 2 |\n",
        "a | b\n--- | ---\n1 | 2\n",
        "|a|b|\n|:--|--:|\n|1|2|\n",
    ],
    "command line": [
        "+----+----+\n| a | b |\n+----+----+\n",
        "+====+====+\n| a | b |\n",
        " id | name \n----+------\n 1 | x\n",
        "a,b\n---,---\n1,x\n",
        "id    name \n----- -----\n1     x\n",
        "id\tname\n--\t----\n",
    ],
    "R code": ["structure(list(a = c(1, 2)\n", "df <- data.frame(a = 1)\n", "x = tibble(a = 1, b = 2)\n"],
    "Stata": ["infile dictionary using x.raw {\n", "dictionary {\n", "* a, b\ndictionary using a.dat {\n"],
    "RTF": ["{\\rtf1\\ansi a,b}\n"],
    "Git LFS": ["version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"],
}
BYTES = {
    "SQLite": b"SQLite format 3\0\x10\0",
    "Stata": b"\x72\x02\x01\x00\x05\0",
    "Stata data": b"<stata_dta><header><release>118</release>",
    "SPSS": b"$FL2@(#) SPSS DATA FILE",
    "SAS": b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!0000",
    "R object": gzip.compress(b"X\n\0\0\0\x03\0\x04", mtime=0),
    "RData": b"RDX3\nX\n\0\0\0\x03",
    "Python": pickle.dumps([{"a": 1}]),
    "NumPy": b"\x93NUMPY\x01\0",
    "HDF5": b"\x89HDF\r\n\x1a\n",
    "archive": b"7z\xbc\xaf\x27\x1c\0\x04",
    "picture": b"\x89PNG\r\n\x1a\n",
}


def by_batch(raw: bytes) -> object:
    return read_layout(lambda offset, length: raw[offset : offset + length], len(raw))


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in TEXTS.items() for text in texts])
@pytest.mark.parametrize("above", ["", "\n\n", "\ufeff"])
def test_other_text_is_named_by_all_three(name: str, text: str, above: str) -> None:
    raw = (above + text).encode()
    with pytest.raises(InvalidTable, match=f"This is .*{name}.*, not CSV") as caught:
        Table(TextReader([raw]))
    assert caught.value.error_code == "no-table"
    assert caught.value.remedy.endswith(", and drop that.")
    for read in (read_csv, by_batch):
        with pytest.raises(MalformedBody, match=f"This is .*{name}"):
            read(raw)


@pytest.mark.parametrize(("name", "raw"), BYTES.items())
def test_other_bytes_are_named(name: str, raw: bytes) -> None:
    with pytest.raises(InvalidTable, match=name.partition(" ")[0].replace("RData", "RData")) as caught:
        Table(TextReader([raw + bytes(100)]))
    assert caught.value.error_code == "binary-file"
    assert caught.value.remedy.endswith(", and drop that.")


@pytest.mark.parametrize(
    "text",
    [
        "use,set,y\n1,2,3\n",
        "create,table,y\n1,2,3\n",
        "insert,into\n1,2\n",
        "set a,b\n1,2\n",
        "begin;end\n1;2\n",
        "a|b|y\n1|2|3\n",
        "a|b\n-|-\n1|2\n",
        "a|b\n-1|-2\n",
        "a,b\n--,1\n",
        "a,b,y\n--,--,--\n1,2,3\n",
        "a & b,c\n1 & 2,d\n",
        "structure,b\n1,2\n",
        "c(1),b\n1,2\n",
        "dictionary,b\n1,2\n",
        "library,books\n1,2\n",
        "@a,b\n1,2\n",
        "+--,b\n1,2\n",
        "version,b\n1,2\n",
        "<DATE>,<TIME>\n1,2\n",
        "RDX,b\n1,2\n",
        "PAR,b\n1,2\n",
    ],
)
def test_a_table_of_such_words_is_a_table(text: str) -> None:
    assert other_format(text, 1) is None
    assert len(Table(TextReader([text.encode()])).header) >= 2


@pytest.mark.parametrize(
    "text",
    ["/* a */" * 20_000, "--\n" * 40_000, "&" * 100_000, "a|" * 60_000 + "\n", "a\n--" + " " * 60_000 + "x",
     "a\n" + "-- " * 50_000 + "x\n", "a|b\n" + "--|" * 50_000 + "x\n", "-" * 100_000, "%\n" * 50_000, "[ " * 50_000,
     "<a" * 50_000, "+--" * 40_000, "create " * 10_000, "copy a (" + "b," * 50_000, "* a\n" * 30_000],
)  # fmt: skip
def test_no_text_takes_long_to_name(text: str) -> None:
    began = time.process_time()
    other_format(text, 1)
    assert time.process_time() - began < 1


WIDTHS = "name      age  y\n" + "".join(
    f"{'Anna Li' if i % 2 else 'Bo':<10}{20 + i:<5}{'no':<3}\n" for i in range(9)
)
PACKED = "".join(
    f"{'Anna' if i % 2 else 'Bo':<5}{20 + i:>3} {'no' if i % 3 else 'yes':<3}  \n" for i in range(9)
)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (WIDTHS, "fixed width"),
        (PACKED, "fixed width"),
        ("age y\n" + "30 no\n31 yes\n" * 5, "apart by blanks"),
        ("age y\n" + '30 "not so"\n31 yes\n' * 5, "apart by blanks"),
        ('"age" "y"\n' + "".join(f'"{i}" 30 "no"\n' for i in range(9)), "write.table"),
        ("age y\n" + "".join(f"{i} 30 no\n" for i in range(9)), "write.table"),
    ],
)
def test_values_apart_by_blanks_are_told_how_to_become_a_table(text: str, hint: str) -> None:
    with pytest.raises(InvalidTable, match="No delimiter") as caught:
        Table(TextReader([text.encode()]))
    assert caught.value.error_code == "no-table"
    assert hint in caught.value.remedy


@pytest.mark.parametrize(
    "text", ["y\nno\nyes\n", "To whom it may concern:\nthis is no table.\nRegards\n", "a b\n", "a\n\nb\n"]
)
def test_other_lines_are_not(text: str) -> None:
    with pytest.raises(InvalidTable, match="No delimiter") as caught:
        Table(TextReader([text.encode()]))
    assert "blanks" not in caught.value.remedy
    assert "fixed" not in caught.value.remedy


@pytest.mark.parametrize("delimiter", [",", ";", "\t", ":"])
def test_rows_with_a_number_that_the_header_does_not_name_are_told_as_r_writes_them(delimiter: str) -> None:
    lines = ["age,city,y", *(f"{i + 1},{20 + i},Bern,no" for i in range(9))]
    text = "".join(line.replace(",", delimiter) + "\n" for line in lines)
    if delimiter == ":":
        text = f"sep=:\n{text}"
    with pytest.raises(InvalidTable, match="4 values; the header names 3") as caught:
        list(Table(TextReader([text.encode()])).blocks())
    assert "row.names = FALSE" in caught.value.remedy
    assert caught.value.example is not None


@pytest.mark.parametrize(
    "text", ["1,Bern,no\n1,Bern,CH,no\n", "0,Bern,no\n1,Bern,CH,no\n", "1,'Bern,CH',no\n0,Bern,no\n"]
)
def test_a_row_that_is_one_too_long_among_others_is_not(text: str) -> None:
    """Nor is a first one that a value in foreign marks makes too long."""
    with pytest.raises(InvalidTable, match="4 values; the header names 3") as caught:
        list(Table(TextReader([f"age,city,y\n{text}".encode()])).blocks())
    assert "row.names" not in caught.value.remedy
    assert caught.value.example is not None
    assert not caught.value.example.good.startswith(("Bern", "'Bern"))


@pytest.mark.parametrize("blank", [" ", "\t", "\n", " \n", "\u00a0"])
@pytest.mark.parametrize("end", ["", "|", "a,b\n1,2\n", "|\n|-"])
def test_a_line_of_blanks_is_passed_over_in_a_moment(blank: str, end: str) -> None:
    """A pattern that goes back over it holds the whole process while it does: no score, no health, no lease is answered."""
    began = time.process_time()
    other_format(blank * 60_000 + end, 1)
    assert time.process_time() - began < 1
