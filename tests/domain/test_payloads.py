"""The shapes a caller may send all mean the same rows; what can't be read is refused precisely."""

from __future__ import annotations

import csv
import gzip
import io
import json
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.errors import InvalidInput, Upstream
from shared.domain.problems import InvalidRows, MalformedBody, TooLarge, UnsupportedMedia
from shared.domain.rows import payloads
from shared.domain.rows.cells import MISSING_CELLS
from shared.domain.rows.predictions import read_answer
from shared.domain.rows.validation import RowValidator
from shared.domain.schema import Column, Schema
from shared.domain.schema_change import breaking_changes
from shared.domain.table.invisible import clean
from tests.support.scoring_support import ROW, SCHEMA

VALIDATOR = RowValidator(SCHEMA)
INT64 = st.integers(-(2**63), 2**63 - 1)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "age": INT64,
            "job": st.text(min_size=1).filter(
                lambda s: clean(s).strip() == s and s.isprintable() and s not in MISSING_CELLS
            ),
            "euribor3m": st.floats(allow_nan=False, allow_infinity=False),
            "member": st.one_of(st.none(), st.booleans()),
        }
    ),
    min_size=1,
    max_size=5,
)


def rows_of(body: bytes, content_type: str = "application/json") -> list[list[Any]]:
    return payloads.parse(body, content_type, max_rows=100).check(VALIDATOR).rows


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_all_json_shapes_mean_the_same(rows: list[dict[str, Any]]) -> None:
    columns = ["member", "euribor3m", "job", "age"]
    table = {"columns": columns, "index": ["a"] * len(rows), "data": [[r[c] for c in columns] for r in rows]}
    expected = [[row[name] for name in VALIDATOR.names] for row in rows]
    assert rows_of(json.dumps({"data": rows}).encode()) == expected
    assert rows_of(json.dumps({"input_data": table}).encode()) == expected
    assert rows_of(json.dumps(rows).encode()) == expected


@given(ROWS, st.sampled_from(",;\t|"))
@settings(max_examples=60, deadline=None)
def test_csv_means_the_same(rows: list[dict[str, Any]], delimiter: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(VALIDATOR.names)
    for row in rows:
        writer.writerow(["" if row[n] is None else row[n] for n in VALIDATOR.names])
    expected = [[row[name] for name in VALIDATOR.names] for row in rows]
    assert rows_of(out.getvalue().encode(), "text/csv; charset=utf-8") == expected


def test_a_csv_cell_that_means_no_value_is_none() -> None:
    text = b"age,job,euribor3m,member\n57,NA,1.3,\n"
    with pytest.raises(InvalidRows) as caught:
        rows_of(text, "text/csv")
    assert [(i.code, i.field) for i in caught.value.issues] == [("null-value", "job")]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "invalid-json"),
        (b'{"data": [NaN]}', "invalid-json"),
        (b'{"data": [{"a": 1, "a": 2}]}', "invalid-json"),
        (b'{"data": [{"a": 1}], "data": []}', "invalid-json"),
        (b"[" * 100_000, "invalid-json"),
        (b"[" + b"9" * 5000 + b"]", "invalid-json"),
        (b"\xff\xfe{", "not-utf8"),
        (b'"text"', "unknown-shape"),
        (b"null", "unknown-shape"),
        (b'{"rows": []}', "unknown-shape"),
        (b'{"data": {"age": 1}}', "unknown-shape"),
        (b'{"data": [], "method": "predict"}', "unknown-shape"),
        (b'{"input_data": {"columns": [1], "data": []}}', "unknown-shape"),
        (b'{"input_data": {"columns": ["age"], "data": 7}}', "unknown-shape"),
        (b'{"input_data": {"columns": ["age"], "index": [0], "data": []}}', "unknown-shape"),
        (b'{"input_data": {"columns": [], "data": [], "extra": 1}}', "unknown-shape"),
        (b'{"input_data": {"columns": [], "data": [], "\\ud800": 1}}', "unknown-shape"),
        (b"", "empty-body"),
        (b" \n", "empty-body"),
        (b"[]", "no-rows"),
        (b'{"data": []}', "no-rows"),
    ],
)
def test_what_cannot_be_read_is_named(body: bytes, code: str) -> None:
    with pytest.raises(MalformedBody) as caught:
        payloads.parse(body, "application/json", max_rows=10)
    assert caught.value.error_code == code
    json.dumps(caught.value.to_dict()).encode()


def test_a_name_that_stands_twice_among_very_many_is_found_at_once() -> None:
    """A body within every limit may not keep all other callers waiting for hours."""
    members = ",".join(f'"{n}":0' for n in range(60_000))
    began = time.process_time()
    with pytest.raises(MalformedBody, match="'59999' stands twice"):
        payloads.load_json(f'{{{members},"59999":1}}'.encode())
    assert time.process_time() - began < 5


def test_other_media_and_too_many_rows_are_refused() -> None:
    with pytest.raises(UnsupportedMedia):
        payloads.parse(b"<x/>", "application/xml", max_rows=10)
    with pytest.raises(TooLarge) as caught:
        payloads.parse(json.dumps([ROW] * 11).encode(), "application/json", max_rows=10)
    assert caught.value.error_code == "too-many-rows"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (gzip.compress(b"a\n" * (4 << 20), mtime=0), "text/csv"),
        (b"a\n" * (1 << 20), "text/csv"),
        (b'{"data": [' + b"{}," * (1 << 20) + b"{}]}", "application/json"),
        (b"[" + b"[]," * (1 << 20) + b"[]]", "application/json"),
    ],
    ids=["packed", "rows of a letter", "empty objects", "empty lists"],
)
def test_a_million_crumbs_are_refused_before_anything_is_made_of_them(body: bytes, kind: str) -> None:
    """A body of a few kilobytes took a gigabyte of the app's memory."""
    tracemalloc.start()
    with pytest.raises(TooLarge) as caught:
        payloads.parse(body, kind, max_rows=5000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.error_code == "too-many-rows"
    assert peak < 50 * 2**20


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b'["' + b'\\"[' * 1_300_000, "application/json", "invalid-json"),
        (b'["' + b'\\"[' * 100_001 + b"\\", "application/json", "invalid-json"),
        (gzip.compress(b"\n" * 8_000_000 + b"age,job\n", mtime=0), "text/csv", "no-rows"),
        (gzip.compress(b"sep=;\n" + b"\n" * 8_000_000, mtime=0), "text/csv", "no-rows"),
        (gzip.compress(b"age,job\n" + b"\n" * 8_000_000, mtime=0), "text/csv", "too-many-rows"),
        (gzip.compress(b"age,job\n" + b'""\n' * 2_700_000, mtime=0), "text/csv", "too-many-rows"),
    ],
    ids=["text without end", "and a backslash", "blank above", "behind sep=", "blank below", "empty values"],
)
def test_no_body_holds_the_process_for_seconds(body: bytes, kind: str, code: str) -> None:
    """The first took hours, which no other caller was answered in; the others many seconds for a few kilobytes."""
    began = time.process_time()
    with pytest.raises(InvalidInput) as caught:
        payloads.parse(body, kind, max_rows=5000)
    assert caught.value.error_code == code
    assert time.process_time() - began < 4


def test_blank_rows_among_few_rows_are_passed_over() -> None:
    body = b"\n\nage,job,euribor3m\n" + b",,\n\n" * 40_000 + b"57,technician,1.3\n"
    assert rows_of(body, "text/csv") == [[57, "technician", 1.3, None]]
    with pytest.raises(MalformedBody, match="line 4"):
        rows_of(b'\nsep=,\nage,job\n57,"a"b\n', "text/csv")


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [
        ("koi8-r", "koi8-r"),
        ('"Shift_JIS"', "cp932"),
        ("ISO-8859-15", "iso8859-15"),
        ("utf-16le", "utf-16-le"),
        ("us-ascii", "ascii"),
        ("utf-8", "cp1252"),
        ("", "utf-8"),
    ],
)
def test_a_csv_is_read_in_the_charset_that_is_said(charset: str, encoding: str) -> None:
    """What says UTF-8 is looked at all the same: many programs say it of anything."""
    job = {"koi8-r": "слесарь", "cp932": "技術者", "iso8859-15": "Œuvre €", "ascii": "x"}.get(
        encoding, "Köchin"
    )
    body = f"age,job,euribor3m\n57,{job},1.3\n".encode(encoding)
    assert rows_of(body, f"text/csv; header=present; Charset={charset}") == [[57, job, 1.3, None]]


@pytest.mark.parametrize(
    ("charset", "code", "told"),
    [
        ("klingon", "unsupported-encoding", "'klingon'"),
        ("euc-jp", "not-utf8", "EUC-JP"),
        ("utf-16-le", "not-utf8", "`charset=utf-16-le`"),
    ],
)
def test_a_charset_that_cannot_be_is_told(charset: str, code: str, told: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        rows_of(b"age,job\n57,\xff\xff\n", f"text/csv; charset={charset}")
    assert caught.value.error_code == code
    assert told in caught.value.message
    assert "charset" in caught.value.remedy


@pytest.mark.parametrize(
    ("body", "said"), [(b"null", "is null"), (b"5", "is a number"), (b"[[1]]", None), (b"true", "is true or")]
)
def test_what_a_body_is_stands_in_jsons_own_words(body: bytes, said: str | None) -> None:
    with pytest.raises(InvalidInput) as caught:
        rows_of(body)
    assert said is None or said in caught.value.message
    assert "NoneType" not in caught.value.message


@pytest.mark.parametrize("body", [b"", b"{", b"[NaN]", b"\xff"])
def test_a_door_of_words_says_what_it_takes_itself(body: bytes) -> None:
    """Scoring's shapes are no help where somebody pauses a dataset."""
    with pytest.raises(MalformedBody) as caught:
        payloads.load_json(body, 'Send {"enabled": true}.')
    assert "input_data" not in caught.value.remedy
    assert caught.value.remedy


def test_braces_inside_a_text_are_text() -> None:
    rows = [{**ROW, "job": "{[" * 2000}] * 60
    assert len(rows_of(json.dumps(rows).encode())) == 60


def test_a_header_of_ten_thousand_strangers_is_told_in_a_moment() -> None:
    """A batch's file may bring other columns along; whether one of them is a slip is not worth a minute."""
    wide = RowValidator(
        Schema("y", tuple(Column(f"feature_{n}", "number") for n in range(300)), ("no", "yes"))
    )
    began = time.process_time()
    with pytest.raises(InvalidRows) as caught:
        wide.order([f"col{n}" for n in range(10_000)], others=True)
    assert time.process_time() - began < 2
    assert caught.value.total >= 300


def test_megabytes_of_blanks_above_a_csv_are_passed_over_in_a_moment() -> None:
    """One such request held the process, and all of its callers, for days."""
    began = time.process_time()
    with pytest.raises(InvalidRows):
        rows_of(b" " * 100_000 + b"\nno,such\n1,2\n", "text/csv")
    assert time.process_time() - began < 2


def test_curl_without_a_content_type_works() -> None:
    assert rows_of(json.dumps([ROW]).encode(), "application/x-www-form-urlencoded")
    assert rows_of(json.dumps([ROW]).encode(), "")


def issues(rows: list[Any]) -> list[tuple[str, int | None, str | None]]:
    with pytest.raises(InvalidRows) as caught:
        VALIDATOR.check_records(rows)
    return [(issue.code, issue.row, issue.field) for issue in caught.value.issues]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"age": "57"}, ("wrong-type", 1, "age")),
        ({"age": 57.5}, ("wrong-type", 1, "age")),
        ({"age": True}, ("wrong-type", 1, "age")),
        ({"age": None}, ("null-value", 1, "age")),
        ({"age": 2**63}, ("out-of-range", 1, "age")),
        ({"age": [1]}, ("wrong-type", 1, "age")),
        ({"euribor3m": "1,3"}, ("wrong-type", 1, "euribor3m")),
        ({"euribor3m": float("inf")}, ("out-of-range", 1, "euribor3m")),
        ({"euribor3m": 10**400}, ("out-of-range", 1, "euribor3m")),
        ({"job": 7}, ("wrong-type", 1, "job")),
        ({"job": "\ud800"}, ("not-unicode", 1, "job")),
        ({"member": "yes"}, ("wrong-type", 1, "member")),
        ({"agee": 1}, ("unknown-field", 1, "agee")),
        ({"y": "no"}, ("unknown-field", 1, "y")),
    ],
)
def test_a_bad_value_is_named_by_row_and_field(
    change: dict[str, Any], expected: tuple[str, int, str]
) -> None:
    assert issues([ROW, {**ROW, **change}]) == [expected]


def test_a_missing_field_is_an_error_unless_it_may_be_empty() -> None:
    without_job = {k: v for k, v in ROW.items() if k != "job"}
    without_member = {k: v for k, v in ROW.items() if k != "member"}
    assert issues([without_job]) == [("missing-field", 0, "job")]
    assert VALIDATOR.check_records([without_member]).rows == [[57, "technician", 1.299, None]]


def test_hints_help() -> None:
    with pytest.raises(InvalidRows, match='Did you mean "age"'):
        VALIDATOR.check_records([{**ROW, "agee": 1}])
    with pytest.raises(InvalidRows, match="It is the label"):
        VALIDATOR.check_records([{**ROW, "y": "no"}])


def test_a_whole_float_is_an_integer_and_an_unseen_category_only_warns() -> None:
    checked = VALIDATOR.check_records([{**ROW, "age": 3.0, "job": "astronaut"}])
    assert checked.rows[0][:2] == [3, "astronaut"]
    assert [(w.code, w.row, w.field) for w in checked.warnings] == [("unseen-category", 0, "job")]


def test_many_errors_are_counted_and_few_listed() -> None:
    with pytest.raises(InvalidRows) as caught:
        VALIDATOR.check_records([{**ROW, "age": "x"}] * 1000)
    assert caught.value.total == 1000
    assert str(caught.value.to_dict()["errors"]).count("wrong-type") == 20


def test_table_headers_are_checked() -> None:
    with pytest.raises(InvalidRows) as caught:
        VALIDATOR.check_table(["age", "age", "job"], [[1, 2, "x"]])
    assert [i.code for i in caught.value.issues] == ["duplicate-field", "missing-field"]
    with pytest.raises(InvalidRows) as caught:
        VALIDATOR.check_table(VALIDATOR.names, [[1, "x"], 7])
    assert [(i.code, i.row) for i in caught.value.issues] == [("wrong-width", 0), ("wrong-width", 1)]


@given(st.recursive(st.none() | st.booleans() | st.floats() | INT64 | st.text(), st.lists, max_leaves=5))
@settings(max_examples=150, deadline=None)
def test_any_value_gets_a_verdict_that_can_be_told(value: Any) -> None:
    for name in VALIDATOR.names:
        try:
            VALIDATOR.check_records([{**ROW, name: value}])
        except InvalidRows as error:
            json.dumps(error.to_dict()).encode()


@pytest.mark.parametrize(
    ("cell", "kind", "value"),
    [
        ("57", "integer", 57),
        ("57.0", "integer", 57),
        ("1e3", "number", 1000.0),
        ("TRUE", "boolean", True),
        ("2020-02-29", "datetime", "2020-02-29"),
        ("NA", "number", None),
    ],
)
def test_csv_cells_are_read_by_their_column(cell: str, kind: Any, value: Any) -> None:
    validator = RowValidator(Schema("y", (Column("x", kind, nullable=True),)))
    assert validator.check_cells([cell]) == ([value], [])


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("1_000", "integer"),
        ("1_0.5", "number"),
        ("inf", "number"),
        ("x", "boolean"),
        ("2021-02-29", "datetime"),
    ],
)
def test_csv_cells_that_are_no_such_value(cell: str, kind: Any) -> None:
    validator = RowValidator(Schema("y", (Column("x", kind),)))
    assert [issue.field for issue in validator.check_cells([cell])[1]] == ["x"]


def test_answers_of_every_known_kind_of_deployment() -> None:
    for body in (
        b'["no","yes"]',
        b'{"predictions": ["no","yes"]}',
        b'"{\\"result\\": [\\"no\\", \\"yes\\"]}"',
    ):
        assert read_answer(body, 2).result == ["no", "yes"]
    with_probabilities = read_answer(b'{"result": [1], "probabilities": [[0.1, 0.9]], "classes": [0, 1]}', 1)
    assert (with_probabilities.probabilities, with_probabilities.classes) == ([[0.1, 0.9]], [0, 1])
    for body in (b"no", b'["no"]', b'{"x": 1}'):
        with pytest.raises(Upstream):
            read_answer(body, 2)


def test_breaking_schema_changes_are_told_and_harmless_ones_are_not() -> None:
    old = Schema("y", (Column("a", "integer"), Column("b", "string", nullable=True), Column("c", "number")))
    new = Schema("y", (Column("a", "number"), Column("b", "string"), Column("d", "string")))
    told = " ".join(breaking_changes(old, new))
    assert '"c" is no longer taken' in told
    assert '"d" is new' in told
    assert '"b" might be empty' in told
    assert '"a"' not in told
    assert breaking_changes(old, old) == []
    assert breaking_changes(new, Schema("y", (*new.columns, Column("e", "number", nullable=True)))) == []
