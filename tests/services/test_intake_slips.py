"""What people get wrong most often, each told with its cause and the way out."""

from __future__ import annotations

import json

import pytest

from shared.domain.config import DatasetConfig
from shared.domain.config_sources import effective
from shared.domain.errors import InvalidConfig
from tests.services.test_quarantine import Desk
from tests.support.staging_area import people, refusal, staged


def test_a_file_of_which_no_row_is_left_is_offered_no_release() -> None:
    desk = Desk()
    header, *rows = people().splitlines()
    run_id = desk.refused("\n".join([header, *(row + "," for row in rows)]))
    view = desk.show(run_id)
    assert "max_bad_rows:" not in view.problem.remedy
    assert "ends with a delimiter" in view.problem.remedy
    assert view.actions == ("discard",)
    assert desk.code(run_id, "release") == "not-releasable"
    assert view.problem.message in view.obstacles["release"]


def test_one_bad_row_too_many_tells_how_many_may_be_and_what_would_do() -> None:
    lines = people(240).splitlines()
    lines[7] = "1,2"
    error = refusal("\n".join(lines))
    assert "1 of 240 rows can't be read; at most 0 may be" in error.message
    assert "0.001 of 240 is 0" in error.message
    assert "max_bad_rows: 1 " in error.remedy
    assert staged("\n".join(lines), DatasetConfig(max_bad_rows=1)).bad_rows == 1


def test_dates_in_two_notations_are_told() -> None:
    rows = "".join(f"{('2024-03-05', '05/03/2024')[i % 2]},{i},{i % 3 % 2}\n" for i in range(100))
    assert any(
        "dates whose day" in said and "'05/03/2024'" in said for said in staged("d,x,y\n" + rows).warnings
    )


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (json.dumps([{"a": i, "y": 1} for i in range(60)], indent=1), "JSON"),
        ("\n".join(json.dumps({"a": i, "y": 1}) for i in range(60)), "JSON"),
        ("\n<!DOCTYPE html>\n<html><body>Sign in, please</body></html>", "HTML"),
        ('<?xml version="1.0"?>\n<rows><row a="1,2"/></rows>', "XML"),
    ],
)
def test_another_format_is_called_by_its_name(text: str, kind: str) -> None:
    error = refusal(text)
    assert error.error_code == "no-table"
    assert f"This is {kind}, not CSV" in error.message


def test_a_header_in_angle_brackets_is_no_xml() -> None:
    table = people().replace("code,age,", "<CODE>,<AGE>,", 1)
    assert staged(table).rows == 200


@pytest.mark.parametrize("title", ["Report\n", "Report 2024, Q1\nfor the board\n\n", "Report,,,,,,\n"])
def test_a_title_above_the_header_is_told_with_the_header_s_line(title: str) -> None:
    assert (
        f"header seems to be on line {title.count(chr(10)) + 1}; remove" in refusal(title + people()).remedy
    )


@pytest.mark.parametrize("ragged", ["1;2", "1", "1;2;3;4;5"])
@pytest.mark.parametrize("delimiter", [";", "|", ":"])
def test_decimal_commas_make_no_title_of_a_sound_header(delimiter: str, ragged: str) -> None:
    lines = ["age;weight;city;y", *[f"3{i % 10};85,{i % 7};Oslo;{('no', 'yes')[i % 2]}" for i in range(100)]]
    if delimiter != ":":
        lines.insert(30, ragged)
        refused = refusal("\n".join(lines).replace(";", delimiter))
        assert refused.error_code == "ragged-row"
        assert "header seems" not in refused.remedy
    error = refusal("\n".join(lines).replace(";", delimiter), DatasetConfig(label="outcome"))
    assert error.error_code == "label-missing"
    assert "header seems" not in error.remedy


@pytest.mark.parametrize(
    "title",
    [
        "Report, 2024\n",
        "Report; 2024\n",
        "Report\n",
        "Persons, all; Bern\n",
        "Report\nExported, 2024-01-01\n",
    ],
)
def test_a_title_with_a_delimiter_is_told_above_decimal_commas_all_the_same(title: str) -> None:
    rows = "".join(f"3{i % 10};85,{i % 7};Oslo;{('no', 'yes')[i % 2]}\n" for i in range(100))
    line = title.count("\n") + 1
    assert f"header seems to be on line {line}; remove" in refusal(f"{title}age;weight;city;y\n{rows}").remedy


def test_a_line_of_delimiters_above_the_header_is_passed_over_and_told() -> None:
    done = staged(",,,\n;;\n" + people())
    assert done.rows == 200
    assert "2 rows without any value were passed over." in done.warnings


def test_a_file_without_a_header_is_told_so() -> None:
    assert "first line looks like data" in refusal(people().partition("\n")[2]).remedy


def test_the_file_that_names_the_label_wrongly_is_named() -> None:
    desk = Desk()
    desk.put("slips.yaml", "label: Y\n")
    remedy = desk.show(desk.refused(people(), "slips.csv")).problem.remedy
    assert "slips.yaml says label: Y; write label: y" in remedy
    other = desk.show(desk.refused(people().replace(",y\n", ",outcome\n", 1), "plain.csv")).problem.remedy
    assert "in a file plain.yaml beside plain.csv" in other


def test_a_label_that_yaml_has_cut_is_told_as_it_is_to_be_written() -> None:
    desk = Desk()
    desk.put("slips.yaml", "label: y #1\n")
    found = desk.show(desk.refused(people().replace(",y\n", ",y #1\n", 1), "slips.csv")).problem
    assert 'slips.yaml says label: y; write label: "y #1"' in found.remedy
    desk.put("slips.yaml", 'label: "y #1"\n')
    taken = str(desk.drop("slips.yaml"))
    assert desk.states()[taken] == "deploying"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("said", ["auto", "utf-16"])
def test_utf_16_without_its_mark_is_told_the_word_that_reads_it(encoding: str, said: str) -> None:
    data = people().encode(encoding)
    assert f"`encoding: {encoding}`" in refusal(data, DatasetConfig(encoding=said)).remedy
    assert staged(data, DatasetConfig(encoding=encoding)).rows == 200


def test_a_short_name_of_an_algorithm_is_told_both_long_ones() -> None:
    with pytest.raises(InvalidConfig, match="did you mean XGBoostClassifier or XGBoostRegressor"):
        effective(DatasetConfig(), b"blocked_algorithms: [Knn, XGBoost]\n")


@pytest.mark.parametrize(
    ("text", "line"), [(b"label: y\n  max_trials: 3\n", 2), (b"  label: y\nmax_trials: 3\n", 1)]
)
def test_an_indented_line_is_named(text: bytes, line: int) -> None:
    with pytest.raises(InvalidConfig) as caught:
        effective(DatasetConfig(), text)
    assert f"Line {line} is indented; remove the blanks" in caught.value.remedy


def test_a_word_that_counts_as_empty_in_the_label_is_named() -> None:
    assert "The word 'null' counts as empty" in refusal(people().replace(",no\n", ",null\n")).message


def test_the_lines_shown_are_those_of_the_file_that_is_wrong() -> None:
    desk = Desk()
    desk.put("slips.yaml", "label: y\nmax_trials: many\n")
    lines = desk.show(desk.refused(people(), "slips.csv")).lines
    assert [(line.text, line.wrong) for line in lines if line.wrong] == [("max_trials: many", True)]
