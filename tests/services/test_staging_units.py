"""A row of units below the header: put aside, named, and the columns stay numbers."""

from __future__ import annotations

import pytest

from shared.adapters.packed_rows import pack
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
        stage([raw], MemoryArea(), DatasetConfig(), RULE, "people", pack=engine) for engine in (pack, None)
    ]
    assert done[0] == done[1]
