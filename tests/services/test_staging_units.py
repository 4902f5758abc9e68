"""A row of units below the header: put aside, named, and the columns stay numbers."""

from __future__ import annotations

import pytest

from shared.adapters.packed_rows import RowEngine
from shared.domain.config import DatasetConfig
from shared.domain.table.task import task_of
from shared.services.intake.staging import BAD_ROWS, stage
from tests.support.staging_area import RULE, MemoryArea, refusal, staged


def table(second: str, rows: int = 120, *, number: str = "{}") -> str:
    lines = (
        f"{number.format(50 + i % 40)},{150 + i % 50}.5,2024-01-{1 + i % 28:02},{'Bern' if i % 4 else 'Oslo'},"
        f"{'no' if i % 3 else 'yes'}\n"
        for i in range(rows)
    )
    return f"weight,height,day,city,y\n{second}\n" + "".join(lines)


@pytest.mark.parametrize(
    "second",
    [
        "kg,cm,date,,",
        "(kg),(cm),(yyyy-mm-dd),(name),(yes or no)",
        "[kg],[cm],,,",
        "integer,float,datetime,string,string",
        "kg,,,,",
        "%,,,text,",
        "°C,m/s²,,,",
        "body weight of the person,body height,day of visit,where,what",
        "EUR,EUR,-,-,-",
        "(1-9),(m2),,,",
    ],
)
def test_it_is_put_aside_and_told_and_the_columns_are_numbers(second: str) -> None:
    area = MemoryArea()
    done = staged(table(second), area=area)
    assert [column.type for column in done.schema.columns][:3] == ["integer", "number", "datetime"]
    assert (done.rows, done.bad_rows, done.input_rows) == (120, 1, 121)
    [_, [line, code, reason, row]] = area.rows(BAD_ROWS)
    assert (line, code, row) == ("2", "units-row", second)
    [said] = [sentence for sentence in done.warnings if "units" in sentence]
    assert said.startswith(reason)
    assert repr(second.partition(",")[0]) in reason
    assert "'weight'" in reason
    assert "Remove it from the file" in said


@pytest.mark.parametrize(
    "second",
    [
        "70,cm,2024-01-01,Bern,no",  # a number beside a word: a row like the others
        "kg,180,2024-01-01,Bern,no",
        "unknown,unknown,2024-01-01,Bern,no",
        "unknown,unknown,,Bern,no",
        "n.a.,n/a,,Bern,no",
        "#DIV/0!,#VALUE!,,Bern,no",
        "-,-,-,Bern,no",
        "?,NA,,Bern,no",
        "heavy,,,Bern,no",  # one word that is no unit may be a slip of that row alone
        "A,,,Bern,no",
        '"1,5",45%,2024-01-01,Bern,no',
    ],
)
def test_a_row_like_the_others_is_not(second: str) -> None:
    area = MemoryArea()
    done = staged(table(second), area=area)
    assert (done.rows, done.bad_rows) == (121, 0)
    assert not [sentence for sentence in done.warnings if "row of units" in sentence]


def test_words_in_other_rows_too_make_text_of_the_column() -> None:
    done = staged(table("low,mid,,,no") + "high,190.5,2024-01-01,Bern,no\nlow,high,2024-01-01,Bern,no\n")
    assert (done.rows, done.bad_rows) == (123, 0)


@pytest.mark.parametrize(
    ("second", "number"), [("kg,cm,,,", '"{},5"'), ("kg,cm,,,", '"1,{}3,000"'), ("kg,cm,,,", "{}%")]
)
def test_numbers_in_another_notation_are_numbers(second: str, number: str) -> None:
    done = staged(table(second, number=number), DatasetConfig(numbers=("percent",)))
    assert done.schema.columns[0].type in ("integer", "number")
    assert done.bad_rows == 1


def test_the_label_of_a_regression_and_an_asked_task_are_read_without_it() -> None:
    text = "a,b,price\n(m2),(km),(EUR)\n" + "".join(f"{i},{i % 7},{i}.25\n" for i in range(120))
    config = DatasetConfig(label="price", task="regression")
    assert staged(text, config).label_type == "number"
    assert task_of([text.encode()], config, "regression") == "regression"


def test_no_row_may_be_bad_and_this_one_still_casts_no_doubt_on_others() -> None:
    assert staged(table("kg,cm,,,"), DatasetConfig(max_bad_rows=0)).bad_rows == 1


def test_a_row_of_units_does_not_make_up_the_fewest_rows() -> None:
    assert refusal(table("kg,cm,,,", rows=49)).error_code == "too-few-rows"
    assert staged(table("kg,cm,,,", rows=50)).rows == 50


@pytest.mark.parametrize("second", ["kg,cm,,,", "70,cm,2024-01-01,Bern,no"])
def test_an_engine_for_clean_rows_changes_nothing(second: str) -> None:
    raw = table(second, rows=9000).encode()
    done = [
        stage([raw], MemoryArea(), DatasetConfig(), RULE, "people", engine=engine)
        for engine in (RowEngine(), None)
    ]
    assert done[0] == done[1]


def survey(*below: str) -> str:
    rows = (
        f"2024-01-{1 + i % 28:02} 10:00:00,{20 + i % 40},{i % 3},{'no' if i % 3 else 'yes'}\n"
        for i in range(120)
    )
    return "StartDate,Q1,Q2,y\n" + "".join(f"{line}\n" for line in below) + "".join(rows)


@pytest.mark.parametrize(
    "below",
    [
        # Qualtrics: the questions, then their ids.
        (
            "Start Date,How old are you?,How many?,Would you?",
            '"{""ImportId"":""startDate""}","{""ImportId"":""QID1""}","{""ImportId"":""QID2""}","{""ImportId"":""QID3""}"',
        ),
        ("Start,Age,Count,Answer", "date,integer,integer,string", "meta,,,class"),
        # SurveyMonkey: one word for a number, and an answer that no row gives.
        (",Response,,Open-Ended Response",),
    ],
)
def test_the_questions_of_a_survey_make_no_classes_and_no_text_of_numbers(below: tuple[str, ...]) -> None:
    area = MemoryArea()
    done = staged(survey(*below), DatasetConfig(imbalance="off"), area=area)
    assert done.class_counts["train"].keys() == {"yes", "no"}
    assert [column.type for column in done.schema.columns] == ["datetime", "integer", "integer"]
    assert (done.rows, done.bad_rows) == (120, len(below))
    assert [row[0] for row in area.rows(BAD_ROWS)[1:]] == [str(line + 2) for line in range(len(below))]
    for line in range(len(below)):
        assert any(f"Line {line + 2} looks like" in told for told in done.warnings)


@pytest.mark.parametrize(
    "below",
    [
        ("pending,pending,pending,no", "pending,pending,pending,yes"),  # results that are not in yet
        ("late,open,due,no", "soon,new,wait,no"),  # with answers as other rows have them
        (",refused,,no",),
    ],
)
def test_first_rows_that_wait_for_their_numbers_are_rows(below: tuple[str, ...]) -> None:
    done = staged(survey(*below))
    assert (done.rows, done.bad_rows) == (120 + len(below), 0)


def test_a_second_header_of_words_alone_is_told_by_the_class_that_it_makes() -> None:
    rows = "".join(f"n{i % 40},c{i % 5},{'no' if i % 3 else 'yes'}\n" for i in range(120))
    done = staged(f"name,city,y\nName of customer,City,Bought?\n{rows}")
    [told] = [told for told in done.warnings if "second header" in told]
    assert "'Bought?' on line 2 alone" in told
    assert not [told for told in staged(f"name,city,y\n{rows}").warnings if "second header" in told]
