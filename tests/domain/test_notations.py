"""A column that stays text for the way its numbers or dates are written is told why, with a value written well."""

from __future__ import annotations

import pytest

from shared.domain.config import DatasetConfig
from shared.domain.rows.cells import explain
from shared.domain.schema import Column
from shared.domain.table.notations import in_plain
from shared.domain.table.odd_notations import ODD
from tests.support.staging_area import staged


def warned(values: list[str]) -> str:
    rows = "".join(f'"{values[i % len(values)]}",{i % 2}\n' for i in range(100))
    return " ".join(staged("c,y\n" + rows, DatasetConfig(), rule=None).warnings)


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        (["1,013,000", "1507"], "commas between thousands"),
        (["14.182,50", "14182.50"], "points between thousands"),
        (["1 507", "2000,5"], "gaps between thousands"),
        (["1,5", "2.25"], "a decimal comma"),
        (["45%", "7.5 %"], "percent signs"),
        (["$1,234.50", "€ 5", "7 EUR"], "currency signs"),
        (["1 234,5 %", "45 %"], "percent signs"),
        (["1 234,50 €", "5 €"], "currency signs"),
        (["1\u00a0234,50 €", "2\u202f234,50 €"], "currency signs"),
        (["CHF 1'234.50", "CHF 1’234.50", "€ 1 234,50"], "currency signs"),
        (["(5 €)", "$-5"], "currency signs"),
        (["3 993 kr", "1 234,50 zł", "Fr. 1'234.50"], "currencies that are not read"),
        (["12.-", "1'234.—", "12.50"], "a dash in place of cents"),
        (["12,- €", "CHF 12.-", "1 234,-- kr"], "a dash in place of cents"),
        (["(1 234)", "−1 234", "1 234-", "- 1 234"], "a minus behind the number"),
        (["1 234 kg", "<1 000"], "units behind numbers"),
        (["31/01/2024", "01/02/2024"], "day and month"),
        (["1.2.24", "3.4.24"], "day and month"),
    ],
)
def test_the_cause_is_named(values: list[str], cause: str) -> None:
    said = warned(values)
    assert cause in said
    assert "write" in said


def test_the_setting_that_reads_amounts_with_gaps_is_named() -> None:
    values = ["1 234,50 €", "5 €"]
    assert "say `numbers: [currency]`" in warned(values)
    rows = "".join(f'"{values[i % 2]}",{i % 3 % 2}\n' for i in range(100))
    assert (
        staged("c,y\n" + rows, DatasetConfig(numbers=("currency",)), rule=None).schema.columns[0].type
        == "number"
    )


@pytest.mark.parametrize("values", [["Bern", "1,5"], ["1.5", "2"], ["2024-01-31"], ["yes", "no"]])
def test_plain_text_and_plain_values_are_not_told_of(values: list[str]) -> None:
    assert "write" not in warned(values)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ("1,013,000.5", "1013000.5"),
        ("14.182,50", "14182.50"),
        ("2 000,5", "2000.5"),
        ("-,5", "-0.5"),
        ("+7,25", "7.25"),
        ("7,5 %", "7.5"),
        ("$1,234.50", "1234.50"),
        ("($12)", "-12"),
        ("-€ 5", "-5"),
        ("CHF 1'234.50", "1234.50"),
        ("1 234,5 %", "1234.5"),
        ("-1 234,50 zł", "-1234.50"),
        ("12,- €", "12"),
        ("(1 234,5)", "-1234.5"),
        ("−5", "-5"),
        ("1,10,100", "110100"),
        ("1,5E+03", "1.5E+03"),
        ("20.5 °C", "20.5"),
        ("<5", None),
        ("12 34 €", None),
        ("31/01/2024", None),
        ("Bern", None),
    ],
)
def test_a_number_is_written_plainly(value: str, plain: str | None) -> None:
    """The caller's own number, not another one, stands in the refusal of it."""
    assert in_plain(value) == plain
    said = explain("wrong-type", Column("price", "number"), value)
    assert (plain is None) or f"write {plain} for {value}." in said


def test_a_number_in_its_columns_notation_is_told_as_json_has_it() -> None:
    column = Column("price", "number", notation="1.234,56")
    assert explain("wrong-type", column, "9.876,5").endswith("without quotation marks: 9876.5.")
    assert explain("wrong-type", column, "abc").endswith("without quotation marks.")


@pytest.mark.parametrize(
    "text", ["1" * 300_000 + "x", "-" + " " * 300_000 + "x", "1," * 150_000 + "x", "1 111" * 60_000]
)
def test_a_cell_without_end_is_looked_at_once(text: str) -> None:
    """Read twice over, such a cell would hold the whole process for minutes."""
    assert [name for pattern, name, _ in ODD if pattern.fullmatch(text)] == []


@pytest.mark.parametrize("text", ["1.5D+02", "15d2", "-.5D2", "1.D2"])
def test_an_exponent_with_a_d_is_told(text: str) -> None:
    assert [name for pattern, name, _ in ODD if pattern.fullmatch(text)] == ["exponents with a D"]
