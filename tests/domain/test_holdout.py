"""A row is on one side for ever: whatever the file around it, and whatever the order of its columns."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.documents import from_json, to_json
from shared.domain.table.holdout import HoldoutRule

NAMES = ["b", "a"]
COLUMNS = [[f"b{i}" for i in range(2000)], [f"a{i}" for i in range(2000)]]


def test_a_tenth_is_held_out_by_default() -> None:
    assert 160 < sum(HoldoutRule("s").held(NAMES, COLUMNS)) < 240


@pytest.mark.parametrize(
    ("share", "low", "high"), [(0.5, 930, 1070), (0.25, 430, 570), (0.0, 0, 0), (1.0, 2000, 2000)]
)
def test_the_threshold_is_the_share(share: float, low: int, high: int) -> None:
    assert low <= sum(HoldoutRule("s", share).held(NAMES, COLUMNS)) <= high


@pytest.mark.parametrize(("beyond", "held"), [(1.5, 2000), (-0.5, 0)])
def test_shares_beyond_all_and_nothing_are_all_and_nothing(beyond: float, held: int) -> None:
    assert sum(HoldoutRule("s", beyond).held(NAMES, COLUMNS)) == held


def test_the_hash_is_what_it_was_in_every_release() -> None:
    """sha256 over the salt and the values in the order of their columns' names, between unit separators."""
    digests = [hashlib.sha256(f"s\x1fa{i}\x1fb{i}".encode()).digest() for i in range(2000)]
    limit = int(0.1 * 2**64).to_bytes(8, "big")
    assert HoldoutRule("s").held(NAMES, COLUMNS) == [digest < limit for digest in digests]


def test_the_order_of_columns_and_rows_changes_nothing() -> None:
    rule = HoldoutRule("s")
    held = rule.held(NAMES, COLUMNS)
    assert rule.held(NAMES[::-1], COLUMNS[::-1]) == held
    assert rule.held(NAMES, [column[::-1] for column in COLUMNS]) == held[::-1]


def test_another_salt_holds_out_other_rows() -> None:
    one, other = (HoldoutRule(salt).held(NAMES, COLUMNS) for salt in ("s", "t"))
    assert 0 < sum(a and b for a, b in zip(one, other, strict=True)) < 60


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_keeps_what_a_smaller_one_held(a: float, b: float) -> None:
    few, many = (HoldoutRule("s", share).held(NAMES, [c[:200] for c in COLUMNS]) for share in sorted((a, b)))
    assert all(not held or still for held, still in zip(few, many, strict=True))


def test_values_are_told_apart_at_their_borders() -> None:
    many = [f"x{i}" for i in range(300)]
    shifted = HoldoutRule("s", 0.5).held(["a", "b"], [[f"{v}y" for v in many], ["z"] * 300])
    assert shifted != HoldoutRule("s", 0.5).held(["a", "b"], [many, ["yz"] * 300])


def test_the_rule_is_kept_as_a_document() -> None:
    rule = HoldoutRule("salt", 0.2)
    assert to_json(rule) == {"salt": "salt", "threshold": 0.2}
    assert from_json({"salt": "salt"}, HoldoutRule) == HoldoutRule("salt", 0.1)
