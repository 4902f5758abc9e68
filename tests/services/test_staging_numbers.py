"""Numbers as people write them: read where a column is consistent and can be read one way alone, else left and told."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.batches import Layout
from shared.domain.config import DatasetConfig
from shared.domain.problems import InvalidRows
from shared.domain.rows.payloads import parse
from shared.domain.rows.validation import RowValidator
from shared.domain.schema import Column, Earlier
from shared.domain.table.number_notation import NOTATIONS
from shared.domain.table.task import task_of
from shared.services.batches.csv_chunks import check_chunk
from shared.services.intake.staging import HOLDOUT, MLTABLE, PROFILE, TRAIN, Staged, stage
from tests.support.staging_area import MemoryArea, refusal, staged

ROWS = 120


def table(values: list[str], delimiter: str = ";", rows: int = ROWS) -> str:
    """A table whose column `c` holds these values in turn, with a number for each row and a label."""
    out = io.StringIO()
    lines = ([values[i % len(values)], str(i), "no" if i % 3 else "yes"] for i in range(rows))
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows([["c", "n", "y"], *lines])
    return out.getvalue()


def column(done: Staged) -> Column:
    return done.schema.columns[0]


def written(area: MemoryArea) -> dict[str, str]:
    """What stands in `c` of the staged files, by the number of its row."""
    rows = area.rows(TRAIN)[1:] + area.rows(HOLDOUT)[1:]
    return {row[1]: row[0] for row in rows}


def read(values: list[str], *numbers: str, delimiter: str = ";") -> tuple[Column, list[str], str]:
    """The column, its values as they were staged, and what was told of it."""
    area = MemoryArea()
    done = staged(table(values, delimiter), DatasetConfig(numbers=numbers), area=area, block=300)
    kept = written(area)
    assert len(kept) == ROWS
    told = " ".join(sentence for sentence in done.warnings if "'c'" in sentence)
    return column(done), [kept[str(i)] for i in range(len(values))], told


@pytest.mark.parametrize(
    ("values", "plain", "kind", "notation"),
    [
        (["1,5", "-2,25", "3", "0,125"], ["1.5", "-2.25", "3", "0.125"], "number", "1234,56"),
        (["14.182,50", "1.013.000", "12"], ["14182.50", "1013000", "12"], "number", "1.234,56"),
        (["1,507.5", "985", "1,013,000"], ["1507.5", "985", "1013000"], "number", "1,234.56"),
        (["1,013,000", "985"], ["1013000", "985"], "integer", "1,234.56"),
        (["1,507", "1.5"], ["1507", "1.5"], "number", "1,234.56"),
        (["1 507", "985"], ["1507", "985"], "integer", "1 234,56"),
        (["1 507,5", "985"], ["1507.5", "985"], "number", "1 234,56"),
        (["1\u00a0507,5", "1\u202f013\u00a0000"], ["1507.5", "1013000"], "number", "1 234,56"),
        (["1'507.5", "985"], ["1507.5", "985"], "number", "1'234.56"),
        (["1’507", "2'000"], ["1507", "2000"], "integer", "1'234.56"),
        (["1,5", "", "NA"], ["1.5", "", ""], "number", "1234,56"),
    ],
)
@pytest.mark.parametrize("delimiter", [";", "\t", ","])
def test_a_column_that_can_be_read_one_way_alone_is_read(
    values: list[str], plain: list[str], kind: str, notation: str, delimiter: str
) -> None:
    found, kept, told = read(values, delimiter=delimiter)
    assert kept == plain
    assert (found.type, found.notation, found.categories) == (kind, notation, None)
    numbers = [float(value) for value in plain if value]
    assert (found.minimum, found.maximum) == (min(numbers), max(numbers))
    assert "is read as numbers written like" in told


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["1,507", "985"], "'1,507' may be 1507 or 1.507"),
        (["1,5", "1.5"], "a decimal comma"),
        (["1.234,5", "1,234.5"], ""),
        (["1 507", "1507", "1,507.5"], ""),
        (["12,34,567", "1"], ""),
        (["1,5", "Bern"], ""),
        (["45%", "7.5 %"], "percent"),
        (["$5", "$1,234.50"], "currency"),
        (["0,0012", "007"], ""),
        (["192.168.100.200", "10.0.0.1"], ""),
        ([f"{'1.000.000.000.000.000.000.0'[:25]}00", "1,5"], ""),
    ],
)
def test_what_is_mixed_doubtful_or_unsaid_stays_as_it_is_and_is_told(values: list[str], told: str) -> None:
    found, kept, said = read(values)
    assert kept == values
    assert (found.type, found.notation) == ("string", "")
    assert told in said


@pytest.mark.parametrize(
    ("values", "said", "plain"),
    [
        (["1,507", "985"], "decimal-comma", ["1.507", "985"]),
        (["1,507", "985"], "decimal-point", ["1507", "985"]),
        (["1.234", "985"], "decimal-comma", ["1234", "985"]),
        (["1.234", "985"], "decimal-point", ["1.234", "985"]),
        (["1.5", "2.25"], "decimal-comma", ["1.5", "2.25"]),
        (["1,5", "2"], "decimal-point", ["1.5", "2"]),
        (["45%", "-7.5 %"], "percent", ["45", "-7.5"]),
        (["45%", "7,5%"], "percent", ["45", "7.5"]),
        (["$5", "$1,234.50", "($7)", "-$8", "$-9"], "currency", ["5", "1234.50", "-7", "-8", "-9"]),
        (["1.234,50 €", "€ 5", "7 EUR"], "currency", ["1234.50", "5", "7"]),
        (["45%", "0.45"], "percent", ["45%", "0.45"]),
    ],
)
def test_the_configuration_settles_it(values: list[str], said: str, plain: list[str]) -> None:
    found, kept, _ = read(values, said)
    assert kept == plain
    assert (found.type == "string") == (values == ["45%", "0.45"])


def test_points_that_may_part_thousands_are_read_as_decimals_and_told() -> None:
    found, kept, told = read(["1.234", "2.500"])
    assert (found.type, kept) == ("number", ["1.234", "2.500"])
    assert "if its points part thousands, say `numbers: [decimal-comma]`" in told
    assert not read(["1.234", "2.500"], "decimal-point")[2]
    assert not read(["1.234", "2.500"], delimiter=",")[2], "where nothing speaks of decimal commas"
    assert not read(["1.234", "2.5"])[2]


@given(
    name=st.sampled_from(sorted(name for name in NOTATIONS if name[-1] not in "%¤")),
    values=st.lists(
        st.decimals(-(10**7), 10**7, places=2) | st.integers(-5000, 5000), min_size=3, max_size=9
    ),
    block=st.sampled_from([64, 300, 1 << 17]),
)
@settings(max_examples=60, deadline=None)
def test_whatever_is_read_is_the_number_that_was_meant(
    name: str, values: list[Decimal | int], block: int
) -> None:
    notation = NOTATIONS[name]
    signs = str.maketrans({",": notation.thousands, ".": notation.decimal})
    texts = [f"{value:,}".translate(signs) for value in values]
    area = MemoryArea()
    done = staged(table(texts), DatasetConfig(), area=area, block=block)
    kept = [written(area)[str(i)] for i in range(len(texts))]
    if not column(done).notation:
        assert kept == texts, "what is doubtful or plain stays as it is"
    else:
        assert [Decimal(value) for value in kept] == [Decimal(str(value)) for value in values]


@pytest.mark.parametrize("values", [["1,5", "-2,25"], ["1.234,50", "12"], ["1 234", "12"], ["1'234.5", "7"]])
def test_a_file_answers_its_own_rows_by_csv_and_in_batches(values: list[str]) -> None:
    text, area = table(values), MemoryArea()
    done = staged(text, area=area)
    expected = [float(written(area)[str(i)]) for i in range(len(values))]
    validator = RowValidator(done.schema)
    unlabelled = "\n".join(line.rpartition(";")[0] for line in text.splitlines())
    scored = parse(unlabelled.encode(), "text/csv", max_rows=1000).check(validator).rows
    assert [row[0] for row in scored[: len(values)]] == expected
    records = [line.split(";") for line in text.splitlines()[1:]]
    chunk = check_chunk(records, Layout(["c", "n", "y"], ";"), validator)
    assert chunk.failed == 0
    assert chunk.rows == scored
    assert {example["c"] for example in done.schema.example} <= set(expected)


def test_cells_that_programs_write_are_read_too_and_doubtful_ones_are_refused() -> None:
    validator = RowValidator(staged(table(["1,5", "2,25"])).schema)

    def score(cell: str) -> object:
        return parse(f"c;n\n{cell};1\n".encode(), "text/csv", max_rows=9).check(validator).rows[0][0]

    assert score("1.5") == score("1,5") == 1.5
    with pytest.raises(InvalidRows) as caught:
        score("1.234")
    assert "In CSV it is written like 1234,56 or 1234.56" in caught.value.issues[0].message


@pytest.mark.parametrize("values", [["1,5", "2,25"], ["1.5", "2.25"]])
def test_a_text_in_json_is_no_number_whatever_the_file_wrote(values: list[str]) -> None:
    validator = RowValidator(staged(table(values)).schema)
    with pytest.raises(InvalidRows) as caught:
        validator.check_records([{"c": "1,5", "n": 1}])
    message = caught.value.issues[0].message
    assert 'Field "c" must be a number, not "1,5".' in message
    assert "without quotation marks" in message or "write 1.5 for 1,5" in message


def test_a_label_of_a_regression_is_read_alike_and_a_class_keeps_its_words() -> None:
    text = table(["1,5", "14.182,50", "3"])
    area, regression = MemoryArea(), DatasetConfig(label="c", task="regression", drop=("y",))
    done = staged(text, regression, area=area, block=300)
    assert done.label_type == "number"
    assert {row[0] for row in area.rows(TRAIN)[1:]} == {"1.5", "14182.50", "3"}
    assert any("'c' is read as numbers written like 1.234,56" in told for told in done.warnings)
    area = MemoryArea()
    classes = staged(text, DatasetConfig(label="c", drop=("y",)), area=area)
    assert classes.schema.classes == ("1,5", "14.182,50", "3")
    assert {row[0] for row in area.rows(TRAIN)[1:]} == {"1,5", "14.182,50", "3"}


@pytest.mark.parametrize(
    ("values", "line", "said"),
    [
        (["1", "1,507", "985"], 3, "numbers: [decimal-comma]"),
        (["1", "45%"], 3, "task: classification"),
        (["45%", "5%"], 2, "numbers: [percent]"),
        (["1,5", "many"], 2, "task: classification"),
    ],
)
def test_a_label_of_a_regression_that_stays_text_is_refused_at_its_line(
    values: list[str], line: int, said: str
) -> None:
    error = refusal(table(values), DatasetConfig(label="c", task="regression"))
    assert (error.error_code, error.where["line"]) == ("label-not-numeric", line)
    assert said in error.remedy


def test_a_column_that_was_text_for_its_commas_stays_text_in_later_versions() -> None:
    text, area = table(["1,5", "2"]), MemoryArea()
    known = staged(text).schema
    before = replace(known, columns=(Column("c", "string"), known.columns[1]))
    done = stage([text.encode()], area, DatasetConfig(), None, "people", Earlier("people-1-a1", before))
    assert (column(done).type, column(done).notation) == ("string", "")
    assert {row[0] for row in area.rows(TRAIN)[1:]} == {"1,5", "2"}
    assert any("'c' was text in people-1-a1 and stays text" in told for told in done.warnings)


@pytest.mark.parametrize("imbalance", ["weight", "off"])
def test_types_and_weights_are_those_of_a_file_that_programs_wrote(imbalance: str) -> None:
    config = DatasetConfig(imbalance=imbalance)  # type: ignore[arg-type]
    areas = MemoryArea(), MemoryArea()
    people, programs = (
        staged(table(values), config, area=area, rule=None)
        for values, area in zip((["1,5", "2"], ["1.5", "2"]), areas, strict=True)
    )
    assert areas[0].blobs == areas[1].blobs
    assert {TRAIN, MLTABLE, HOLDOUT, PROFILE} == set(areas[0].blobs)
    assert people.weights == programs.weights


def test_a_label_of_many_decimal_commas_is_a_quantity() -> None:
    values = [f"{i},{i % 9 + 1}" for i in range(ROWS)]
    config = DatasetConfig(label="c")
    assert task_of([table(values).encode()], config, "regression") == "regression"
    assert task_of([table(["many", *values]).encode()], config, "regression") == "regression"
    assert task_of([table(["many", "more"]).encode()], config, "regression") == "classification"
    assert task_of([table(["1,5", "2"]).encode()], config, "regression") == "classification"


@pytest.mark.parametrize(
    ("first", "other"), [("1.234,5", "1,234.5"), ("1,5", "2.5"), ("1.234.567", "1,234,567.5"), ("2.5", "1,5")]
)
def test_two_notations_in_a_column_are_told_with_a_line_of_each(first: str, other: str) -> None:
    text = "".join(f'"{first if i < 60 else other}",{i},{"no" if i % 3 else "yes"}\n' for i in range(120))
    told = " ".join(staged("c,n,y\n" + text, block=300).warnings)
    assert f"{first!r} (line 2)" in told
    assert f"{other!r} (line 62)" in told
    assert "write all of its numbers alike" in told


def test_two_notations_in_the_label_of_a_regression_are_told_with_a_line_of_each() -> None:
    text = "".join(f'"{"1.234,5" if i < 60 else "1,234.5"}",{i}\n' for i in range(120))
    error = refusal("y,n\n" + text, DatasetConfig(task="regression"))
    assert "'1.234,5' (line 2) and '1,234.5' (line 62)" in error.message


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("'12'", "quotation marks that CSV does not know around numbers"),
        ("“12,5”", "quotation marks that CSV does not know around numbers"),
        ("„12‘", "quotation marks that CSV does not know around numbers"),
    ],
)
def test_numbers_that_a_program_wrapped_stay_text_and_are_told_with_a_line(value: str, told: str) -> None:
    found, _, warnings = read(["7", "8", value, value])
    assert found.type == "string"
    assert told in warnings
    assert f"such as {value!r} (line 4); write " in warnings


def test_columns_whose_names_differ_in_case_alone_are_told_with_their_line() -> None:
    text = "Age,age,y\n" + "".join(f"{i},{i % 7},{'yes' if i % 2 else 'no'}\n" for i in range(ROWS))
    done = staged(text)
    assert [w for w in done.warnings if "'Age', 'age' (line 1) differ in case alone" in w]
    assert [column.name for column in done.schema.columns][:2] == ["Age", "age"]
