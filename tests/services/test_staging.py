"""A dropped table becomes training data, a holdout and a schema."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.domain.config import DatasetConfig
from shared.domain.documents import from_json, to_json
from shared.domain.errors import InvalidTable
from shared.domain.table.blocks import Block
from shared.domain.table.column_types import MISSING
from shared.domain.table.dialect import Dialect
from shared.domain.table.holdout import HoldoutRule, Splitter
from shared.domain.table.reader import Table
from shared.services.intake.staging import HOLDOUT, MLTABLE, PROFILE, TRAIN, Staged
from tests.support.staging_area import RULE, MemoryArea, people, staged

PLAIN = DatasetConfig(imbalance="off")


def table(area: MemoryArea, name: str) -> list[dict[str, str]]:
    header, *rows = area.rows(name)
    return [dict(zip(header, row, strict=True)) for row in rows]


@pytest.fixture(scope="module")
def area() -> MemoryArea:
    return MemoryArea()


@pytest.fixture(scope="module")
def done(area: MemoryArea) -> Staged:
    return staged(people(400), area=area)


def test_every_row_lands_on_exactly_one_side(done: Staged, area: MemoryArea) -> None:
    train, held = table(area, TRAIN), table(area, HOLDOUT)
    assert sorted(row["code"] for row in train + held) == [f"{i:05d}" for i in range(400)]
    assert (done.rows, done.train_rows, done.holdout_rows) == (400, len(train), len(held))
    assert 20 < len(held) < 70
    assert set(area.blobs) == set(done.paths) == {TRAIN, MLTABLE, HOLDOUT, PROFILE}


def test_the_hash_is_the_original_file_s(done: Staged) -> None:
    assert done.content_hash == hashlib.sha256(people(400).encode()).hexdigest()
    assert done.size == len(people(400))


def test_the_schema_knows_types_ranges_and_categories(done: Staged) -> None:
    columns = {column.name: column for column in done.schema.columns}
    assert {name: column.type for name, column in columns.items()} == {
        "code": "string",  # leading zeros: an identifier
        "age": "integer",
        "income": "number",
        "city": "string",
        "member": "boolean",
        "joined": "datetime",
    }
    assert (columns["age"].minimum, columns["age"].maximum) == (20, 69)
    assert columns["city"].categories == ("Bern", "Oslo", "Rome")
    assert columns["code"].categories is None
    assert not any(column.nullable for column in columns.values())
    assert (done.schema.label, done.schema.classes) == ("y", ("no", "yes"))
    assert done.schema.example[0] == {
        "code": "00000",
        "age": 20,
        "income": 1000.0,
        "city": "Bern",
        "member": True,
        "joined": "2024-01-01",
    }
    assert len(done.schema.example) == 2


def test_weights_even_out_the_classes(done: Staged, area: MemoryArea) -> None:
    train = table(area, TRAIN)
    sums: Counter[str] = Counter()
    for row in train:
        sums[row["y"]] += float(row["dropml_weight"])  # type: ignore[assignment]
    assert sums["yes"] == pytest.approx(sums["no"], rel=1e-4)
    assert sum(sums.values()) == pytest.approx(len(train), rel=1e-4)
    assert "dropml_weight" not in table(area, HOLDOUT)[0]
    assert done.weight_column == "dropml_weight"
    counts = Counter(row["y"] for row in train)
    assert done.class_counts["train"] == counts
    assert done.class_counts["holdout"] == Counter(row["y"] for row in table(area, HOLDOUT))


def test_without_imbalance_handling_there_is_no_weight_column() -> None:
    area = MemoryArea()
    done = staged(people(), PLAIN, area=area)
    assert done.weight_column is None
    assert area.rows(TRAIN)[0][-1] == "y"


def test_the_mltable_spells_out_every_type(done: Staged, area: MemoryArea) -> None:
    doc = yaml.safe_load(area.blobs[MLTABLE])
    assert doc["type"] == "mltable"
    assert doc["paths"] == [{"file": "./data.csv"}]
    read, convert = doc["transformations"]
    assert read["read_delimited"]["support_multi_line"] is True
    assert read["read_delimited"]["infer_column_types"] is False
    assert read["read_delimited"]["header"] == "all_files_same_headers"
    types = {
        name: entry["column_type"] for entry in convert["convert_column_types"] for name in entry["columns"]
    }
    assert types.pop("member") == {
        "boolean": {"mismatch_as": "error", "true_values": ["true"], "false_values": ["false"]}
    }
    assert types.pop("joined") == {"datetime": {"formats": ["%Y-%m-%d"]}}
    assert types == {
        "age": "float",  # next month's file may hold a gap or a decimal
        "income": "float",
        "dropml_weight": "float",
        "code": "string",
        "city": "string",
        "y": "string",
    }


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_delimiter_and_newline_gives_the_same_table(delimiter: str, newline: str) -> None:
    plain, other = MemoryArea(), MemoryArea()
    staged(people(), area=plain)
    done = staged(people(200, delimiter).replace("\n", newline), area=other)
    assert other.blobs == plain.blobs
    assert done.dialect == Dialect(delimiter)


def test_a_byte_order_mark_is_no_part_of_the_first_name() -> None:
    done = staged(b"\xef\xbb\xbf" + people().encode(), chunk=1, block=4)
    assert done.schema.columns[0].name == "code"
    assert done.dialect == Dialect(",", bom=True)


def test_quoted_commas_newlines_and_marks_survive() -> None:
    odd = ['a "quoted" word', "one, two", "first\nsecond", "naïve ☃", "tab\tinside"]
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";")
    writer.writerow(["text", "y"])
    writer.writerows([[odd[i % 5] + str(i), i % 2] for i in range(300)])
    area = MemoryArea()
    done = staged(out.getvalue(), area=area)
    texts = [row["text"] for row in table(area, TRAIN) + table(area, HOLDOUT)]
    assert sorted(texts) == sorted(odd[i % 5] + str(i) for i in range(300))
    assert done.label_type == "integer"


def test_blanks_around_values_and_names_are_trimmed() -> None:
    area, plain = MemoryArea(), MemoryArea()
    staged(people().replace(",", ", "), area=area)
    staged(people(), area=plain)
    assert area.blobs == plain.blobs


def test_missing_values_are_the_empty_cell_and_named_in_a_warning() -> None:
    text = people().replace(",24,", ",NA,").replace(",Oslo,", ",?,").replace(",30,", ",,")
    area = MemoryArea()
    done = staged(text, area=area)
    columns = {column.name: column for column in done.schema.columns}
    assert columns["age"].type == "integer"
    assert columns["age"].nullable
    assert columns["city"].categories == ("Bern", "Rome")
    assert not any("NA" in row or "?" in row for row in area.rows(TRAIN))
    assert "Column 'age': read as missing: 'NA' (4)." in done.warnings
    assert "" not in done.schema.example[0].values()


def test_rows_without_a_label_are_left_out_with_a_warning() -> None:
    lines = people().splitlines(keepends=True)
    for i in (50, 60, 70):
        lines[i] = lines[i].rsplit(",", 1)[0] + ",\n"
    done = staged("".join(lines))
    assert done.rows == 197
    assert any("3 rows without a value" in w and "line 51" in w for w in done.warnings)


def test_none_may_be_a_class() -> None:
    done = staged(people().replace(",no\n", ",None\n"))
    assert done.schema.classes == ("None", "yes")


@pytest.mark.parametrize("rows", [50, 52])
def test_a_file_of_fifty_rows_trains_on_all_of_them(rows: int) -> None:
    area = MemoryArea()
    done = staged(people(rows), rule=HoldoutRule("s", 0.3), area=area)
    assert (done.train_rows, done.holdout_rows, done.holdout_waived) == (rows, 0, True)
    assert len(table(area, TRAIN)) == rows
    assert len(area.rows(HOLDOUT)) == 1
    assert any("none are held out" in w for w in done.warnings)


def test_without_a_rule_nothing_is_held_out() -> None:
    done = staged(people(), rule=None)
    assert (done.train_rows, done.holdout_rows, done.holdout_waived) == (200, 0, False)


def test_a_regression_label_gets_no_weights_and_its_own_type() -> None:
    area = MemoryArea()
    done = staged(people(), DatasetConfig(label="income", task="regression"), area=area)
    assert (done.label_type, done.weight_column, done.class_counts) == ("number", None, {})
    assert "income" in area.blobs[MLTABLE].decode()


@pytest.mark.parametrize(
    ("yes", "no", "kind"), [("1", "0", "integer"), ("true", "false", "string"), ("1.5", "2.5", "string")]
)
def test_labels_keep_their_spelling(yes: str, no: str, kind: str) -> None:
    """Endpoints answer the label as the model saw it; only integers come back as numbers."""
    done = staged(people().replace(",yes\n", f",{yes}\n").replace(",no\n", f",{no}\n"))
    assert done.label_type == kind
    assert done.schema.classes == tuple(sorted((yes, no)))


def test_warnings_tell_of_columns_that_teach_nothing_or_are_not_what_they_seem() -> None:
    lines = ["id;empty;same;mixed;comma;y"]
    lines += [f"{i};;x;{i if i != 150 else 'many'};{i},5;{i % 2}" for i in range(200)]
    done = staged("\n".join(lines))
    told = "\n".join(done.warnings)
    assert "Column 'empty' is empty." in told
    assert "Column 'same' has the same value in every row." in told
    assert "Column 'mixed' is text: it holds 'many' among numbers (once on line 152). Leave cells" in told
    assert "Column 'comma' is read as numbers written like 1234,56: '199,5' is 199.5." in told


def test_the_same_bytes_stage_to_the_same_bytes_however_they_arrive() -> None:
    first, second = MemoryArea(), MemoryArea()
    assert staged(people(3000), area=first, chunk=7) == staged(people(3000), area=second, chunk=1 << 22)
    assert first.blobs == second.blobs


def test_later_versions_keep_the_holdout_whatever_the_order_of_rows_and_columns() -> None:
    v1, v2 = MemoryArea(), MemoryArea()
    staged(people(300), area=v1)
    header, *rows = [line.split(",") for line in people(400).splitlines()]
    turned = [",".join(reversed(row)) for row in [header, *reversed(rows)]]
    staged("\n".join(turned), area=v2)
    held = {row["code"] for row in table(v1, HOLDOUT)}
    trained = {row["code"] for row in table(v2, TRAIN)}
    assert held
    assert not held & trained


def test_the_walkthrough_s_file(reference: Path) -> None:
    file = reference / "data" / "bankmarketing_train.csv"
    area = MemoryArea()
    done = staged(file.read_bytes(), area=area, chunk=1 << 22)
    assert done.rows == 32_950
    assert done.content_hash == "8486deac8524001363f4257f3ece9cb6126beac8070b6b4b8c6e63713217a502"
    assert len(done.schema.columns) == 20
    assert done.schema.classes == ("no", "yes")
    assert 0.09 < done.holdout_rows / done.rows < 0.11
    types = Counter(column.type for column in done.schema.columns)
    assert types == {"string": 10, "integer": 5, "number": 5}
    with file.open(newline="") as original:
        rows = Counter(map(tuple, csv.reader(original)))
    kept = area.rows(HOLDOUT)[1:] + [row[:-1] for row in area.rows(TRAIN)]
    assert Counter(map(tuple, kept)) == rows
    assert done.warnings == []


WORDS = st.sampled_from(
    ["a", "", '"a"', '""', "a b", '"a', 'a"', '"a;b"', '"a,b"', '"a""b"', " a", '" a "', "a,b", "NA", '5"']
)
CELLS = st.text(st.sampled_from("ab01.-e;,|\t\"\n\r'  éNA?☃"), max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(CELLS, CELLS, st.sampled_from(["x", "z"])), min_size=48, max_size=60),
    st.sampled_from(",;\t|"),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.integers(4, 2000),
)
def test_any_table_comes_through_as_a_csv_reader_reads_it(
    rows: list[tuple[str, str, str]], delimiter: str, quoting: int, block: int
) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator="\r\n").writerows(  # type: ignore[arg-type]
        [("first", "second", "y"), *rows, ("q", "r", "x"), ("q", "r", "z")]
    )
    area = MemoryArea()
    done = staged(out.getvalue(), PLAIN, None, area, block=block)
    assert done.rows == len(rows) + 2

    def clean(cell: str) -> str:
        cell = cell.replace("\r\n", "\n").replace("\r", "\n").strip(" \t")
        return "" if cell in MISSING else cell

    expected = [[clean(cell) for cell in row] for row in rows]
    assert area.rows(TRAIN)[1:-2] == expected


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=400),
        st.text(st.sampled_from('ay,;\t|"\n\r 01.é\x00'), max_size=400).map(str.encode),
        st.tuples(st.integers(0, 5000), st.binary(min_size=1, max_size=8)).map(
            lambda edit: (raw := people(120).encode())[: edit[0]] + edit[1] + raw[edit[0] + len(edit[1]) :]
        ),
    ),
    st.integers(4, 300),
)
@example(b'a,y\n"' + b"x" * 10 + b"\n\xff", 4)
@example("y,\u2028\n".encode() * 60, 5)
def test_any_bytes_give_exactly_one_verdict(data: bytes, block: int) -> None:
    area, refused = MemoryArea(), None
    try:
        done = staged(data, area=area, block=block)
    except InvalidTable as error:
        refused = error
    if refused is not None:
        assert area.blobs == {}
        assert refused.error_code != InvalidTable.code
        assert refused.remedy
        assert refused.content_hash == hashlib.sha256(data).hexdigest()
    else:
        assert set(area.blobs) == set(done.paths)
        assert done.train_rows == len(area.rows(TRAIN)) - 1
        assert done.holdout_rows == len(area.rows(HOLDOUT)) - 1
        assert b"\0" not in area.blobs[TRAIN]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=20),
    st.sampled_from(",;"),
    st.integers(4, 3000),
)
def test_the_quick_way_and_the_parser_read_the_same(
    cells: list[tuple[str, str]], delimiter: str, block: int
) -> None:
    data = people(60, delimiter)
    for i, (left, right) in enumerate(cells):
        row = (f"{i}", "7", "1.5", left, right, "2024-01-01", "no")
        data += delimiter.join(row) + "\n"
    outcomes: list[tuple[object, dict[str, bytes]]] = []
    for quick in (True, False):
        area = MemoryArea()
        with patch.object(Table, "_split", Table._split if quick else lambda self, text: None):
            try:
                outcomes.append((staged(data, area=area, block=block), area.blobs))
            except InvalidTable as error:
                outcomes.append((error.to_dict(), {}))
    assert outcomes[0] == outcomes[1]


def test_the_rule_is_kept_with_the_dataset() -> None:
    assert from_json(to_json(RULE), HoldoutRule) == RULE
    everything = Block([["a", "b"], ["c", "d"]], range(2), plain=True)
    assert Splitter(HoldoutRule("s", 1.0), ["p", "q"]).held(everything) == [True, True]
    assert Splitter(HoldoutRule("s", 0.0), ["p", "q"]).held(everything) == [False, False]


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (["Yes", "yes", "YES", "no"], "'YES' and 'Yes' and 'yes'"),
        (["1", "1.0", "2"], "'1' and '1.0'"),
        (["01", "1", "10"], "'01' and '1'"),
        (["Straße", "STRASSE", "x"], "'STRASSE' and 'Straße'"),
        (["high  risk", "high risk", "low"], "'high  risk' and 'high risk'"),
        (["Approved", "Аpproved", "no"], "with CYRILLIC CAPITAL LETTER A"),
        (["yes", "ｙｅｓ", "no"], "with FULLWIDTH LATIN SMALL LETTER Y"),
        (["<=50K", "<=50K.", ">50K"], "'<=50K' and '<=50K.'"),
        (["yes;", "yes", "no"], "'yes' and 'yes;'"),
        (["won’t", "won't", "no"], "with RIGHT SINGLE QUOTATION MARK"),
        (["semi–skilled", "semi-skilled", "no"], "with EN DASH"),
        (["in-person", "in_person", "in person", "no"], "'in person' and 'in-person' and 'in_person'"),
        (["Year-End", "year_end", "no"], "'Year-End' and 'year_end'"),
        (["❤\ufe0f", "❤", "no"], "with VARIATION SELECTOR-16"),
        (["yes\x01", "yes", "no"], "'yes' and 'yes\\x01'"),
        (["A-", "A", "-1", "1"], ""),
        (["1-2", "12", "1_2"], ""),
        (["yes", "no"], ""),
        (["1.5", "2.5", "1"], ""),
        (["да", "нет"], ""),
    ],
)
def test_classes_that_differ_in_case_or_notation_alone_are_warned_of(labels: list[str], told: str) -> None:
    done = staged("x,y\n" + "".join(f"{i},{labels[i % len(labels)]}\n" for i in range(400)))
    assert set(done.schema.classes) == set(labels)
    found = [sentence for sentence in done.warnings if "differ in case or notation" in sentence]
    assert len(found) == bool(told)
    assert told in " ".join(found)


@pytest.mark.parametrize("spooled", [0, 3_000, 8 << 20])
def test_rows_that_are_few_are_weighted_in_memory_and_others_by_a_blob_of_their_own(spooled: int) -> None:
    usual, watched = MemoryArea(), Watched()
    expected = staged(people(400), area=usual)
    with patch("shared.services.intake.staged_rows.SPOOLED", spooled):
        found = staged(people(400), area=watched)
    assert (found, watched.blobs) == (expected, usual.blobs), "whichever way, and nothing else is left behind"
    assert found.weight_column is not None
    assert ("work/train.csv" in watched.written) == (spooled < len(usual.blobs[TRAIN]))


class Watched(MemoryArea):
    """Keeps the names of all that was written, what was deleted again included."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []

    @contextmanager
    def writer(self, name: str) -> Iterator[io.BytesIO]:
        self.written.append(name)
        with super().writer(name) as out:
            yield out
