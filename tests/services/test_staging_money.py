"""Amounts of money and shares: read where all of a column are of one kind, else text, and told why."""

from __future__ import annotations

import pytest

from shared.domain.config import DatasetConfig
from tests.services.test_staging_numbers import column, read, table
from tests.support.staging_area import refusal, staged


@pytest.mark.parametrize(("first", "other"), [("$5", "€5"), ("1.234,50 €", "1.234,50 £"), ("CHF 5", "5 EUR")])
@pytest.mark.parametrize("said", [(), ("currency",)])
def test_amounts_in_two_currencies_are_no_quantity_and_told_with_a_line_of_each(
    first: str, other: str, said: tuple[str, ...]
) -> None:
    text = table([first] * 60 + [other] * 60)
    done = staged(text, DatasetConfig(numbers=said), block=300)
    told = " ".join(done.warnings)
    assert (column(done).type, column(done).notation) == ("string", "")
    assert "Two currencies stand in it, " in told
    assert f"{first!r} (line 2)" in told
    assert f"{other!r} (line 62)" in told
    assert "say `numbers" not in told


def test_one_currency_may_be_written_in_two_ways() -> None:
    assert read(["5 €", "7 EUR", "EUR 9"], "currency")[1] == ["5", "7", "9"]


def test_a_quantity_in_two_currencies_is_refused_with_a_line_of_each() -> None:
    text = "".join(f'"{"$5" if i < 60 else "€6"}",{i}\n' for i in range(120))
    error = refusal("y,n\n" + text, DatasetConfig(task="regression", numbers=("currency",)))
    assert "two currencies stand in it, '€6' (line 62) and '$5' (line 2)" in error.message
    assert "Write all amounts in one currency" in error.remedy


def test_amounts_in_two_currencies_are_classes_and_may_be_a_quantity() -> None:
    text = "".join(f"{('$5', '€6', '$7')[i % 3]},{i}\n" for i in range(120))
    told = " ".join(staged("y,n\n" + text).warnings)
    assert "holds numbers with currency signs ('$5', line 2)" in told


@pytest.mark.parametrize(("sign", "said"), [("%", "percent"), (" €", "currency")])
def test_signs_that_some_numbers_lack_are_told_where_they_were_to_be_read(sign: str, said: str) -> None:
    found, kept, told = read([f"5{sign}", "6"], said)
    assert (found.type, kept) == ("string", [f"5{sign}", "6"])
    assert f"`numbers: [{said}]` reads a column once all of its numbers have that sign" in told
