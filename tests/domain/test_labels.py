"""Labels that differ in type only are one; labels that differ in more are not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.labels import canonical_label, label_text, speller


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("True", "true"),
        (False, "false"),
        ("1.0", "1"),
        (1.0, "1"),
        (1, "1"),
        ("+7", "7"),
        ("-3", "-3"),
        ("yes", "yes"),
        ("Yes", "Yes"),
        ("2.5", "2.5"),
        (2.5, "2.5"),
        ("2.50", "2.5"),
        ("1e3", "1000"),
        ("01", "1"),
        ("12345678901234567891", "12345678901234567891"),
        ("1_000", "1_000"),
        ("inf", "inf"),
        ("Infinity", "Infinity"),
        ("nan", "nan"),
        ("1e400", "1e400"),
        (float("inf"), "inf"),
        (" 1", " 1"),
        ("", ""),
        (None, "None"),
    ],
)
def test_labels_that_differ_in_type_only_are_one(value: object, label: str) -> None:
    assert canonical_label(value) == label


def test_numbers_longer_than_python_reads_stay_text() -> None:
    assert canonical_label("+" + "1" * 4001) == "1" * 4001
    assert canonical_label("0" + "1" * 3999) == "1" * 3999


@given(st.text() | st.integers() | st.floats() | st.booleans())
def test_any_label_has_one_spelling(value: object) -> None:
    assert canonical_label(canonical_label(value)) == canonical_label(value)


@given(st.integers(-(2**53), 2**53))
def test_a_whole_number_is_one_label_however_it_is_written(value: int) -> None:
    assert {canonical_label(each) for each in (value, str(value), float(value), f"{value}.0")} == {str(value)}


@pytest.mark.parametrize(
    ("value", "text"), [("01", "01"), ("True", "True"), (True, "true"), (1.0, "1"), (2.5, "2.5")]
)
def test_text_is_shown_as_it_was_answered(value: object, text: str) -> None:
    assert label_text(value) == text


@pytest.mark.parametrize(
    ("classes", "answer", "label"),
    [
        (("1.1", "1.10", "2.0"), "1.10", "1.10"),
        (("1.1", "1.10", "2.0"), "1.1", "1.1"),
        (("1.1", "1.10", "2.0"), 2, "2.0"),
        (("01", "1", "10"), "01", "01"),
        (("01", "1", "10"), 1, "1"),
        (("False", "True"), True, "True"),
        (("false", "true"), "True", "true"),
        (("0.0", "1.0"), 1, "1.0"),
        (("0", "1"), 1.0, "1"),
        (("Yes", "yes"), "yes", "yes"),
        (("no", "yes"), "maybe", "maybe"),
    ],
)
def test_an_answer_has_the_words_of_its_class(classes: tuple[str, ...], answer: object, label: str) -> None:
    assert speller(classes)(answer) == label


@pytest.mark.parametrize("end", ["x", ".1.", "e", "e+", ""])
def test_a_label_of_very_many_digits_is_read_in_a_moment(end: str) -> None:
    """It stands in a file, or in `threshold: {positive: ...}`, and nothing else is done meanwhile."""
    began = time.process_time()
    assert canonical_label("1" * 20_000 + end) == "1" * 20_000 + end
    assert time.process_time() - began < 0.5


@given(st.floats())
def test_a_float_is_spelt_as_its_text_is(value: float) -> None:
    assert label_text(value) == canonical_label(str(value))
