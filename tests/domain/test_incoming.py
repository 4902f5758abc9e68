"""What a name says of a dropped file, and what a person is told of one that is no table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.incoming import MAX_NAME, Arrival, Kind, recognised


@pytest.mark.parametrize(
    ("blob", "dataset"),
    [
        ("bank.csv", "bank"),
        ("2024/bank.csv", "2024/bank"),
        ("UPPER.CSV", "UPPER"),
        ("bank.Csv", "bank"),
        ("bank.tsv", "bank"),
        ("bank.csv.gz", "bank"),
        ("a//b.csv", "a//b"),
        ("a b .csv", "a b "),
        ("größe 🙂.csv", "größe 🙂"),
        ("שלום.csv", "שלום"),
        ("v1.2.csv", "v1.2"),
        ("_x.csv", "_x"),
        ("n" * MAX_NAME + ".csv", "n" * MAX_NAME),
    ],
)
def test_tables(blob: str, dataset: str) -> None:
    assert recognised(blob) == Arrival(Kind.TABLE, dataset)


def test_a_configuration_is_for_the_dataset_of_its_name() -> None:
    assert recognised("2024/bank.yaml") == Arrival(Kind.CONFIG, "2024/bank")


@pytest.mark.parametrize(
    ("blob", "right"),
    [
        ("bank.yml", "bank.yaml"),
        ("bank.csv.yaml", "bank.yaml"),
        ("a/bank.CSV.yml", "a/bank.yaml"),
        ("bank.YAML", "bank.yaml"),
        ("bank.csv.gz.yaml", "bank.yaml"),
    ],
)
def test_a_configuration_under_a_near_name_is_told_the_right_one(blob: str, right: str) -> None:
    found = recognised(blob)
    assert (found.kind, found.code, found.remedy) == (Kind.OTHER, "misnamed-config", f"Rename it to {right}.")


@pytest.mark.parametrize(
    ("blob", "said", "remedy"),
    [
        ("book.xlsx", "workbook", "book.csv"),
        ("data.zip", "archive", "data.csv"),
        ("a/b.parquet", ".parquet", "b.csv"),
        ("notes.txt", ".txt", "notes.csv"),
        ("table", "no ending", "table.csv"),
        ("bank.csv.bak", ".bak", "bank.csv"),
        ("bank.csv ", ".csv ", "bank.csv"),
    ],
)
def test_what_is_no_table_is_told_how_to_become_one(blob: str, said: str, remedy: str) -> None:
    found = recognised(blob)
    assert (found.kind, found.code) == (Kind.OTHER, "not-a-table")
    assert said in found.message
    assert remedy in found.remedy


@pytest.mark.parametrize(
    "blob",
    ["a\x00b.csv", "a\x1b[2J.csv", "a\ufffeb.csv", "a\ud800.csv", "\U0001ffff.csv", "gpj\u202evsc.csv", "a\\b.csv",
     ".csv", "a/.csv", "a/.CSV.GZ", ".tsv", "a/.yaml",
     "..\\..\\x.csv", "../x.csv", "a/./b.csv", "...csv", "a/..csv", "a\nb.yaml",
     "n" * (MAX_NAME + 1) + ".csv", "x" * 1020 + ".csv"],
)  # fmt: skip
def test_a_name_that_cannot_be_used_is_told_so(blob: str) -> None:
    found = recognised(blob)
    assert (found.kind, found.code) == (Kind.OTHER, "unusable-name")
    assert found.message.isprintable()


@pytest.mark.parametrize(
    "blob",
    [
        "a/.hidden.csv",
        ".hidden.csv",
        "x.csv/",
        "~$book.xlsx",
        "._bank.csv",
        "folder/",
        "x.csv.tmp",
        "_SUCCESS",
        "Thumbs.db",
    ],
)
def test_what_systems_leave_behind_is_passed_over(blob: str) -> None:
    assert recognised(blob).kind is Kind.CLUTTER


@given(
    st.text(max_size=60), st.sampled_from([".csv", ".CSV", ".yaml", ".yml", ".csv.gz", ".xlsx", "", ".", "/"])
)
def test_every_name_means_one_thing(stem: str, ending: str) -> None:
    found = recognised(stem + ending)
    assert bool(found.dataset) == (found.kind in (Kind.TABLE, Kind.CONFIG))
    assert bool(found.code and found.message and found.remedy) == (found.kind is Kind.OTHER)
