"""The two encoders, on tables while training and on rows while scoring, never differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from dropml.azureml.automl.data.purpose import purposes
from dropml.azureml.automl.data.table import from_frame
from dropml.azureml.automl.fit.encode import Encoder
from dropml.azureml.automl.fit.scores import Scores
from dropml.azureml.automl.model.flat import float32_cut
from scorer.dates import parse_date
from scorer.features import Features

WORDS = st.sampled_from(
    ["red", "green", "blue", "rot", "", "12", "3.5", "nan", "2020-02-29", "the cat sat on a mat"]
)
CELLS: dict[str, st.SearchStrategy[Any]] = {
    "long": st.none() | st.integers(-(10**15), 10**15) | st.integers(0, 5),
    "double": st.none() | st.floats(allow_nan=False, allow_infinity=False),
    "boolean": st.none() | st.booleans(),
    "string": st.none() | WORDS | st.text(max_size=12),
    "dates": st.none()
    | st.dates().map(str)
    | st.datetimes().map(lambda d: d.isoformat())
    | st.sampled_from(["9999-12-31T23:59:59.9999999", "0001-01-01T00:00:00+14:00"])
    | st.text(max_size=5),
    "mixed": st.none() | st.integers(0, 99).map(str) | st.sampled_from(["none", "?", "7.5", "1e3"]),
    "text": st.none() | st.lists(WORDS, min_size=5, max_size=9).map(" ".join),
}
KINDS = {"dates": "string", "mixed": "string", "text": "string"}
FORCED = {"dates": "datetime", "mixed": "mixed", "text": "text"}


@st.composite
def data(draw: Any) -> tuple[list[list[Any]], list[list[Any]], int]:
    row = st.tuples(*CELLS.values()).map(list)
    known = draw(st.lists(row, min_size=8, max_size=25))
    return known, draw(st.lists(row, min_size=1, max_size=8)), draw(st.sampled_from([0, 2, 3]))


@settings(max_examples=60, deadline=None)
@given(data())
def test_rows_and_tables_are_encoded_alike(given_data: tuple[list[list[Any]], list[list[Any]], int]) -> None:
    known, rows, n_classes = given_data
    names = list(CELLS)
    types = {name: KINDS.get(name, name) for name in names}
    table = from_frame(pd.DataFrame(known, columns=names, dtype=object), types)
    roles = {**purposes(table, "off", {}), **FORCED}
    y = np.arange(len(known)) % max(2, n_classes)
    encoder = Encoder(types, roles)
    encoder.fit_transform(table, Scores.of(y if n_classes else y * 1.5, n_classes))
    expected = encoder.transform(from_frame(pd.DataFrame(rows, columns=names, dtype=object), types))
    features = Features(encoder.steps, names)
    got = np.array([features.encode(row) for row in rows])
    assert np.allclose(got, expected, rtol=1e-12, atol=1e-12, equal_nan=True)


@settings(max_examples=300)
@given(
    st.floats(-(2.0**120), 2.0**120, width=32),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
)
def test_a_cut_decides_every_double_as_float32_does(threshold: float, value: float, strict: bool) -> None:
    cut = float(float32_cut(np.array([threshold]), strict)[0])
    with np.errstate(over="ignore"):
        small = np.float32(value)
    decided = small < np.float32(threshold) if strict else small <= np.float32(threshold)
    assert (value <= cut) == bool(decided)


@settings(max_examples=200)
@given(st.floats(-1e6, 1e6), st.integers(-3, 3))
def test_cuts_hold_right_at_the_edge(threshold: float, steps: int) -> None:
    """Neighbours of the cut itself, where rounding to float32 turns over."""
    cut = float(float32_cut(np.array([threshold]), strict=False)[0])
    value = cut
    for _ in range(abs(steps)):
        value = float(np.nextafter(value, np.inf if steps > 0 else -np.inf))
    assert (value <= cut) == bool(float(np.float32(value)) <= threshold)


@given(st.datetimes(min_value=pd.Timestamp("1700-01-01").to_pydatetime()))
def test_iso_dates_are_read_to_the_second(moment: Any) -> None:
    text = moment.replace(microsecond=0).isoformat()
    assert parse_date(text, []) == pd.Timestamp(text, tz="UTC").timestamp()


@given(st.text(max_size=30))
def test_any_text_is_a_date_or_none(text: str) -> None:
    assert isinstance(parse_date(text, []), float)
