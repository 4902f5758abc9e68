"""Whether a file is meant for a live model, told by its columns alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.rows.fit import fit
from shared.domain.rows.validation import RowValidator
from tests.support.scoring_support import SCHEMA

VALIDATOR = RowValidator(replace(SCHEMA, passed=("id",)))
WHOLE = ["age", "job", "euribor3m", "member"]


@pytest.mark.parametrize("columns", [WHOLE, WHOLE[::-1], [*WHOLE, "id"]])
def test_the_models_own_columns_in_any_order_and_those_that_pass_are_exact(columns: list[str]) -> None:
    found = fit(columns, VALIDATOR)
    assert found.exact
    assert (found.differences, found.obstacle) == ("", "")


@pytest.mark.parametrize(
    ("columns", "differences"),
    [
        (WHOLE[:-1], 'it lacks "member"'),
        ([*WHOLE, "city"], 'it has "city" besides'),
        ([*WHOLE[:-1], "city", "street"], 'it lacks "member" and has "city", "street" besides'),
    ],
)
def test_a_gap_and_further_columns_are_differences_and_can_be_scored(
    columns: list[str], differences: str
) -> None:
    found = fit(columns, VALIDATOR)
    assert not found.exact
    assert found.taken
    assert found.differences == differences
    assert found.obstacle == ""


@pytest.mark.parametrize(
    ("columns", "obstacle"),
    [
        (["job", "euribor3m"], 'it lacks "age"'),
        (["job", "euribor3m", "agee"], 'it lacks "age" and has "agee" besides'),
        (["age", "age", "job", "euribor3m"], 'Column "age" is named twice'),
        (["x"], 'it lacks "age", "job", "euribor3m" and has "x" besides'),
    ],
)
def test_what_must_be_there_is_an_obstacle(columns: list[str], obstacle: str) -> None:
    found = fit(columns, VALIDATOR)
    assert not found.taken
    assert found.obstacle == obstacle
    assert found.differences


def test_many_names_are_cut() -> None:
    found = fit([*WHOLE, *(f"c{n}" for n in range(9))], VALIDATOR)
    assert found.differences == 'it has "c0", "c1", "c2", "c3", "c4" and 4 more besides'


def test_the_label_is_no_difference() -> None:
    assert fit([*WHOLE, "y"], VALIDATOR).exact
