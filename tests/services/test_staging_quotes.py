"""Quotation marks that CSV does not know: told with a value, its line and what CSV knows instead."""

from __future__ import annotations

import pytest

from shared.adapters.packed_rows import RowEngine
from shared.domain.config import DatasetConfig
from shared.domain.table.foreign_quotes import bare
from shared.services.intake.staging import stage
from tests.support.staging_area import RULE, MemoryArea, refusal, staged

MARKS = ["'{}'", "‘{}’", "“{}”", "„{}“", "”{}”", "«{}»", "»{}«", "‹{}›", "`{}`", '\\"{}\\"', "「{}」"]
CITIES = ["Bern", "New York", "Łódź", "x"]


def table(mark: str, *, label: str = "{}", rows: int = 120) -> str:
    lines = [
        f"{mark.format(CITIES[i % 4])},{i},{label.format('no' if i % 3 else 'yes')}\n" for i in range(rows)
    ]
    return "city,n,y\n" + "".join(lines)


def told(text: str) -> list[str]:
    return [sentence for sentence in staged(text, block=400).warnings if "CSV does not know" in sentence]


@pytest.mark.parametrize("mark", MARKS)
def test_a_column_of_words_is_told_with_a_value_its_line_and_the_remedy(mark: str) -> None:
    [said] = told(table(mark))
    assert said.startswith("Column 'city' holds its values in quotation marks that CSV does not know")
    assert f"{mark.format('Bern')!r} (line 2)" in said
    assert 'write "Bern" or Bern.' in said


@pytest.mark.parametrize("mark", MARKS)
def test_classes_in_such_marks_are_told_of(mark: str) -> None:
    [said] = told(table("{}", label=mark))
    assert said.startswith("The label 'y' holds its values in quotation marks that CSV does not know")
    assert f"{mark.format('no')!r} (line 3)" in said
    assert 'write "no" or no.' in said


@pytest.mark.parametrize("mark", ["{}", '"{}"', "'{}", "{}'", "l'{}", "«{}"])
def test_words_without_marks_around_all_of_them_are_not(mark: str) -> None:
    assert told(table(mark, label=mark)) == []


def test_one_plain_value_far_below_makes_the_marks_part_of_the_text() -> None:
    assert told(table("'{}'") + "Oslo,1,no\n") == []


@pytest.mark.parametrize("last", ["'Oslo'", "Oslo"])
def test_an_engine_for_clean_rows_changes_nothing(last: str) -> None:
    raw = (table("'{}'", rows=30_000) + f"{last},1,no\n").encode()
    done = [
        stage([raw], MemoryArea(), DatasetConfig(), RULE, "people", engine=engine)
        for engine in (RowEngine(), None)
    ]
    assert done[0] == done[1]
    assert ("CSV does not know" in " ".join(done[0].warnings)) == (last == "'Oslo'")


def test_an_empty_cell_is_no_plain_value() -> None:
    [said] = told("city,n,y\n,1,no\n" + table("'{}'").partition("\n")[2])
    assert "(line 3)" in said


@pytest.mark.parametrize(
    ("cell", "told"), [("“yes”", "'yes' and '“yes”'"), ('"""yes"""', """'"yes"' and 'yes'""")]
)
def test_a_class_with_and_without_marks_is_told_as_one_that_may_be_meant(cell: str, told: str) -> None:
    text = "a,n,y\n" + "".join(f"{i % 7},{i},{['yes', 'no', cell][i % 3]}\n" for i in range(120))
    [said] = [sentence for sentence in staged(text).warnings if "differ in case or notation" in sentence]
    assert told in said


@pytest.mark.parametrize("mark", ["'{}'", "“{}”", "«{}»"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_delimiter_inside_them_is_named_as_what_cuts_the_value(mark: str, delimiter: str) -> None:
    value = mark.format(f"Bern{delimiter} CH")
    lines = ["city,n,y", *(f"{value if i % 2 else mark.format('Oslo')},{i},{i % 3}" for i in range(120))]
    text = "\n".join(lines[:1] + [line.replace(",", delimiter) for line in lines[1:]]) + "\n"
    error = refusal(text.replace("city,n,y", f"city{delimiter}n{delimiter}y"), DatasetConfig())
    assert (error.error_code, error.where["line"]) == ("ragged-row", 3)
    assert "was cut at its delimiter" in error.remedy
    assert f'write "Bern{delimiter}' in error.remedy


@pytest.mark.parametrize("mark", ["'{}'", "“{}”", "`{}`"])
@pytest.mark.parametrize("label", ["y", "outcome"])
def test_a_header_in_such_marks_is_named_where_the_label_is_looked_for(mark: str, label: str) -> None:
    rows = "".join(f"{i},{i % 7},{i % 2}\n" for i in range(120))
    head = ",".join(mark.format(name) for name in ("a", "b", label))
    error = refusal(f"{head}\n{rows}", DatasetConfig(label=label))
    assert error.error_code == "label-missing"
    assert f"The header says {mark.format(label)}, marks and all" in error.remedy
    assert f'write "{label}" or {label} there' in error.remedy


@pytest.mark.parametrize("mark", ["“{}”", "«{}»", "’{}’"])
@pytest.mark.parametrize("label", ["y", "outcome"])
def test_a_label_that_is_named_in_such_marks_is_told_without_them(mark: str, label: str) -> None:
    rows = "".join(f"{i},{i % 7},{i % 2}\n" for i in range(120))
    error = refusal(f"a,b,{label}\n{rows}", DatasetConfig(label=mark.format(label)))
    assert f"Did you mean '{label}'?" in error.message
    assert error.example is not None
    assert (error.example.bad, error.example.good) == (f"label: {mark.format(label)}", f"label: {label}")


@pytest.mark.parametrize(
    ("value", "inside"),
    [
        ("''", ""),
        ("'a'", "a"),
        ("'", None),
        ("a", None),
        ("", None),
        ("“a'", None),
        ('\\"a\\"', "a"),
        ('\\"', None),
    ],
)
def test_what_stands_between_marks(value: str, inside: str | None) -> None:
    assert bare(value) == inside
