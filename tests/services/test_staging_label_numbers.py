"""A label of numbers as people write them: classes, told; where they are too many, with what makes a quantity of them."""

from __future__ import annotations

import pytest

from shared.domain.config import DatasetConfig
from shared.domain.errors import InvalidTable
from shared.domain.table.task import task_of
from tests.support.staging_area import refusal, staged

ROWS = 400
KINDS = [
    ("{}%", "percent signs", "task: regression and `numbers: [percent]`"),
    ("{}.5 %", "percent signs", "task: regression and `numbers: [percent]`"),
    ("${}", "currency signs", "task: regression and `numbers: [currency]`"),
    ("{} €", "currency signs", "task: regression and `numbers: [currency]`"),
    (
        '"1,{}"',
        "commas between thousands",
        "`numbers: [decimal-comma]` or `numbers: [decimal-point]`, whichever holds",
    ),
    ('"1,{},000"', "commas between thousands", "task: regression"),
    ('"1.{},5"', "points between thousands", "task: regression"),
    ("1'{}", "gaps between thousands", "task: regression"),
    ('"{},5"', "a decimal comma", "task: regression"),
]


def table(form: str, distinct: int) -> str:
    return "a,b,y\n" + "".join(f"{i},{i % 7},{form.format(100 + i % distinct)}\n" for i in range(ROWS))


@pytest.mark.parametrize(("form", "cause", "remedy"), KINDS)
def test_few_are_classes_and_told(form: str, cause: str, remedy: str) -> None:
    done = staged(table(form, 4))
    word = form.format(100).strip('"')
    assert word in done.schema.classes
    [said] = [sentence for sentence in done.warnings if "each a class of its own" in sentence]
    assert f"The label 'y' holds numbers with {cause}" in said
    assert f"{word!r}, line 2)" in said
    assert remedy in said


@pytest.mark.parametrize("distinct", [ROWS, 300])
@pytest.mark.parametrize(("form", "cause", "remedy"), KINDS)
def test_many_are_refused_with_what_makes_a_quantity_of_them(
    form: str, cause: str, remedy: str, distinct: int
) -> None:
    error = refusal(table(form, distinct))
    assert error.error_code == "too-many-classes"
    assert cause in error.message
    assert remedy in error.remedy


@pytest.mark.parametrize(("form", "remedy"), [(form, remedy) for form, _, remedy in KINDS])
def test_many_are_asked_about_where_nobody_says_what_they_are(form: str, remedy: str) -> None:
    with pytest.raises(InvalidTable) as caught:
        task_of([table(form, 300).encode()], DatasetConfig(), "ask")
    assert caught.value.error_code == "task-unclear"
    assert remedy.replace("task: regression", "`task: regression`") in caught.value.remedy
    assert task_of([table(form, 4).encode()], DatasetConfig(), "ask") == "classification"


@pytest.mark.parametrize(
    ("form", "numbers"),
    [
        ("{}%", ("percent",)),
        ("{} €", ("currency",)),
        ('"1,{}"', ("decimal-comma",)),
        ('"1,{},000"', ()),
        ("1'{}", ()),
    ],
)
def test_what_the_remedy_says_is_taken(form: str, numbers: tuple[str, ...]) -> None:
    done = staged(table(form, 300), DatasetConfig(task="regression", numbers=numbers))
    assert done.label_type in ("integer", "number")


@pytest.mark.parametrize("form", ["{}%", "{} €"])
def test_a_regression_without_the_setting_names_it(form: str) -> None:
    error = refusal(table(form, 300), DatasetConfig(task="regression"))
    assert error.error_code == "label-not-numeric"
    assert "`numbers: [" in error.remedy


@pytest.mark.parametrize(
    ("value", "cause", "good"),
    [
        ("(5)", "brackets around numbers below zero", "-5"),
        ("−5", "a minus that is none of the keyboard's", "-5"),
        ('"1,10,100"', "commas before every second digit", "110100"),
        ("5 kg", "units behind numbers", "5"),
        ("12.-", "a dash in place of cents", "12"),
        ("45%", "percent signs", "45"),
        ("007", "a zero in front, as identifiers have", "7"),
        ("-00.5", "a zero in front, as identifiers have", "-0.5"),
        ("9223372036854775808", "more digits than a whole number of 64 bits", "9.22337203685478e+18"),
    ],
)
def test_an_odd_number_in_a_regression_is_told_by_its_notation(value: str, cause: str, good: str) -> None:
    text = "a,b,y\n" + "".join(f"{i},{i % 7},{i % 300}\n" for i in range(ROWS)) + f"1,2,{value}\n"
    error = refusal(text, DatasetConfig(task="regression"))
    bare = value.strip('"')
    assert (error.error_code, error.where["line"]) == ("label-not-numeric", ROWS + 2)
    assert f"it has {cause}; regression needs numbers" in error.message
    assert f"Write {good} for {bare}, or set task" in error.remedy
    assert error.example is not None
    assert (error.example.bad, error.example.good) == (bare, good)


@pytest.mark.parametrize("value", ["n/k", "inf", "<5"])
def test_what_stands_for_no_number_in_a_regression_may_be_left_empty(value: str) -> None:
    text = "a,b,y\n" + "".join(f"{i},{i % 7},{value if i == 9 else i}\n" for i in range(ROWS))
    error = refusal(text, DatasetConfig(task="regression"))
    assert "Correct the value, or leave it empty (up to 20% of the rows may lack a label" in error.remedy
    assert error.example is not None
    assert error.example.good == "0"
    assert staged(text.replace(value, ""), DatasetConfig(task="regression")).rows == ROWS - 1


@pytest.mark.parametrize("form", ["{}", "v{}", "{}.5", "2024-01-{}", "{}% off", "0{}"])
def test_plain_numbers_words_and_dates_are_not_told_of(form: str) -> None:
    text = "a,b,y\n" + "".join(f"{i},{i % 7},{form.format(10 + i % 4)}\n" for i in range(ROWS))
    assert not [
        sentence for sentence in staged(text).warnings if "each a class of its own, which" in sentence
    ]
