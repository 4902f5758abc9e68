"""What a name says of a dropped file, and what a person is told of one that is no table."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.batches import dropped_id
from shared.domain.incoming import MAX_NAME, Arrival, Kind, recognised, stem_of
from shared.domain.near_configs import beginnings, config_stem, meant_for


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
        ("a b .csv", "a b"),
        ("bank\u200b.csv", "bank"),
        ("bank \u00a0\ufeff.CSV.gz", "bank"),
        ("می\u200cخواهم.csv", "می\u200cخواهم"),
        ("👩\u200d💻.csv", "👩\u200d💻"),
        ("größe 🙂.csv", "größe 🙂"),
        ("שלום.csv", "שלום"),
        ("v1.2.csv", "v1.2"),
        ("_x.csv", "_x"),
        ("n" * MAX_NAME + ".csv", "n" * MAX_NAME),
    ],
)
def test_tables(blob: str, dataset: str) -> None:
    assert recognised(blob) == Arrival(Kind.TABLE, dataset)


@pytest.mark.parametrize(
    ("blob", "dataset"),
    [
        ("bank.score.csv", "bank"),
        ("bank.SCORE.CSV", "bank"),
        ("bank.Score.csv.Gz", "bank"),
        ("2024/bank.score.tsv", "2024/bank"),
        ("v1.2.score.csv", "v1.2"),
        ("bank .score.csv", "bank"),
        ("bank\u200b.score .csv", "bank"),
        ("n" * MAX_NAME + ".score.csv", "n" * MAX_NAME),
    ],
)
def test_files_to_score_are_for_the_dataset_of_their_name(blob: str, dataset: str) -> None:
    assert recognised(blob) == Arrival(Kind.SCORE, dataset)


@pytest.mark.parametrize(
    "blob", ["score.csv", "bank_score.csv", "bank-score.tsv", "bank.scores.csv", "x/score.csv"]
)
def test_a_name_that_speaks_of_scores_alone_is_a_tables(blob: str) -> None:
    assert recognised(blob).kind is Kind.TABLE


def test_files_to_score_have_no_configuration_of_their_own() -> None:
    found = recognised("2024/bank.score.yaml")
    assert (found.kind, found.code) == (Kind.OTHER, "misnamed-config")
    assert found.remedy == "Write what it says into 2024/bank.yaml."


@pytest.mark.parametrize(
    ("blob", "stem"),
    [("x/bank.score.csv.gz", "bank.score"), ("bank.CSV", "bank"), ("bank", "bank"), ("a.tsv", "a")],
)
def test_the_stem_of_a_table(blob: str, stem: str) -> None:
    assert stem_of(blob) == stem


@given(st.text(max_size=300), st.text(max_size=40), st.floats(0, 4e9))
def test_the_batch_of_a_file_has_a_name_that_a_path_can_hold(blob: str, etag: str, modified: float) -> None:
    found = dropped_id("incoming", blob, etag, modified)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}", found)
    assert found == dropped_id("incoming", blob, etag, modified)
    assert found != dropped_id("incoming", blob, etag + "x", modified)


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
        ("bank.yaml.txt", "bank.yaml"),
        ("x/bank.yml.txt", "x/bank.yaml"),
        ("bank.csv.yaml.TXT", "bank.yaml"),
        ("bank .yaml", "bank.yaml"),
        ("x/bank\u200b.yml", "x/bank.yaml"),
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
        ("bank.csv.bak", ".bak", "as bank.csv."),
        ("bank.csv.txt", ".txt", "as bank.csv."),
        ("a/bank.TSV.old", ".old", "as bank.csv."),
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
    ["a\x00b.csv", "a\x1b[2J.csv", "a\ufffeb.csv", "a\ud800.csv", "\U0001ffff.csv", "gpj\u202evsc.csv", "gpj\u202e.csv",
     "a\n.csv", "\u200bbank.csv", "\ufeffbank.yaml", "ba\u00adnk.csv", " bank.csv", "x/\u00a0bank.csv", " .csv", "a/\u200b.tsv",
     "a\\b.csv", ".csv", "a/.csv", "a/.CSV.GZ", ".tsv", "a/.yaml",
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
    st.text(max_size=60),
    st.sampled_from(
        [".csv", ".score.csv", ".CSV", ".yaml", ".score.yaml", ".yml", ".csv.gz", ".xlsx", "", ".", "/"]
    ),
)
def test_every_name_means_one_thing(stem: str, ending: str) -> None:
    found = recognised(stem + ending)
    assert bool(found.dataset) == (found.kind in (Kind.TABLE, Kind.SCORE, Kind.CONFIG))
    assert bool(found.code and found.message and found.remedy) == (found.kind is Kind.OTHER)


@pytest.mark.parametrize("blob", ["bank.yaml.txt", "bank.yml.txt"])
def test_an_ending_that_systems_hide_is_named(blob: str) -> None:
    assert ".txt, may be hidden" in recognised(blob).message
    assert "hidden" not in recognised("bank.yml").message


@pytest.mark.parametrize(
    "name",
    [
        "people.yml",
        "people.csv.yaml",
        "people.yaml.txt",
        "people.yml.txt",
        "People.yml",
        "PEOPLE.YAML",
        "People.yaml",
        "people_config.yml",
        "people-config.yaml",
        "people.config.yaml",
        "people_settings.yaml.txt",
        "people.conf.yml",
        "people (1).yaml",
        "people - Copy.yaml",
        "people_dropml.yaml",
        "people.yaml.yml",
    ],
)
def test_names_near_a_configurations_are_known(name: str) -> None:
    for folder in ("", "2024/", "a//"):
        assert meant_for(folder + name, f"{folder}people")
        stem = config_stem(folder + name)
        assert stem is not None
        assert any(f"{folder}people.csv".startswith(start) for start in beginnings(stem))
    assert any(name.startswith(start) for start in beginnings("people"))
    assert not meant_for(f"x/{name}", "people")


@pytest.mark.parametrize(
    "name",
    [
        "people.yaml",
        "people2.yaml",
        "people_old.yaml",
        "config.yaml",
        "people.txt",
        "people.csv",
        "people",
        ".yaml",
        "peopl.yml",
    ],
)
def test_other_names_are_not(name: str) -> None:
    assert not meant_for(name, "people")


@given(st.text(max_size=40), st.sampled_from([".yaml", ".yml", ".yaml.txt", "_config.yml", ""]))
def test_any_name_can_be_asked_about(stem: str, ending: str) -> None:
    name = stem + ending
    found = config_stem(name)
    assert found is None or (name.startswith(found) and all(beginnings(found)) == bool(found))
    assert (
        meant_for(f"{stem}.yml", stem)
        or not stem
        or stem.lower().endswith((".csv", ".csv.gz", ".tsv", ".yaml", ".yml"))
    )
