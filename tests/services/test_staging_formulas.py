"""Text that a program wrapped in a formula, so that spreadsheets leave it alone: learnt, told once, answered by its text."""

from __future__ import annotations

import pytest

from shared.domain.config import DatasetConfig
from shared.services.intake.staging import HOLDOUT, TRAIN
from tests.support.staging_area import MemoryArea, refusal, staged


def table(cell: str, label: str = "{y}") -> str:
    rows = ((f"{i:05}", "yes" if i % 3 else "no") for i in range(120))
    lines = (f"{cell.format(zip=code)},{i},{label.format(y=y)}\n" for i, (code, y) in enumerate(rows))
    return "zip,n,y\n" + "".join(lines)


@pytest.mark.parametrize("cell", ['="{zip}"', '"=""{zip}"""', ' ="{zip}" '])
def test_leading_zeros_are_kept_and_it_is_told_once(cell: str) -> None:
    area = MemoryArea()
    done = staged(table(cell), area=area, block=300)
    assert done.schema.columns[0].type == "string"
    codes = {row[0] for name in (TRAIN, HOLDOUT) for row in area.rows(name)[1:]}
    assert codes == {f"{i:05}" for i in range(120)}
    [told] = [sentence for sentence in done.warnings if "formula" in sentence]
    assert told.startswith("120 values in a spreadsheet's text formula")
    assert "on line 2: " in told


def test_the_same_rows_with_and_without_formulas_are_the_same_data() -> None:
    plain, wrapped = MemoryArea(), MemoryArea()
    done = [
        staged(table("{zip}"), area=plain),
        staged(table('="{zip}"', '="{y}"'), area=wrapped),
    ]
    assert plain.blobs == wrapped.blobs
    assert done[0].schema == done[1].schema
    assert done[0].class_counts == done[1].class_counts


def test_numbers_in_text_formulas_are_numbers_as_in_quotation_marks() -> None:
    text = "n,m,y\n" + "".join(f'="{i}",="{i}.5",{i % 2}\n' for i in range(120))
    done = staged(text)
    assert [column.type for column in done.schema.columns] == ["integer", "number"]


def test_a_class_answers_the_text_inside() -> None:
    text = "n,m,y\n" + "".join(f'{i},{i * 7 % 11},="0{i % 2}"\n' for i in range(120))
    assert staged(text).schema.classes == ("00", "01")


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_delimiter_inside_one_is_named_as_what_cuts_it(delimiter: str) -> None:
    cell = f'="1{delimiter}5"'
    lines = [["n", "m", "y"], *([cell, str(i), "no" if i % 3 else "yes"] for i in range(120))]
    error = refusal("".join(delimiter.join(line) + "\n" for line in lines))
    assert (error.error_code, error.where["line"]) == ("ragged-row", 2)
    assert f"{cell!r} was cut at its delimiter" in error.remedy
    assert f'write "1{delimiter}5", without the formula' in error.remedy


def test_other_formulas_stay_what_they_are_and_are_not_told_as_read() -> None:
    text = "f,n,y\n" + "".join(f"=A{i}+1,{i},{i % 2}\n" for i in range(120))
    area = MemoryArea()
    done = staged(text, DatasetConfig(), area=area)
    assert "=A7+1" in {row[0] for row in area.rows(TRAIN) + area.rows(HOLDOUT)}
    assert not [sentence for sentence in done.warnings if "formula" in sentence]
