"""What deployments answer: what is whole is read as it stands and told in every shape; anything else is the endpoint's fault."""

from __future__ import annotations

import csv
import io
import json
from math import isfinite
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.errors import Upstream
from shared.domain.labels import label_text
from shared.domain.rows.formulas import neutral
from shared.domain.rows.predictions import Prediction, columns_named, read_answer
from shared.domain.rows.shapes import Ids, answer
from shared.domain.rows.wanted import Wanted

ALL = Wanted(probabilities=True, demanded=True, explain=True)
SHARE = st.floats(0, 1)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
#: Words of all kinds, among them such as a spreadsheet would run and such as tear a table apart.
WORD = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.sampled_from(["=1+1", "a\nb", 'q"', ",", "", "x" * 150, "x" * 151, "\u2028", "yes"]),
)
LABEL = st.one_of(WORD, st.integers(-(2**53), 2**53), st.booleans())


@st.composite
def answers(draw: st.DrawFn) -> tuple[dict[str, Any], int]:
    """An answer of a script to so many rows."""
    rows = draw(st.integers(1, 4))
    classes = draw(st.lists(LABEL, min_size=1, max_size=4, unique_by=label_text))
    columns = draw(st.lists(WORD, min_size=1, max_size=3, unique=True))

    def table(of: st.SearchStrategy[float], width: int) -> st.SearchStrategy[list[list[float]]]:
        row = st.lists(of, min_size=width, max_size=width)
        return st.lists(row, min_size=rows, max_size=rows)

    picks = st.lists(st.sampled_from(classes), min_size=rows, max_size=rows)
    doc = {
        "result": draw(picks),
        "probabilities": draw(table(SHARE, len(classes))),
        "classes": classes,
        "threshold": draw(st.none() | SHARE),
        "contributions": {
            "columns": columns,
            "of": draw(picks),
            "base": draw(st.lists(NUMBER, min_size=rows, max_size=rows)),
            "values": draw(table(NUMBER, len(columns))),
            "method": "by hand",
        },
        "model": "bank:1",
    }
    return doc, rows


def read(doc: Any, rows: int) -> Prediction:
    return read_answer(json.dumps(doc).encode(), rows)


@given(answers())
@settings(max_examples=120, deadline=None)
def test_what_is_whole_is_told_as_it_stands(made: tuple[dict[str, Any], int]) -> None:
    doc, rows = made
    found = read(doc, rows)
    assert (found.threshold, found.intervals) == (doc["threshold"], None)
    ids = Ids("=id", [f"={at}" for at in range(rows)])
    told = json.loads(answer(found, "result", [], ids, ALL))
    kept = {name: doc[name] for name in ("result", "probabilities", "classes", "contributions")}
    assert told == {**kept, "ids": ids.values}
    assert json.loads(answer(found, "result", [])) == {"result": doc["result"]}
    assert json.loads(answer(found, "list", [])) == doc["result"]
    words = [label_text(one) for one in doc["classes"]]
    for at, row in enumerate(json.loads(answer(found, "list", [], ids, ALL))):
        assert (row["id"], row["result"]) == (f"={at}", doc["result"][at])
        assert row["probabilities"] == dict(zip(words, doc["probabilities"][at], strict=True))
        assert list(row["contributions"]["values"].values()) == doc["contributions"]["values"][at]


@given(answers())
@settings(max_examples=120, deadline=None)
def test_csv_has_a_column_for_each_of_it_and_nothing_that_runs(made: tuple[dict[str, Any], int]) -> None:
    doc, rows = made
    text = answer(read(doc, rows), "csv", [], Ids("=id", ["=x"] * rows), ALL).decode()
    header, *told = csv.reader(io.StringIO(text, newline=""))
    assert len(told) == rows
    assert len(set(header)) == len(header)
    assert {len(row) for row in told} == {len(header)}
    width = len(doc["classes"])
    assert [[float(cell) for cell in row[2 : 2 + width]] for row in told] == doc["probabilities"]
    values = [[float(cell) for cell in row[2 + width : -2]] for row in told]
    assert values == doc["contributions"]["values"]
    for cell in (cell for row in (header, *told) for cell in row):
        assert neutral(cell) == cell


def outcome(body: bytes, rows: int) -> Prediction | str:
    """What is read, or the code of the refusal."""
    try:
        return read_answer(body, rows)
    except Upstream as error:
        return error.error_code


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | WORD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORD, inner, max_size=3),
    max_leaves=8,
)
PLACES = ["result", "probabilities", "classes", "threshold", "contributions", "intervals", "coverage"]
INSIDE = ["columns", "of", "base", "values"]


@given(answers(), st.sampled_from(PLACES + INSIDE), JSON)
@settings(max_examples=300, deadline=None)
def test_anything_anywhere_is_either_whole_or_the_endpoints_fault(
    made: tuple[dict[str, Any], int], place: str, value: Any
) -> None:
    doc, rows = made
    (doc["contributions"] if place in INSIDE else doc)[place] = value
    found = outcome(json.dumps(doc).encode(), rows)
    if isinstance(found, str):
        assert found == "bad-endpoint-answer"
        return
    assert len(found.result) == rows
    assert (found.probabilities is None) == (found.classes is None)
    if found.probabilities is not None and found.classes is not None:
        assert len({label_text(one) for one in found.classes}) == len(found.classes)
        assert [len(row) for row in found.probabilities] == [len(found.classes)] * rows
        assert all(isfinite(share) and 0 <= share <= 1 for row in found.probabilities for share in row)
    for shape in ("result", "list", "csv"):
        assert answer(found, shape, [], None, ALL)


@given(st.binary(max_size=60) | JSON.map(lambda doc: json.dumps(doc).encode()))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    found = outcome(body, 2)
    assert found == "bad-endpoint-answer" or (isinstance(found, Prediction) and len(found.result) == 2)


WHOLE = {"result": ["a", "b"], "probabilities": [[0.5, 0.5], [0, 1]], "classes": ["a", "b"]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"result": [["a"], "b"]},
        {"result": [float("nan"), 1.0]},
        {"probabilities": [[0.5, 0.5]]},
        {"probabilities": [[0.5, 0.5], [1]]},
        {"probabilities": [[0.5, 0.5], [True, False]]},
        {"probabilities": [[0.5, 0.5], [None, 1]]},
        {"probabilities": [[0.5, 0.5], [float("inf"), 0]]},
        {"probabilities": [[0.5, 0.5], [1.1, -0.1]]},
        {"probabilities": [[0.5, 0.5], [10**400, 0]]},
        {"probabilities": "high"},
        {"classes": ["a", "a"]},
        {"classes": [1, "1"]},
        {"classes": []},
        {"classes": ["a", ["b"]]},
        {"threshold": 1.5},
        {"threshold": "0.5"},
        {"intervals": [[1, 2]]},
        {"intervals": [[1, 2, 3], [1, 2, 3]]},
        {"intervals": [[1, 2], [1, 2]], "coverage": 95},
        {"contributions": []},
        {"contributions": {"columns": ["x"], "of": None, "base": [0.1], "values": [[1], [2]]}},
        {"contributions": {"columns": ["x", "x"], "of": None, "base": [0, 0], "values": [[1, 1], [2, 2]]}},
    ],
)
def test_what_cannot_be_is_the_endpoints_fault(wrong: dict[str, Any]) -> None:
    assert read(WHOLE, 2).probabilities == [[0.5, 0.5], [0, 1]]
    with pytest.raises(Upstream, match="endpoint"):
        read({**WHOLE, **wrong}, 2)


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(Upstream):
        read_answer(b"[" * 200_000, 1)


def test_a_share_that_rounding_has_pushed_out_is_put_back() -> None:
    found = read({**WHOLE, "probabilities": [[1 + 2e-16 * 4, -1e-17], [0.5, 0.5]]}, 2)
    assert found.probabilities == [[1.0, 0.0], [0.5, 0.5]]


def test_shares_without_the_names_of_their_classes_are_as_none() -> None:
    assert read({"result": ["a"], "probabilities": [[0.5, 0.5]]}, 1) == Prediction(["a"])


@given(st.lists(LABEL, max_size=6), st.lists(WORD, max_size=4))
def test_names_of_columns_are_unique_and_can_be_shown(names: list[Any], taken: list[str]) -> None:
    taken += [f"probability_{one}" for one in taken]
    made = columns_named("probability", names, taken)
    assert len(set(made)) == len(made) == len(names)
    assert not set(made) & set(taken)
    for name in made:
        assert name.isprintable()
        assert neutral(name) == name
        assert len(name) < 130


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([True, False], ["true", "false"]),
        ([1.0, 0.0], ["1", "0"]),
        ([12.5, 1e22, -3.0], ["12.5", "10000000000000000000000", "-3"]),
        ([None, "no"], ["", "no"]),
    ],
)
def test_a_label_in_csv_is_spelt_as_in_the_header_beside_it_and_in_a_batch(
    labels: list[Any], told: list[str]
) -> None:
    found = answer(Prediction(labels), "csv", [])
    assert found.decode().splitlines()[1:] == [one or '""' for one in told]


def test_a_column_that_tells_rows_apart_may_be_called_prediction() -> None:
    found = answer(Prediction(["no"]), "csv", [], Ids("prediction", ["a"]))
    assert found == b"prediction,prediction_2\r\na,no\r\n"
