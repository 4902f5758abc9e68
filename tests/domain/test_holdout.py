"""A row is on one side for ever: whatever the file around it, and whatever the order of its columns."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.documents import from_json, to_json
from shared.domain.table.holdout import MAX_COUNTED, HoldoutRule, Splitter

NAMES = ["b", "a"]
COLUMNS = [[f"b{i}" for i in range(2000)], [f"a{i}" for i in range(2000)]]


def held(rule: HoldoutRule, names: list[str], columns: list[list[str]]) -> list[bool]:
    return Splitter(rule, names).held(columns)


def test_a_tenth_is_held_out_by_default() -> None:
    assert 160 < sum(held(HoldoutRule("s"), NAMES, COLUMNS)) < 240


@pytest.mark.parametrize(
    ("share", "low", "high"), [(0.5, 930, 1070), (0.25, 430, 570), (0.0, 0, 0), (1.0, 2000, 2000)]
)
def test_the_threshold_is_the_share(share: float, low: int, high: int) -> None:
    assert low <= sum(held(HoldoutRule("s", share), NAMES, COLUMNS)) <= high


@pytest.mark.parametrize(("beyond", "rows"), [(1.5, 2000), (-0.5, 0)])
def test_shares_beyond_all_and_nothing_are_all_and_nothing(beyond: float, rows: int) -> None:
    assert sum(held(HoldoutRule("s", beyond), NAMES, COLUMNS)) == rows


def test_the_hash_is_what_it_was_in_every_release() -> None:
    """sha256 over the salt and the values in the order of their columns' names, between unit separators."""
    digests = [hashlib.sha256(f"s\x1fa{i}\x1fb{i}".encode()).digest() for i in range(2000)]
    limit = int(0.1 * 2**64).to_bytes(8, "big")
    assert held(HoldoutRule("s"), NAMES, COLUMNS) == [digest < limit for digest in digests]


def test_the_order_of_columns_and_rows_changes_nothing() -> None:
    rule = HoldoutRule("s")
    mask = held(rule, NAMES, COLUMNS)
    assert held(rule, NAMES[::-1], COLUMNS[::-1]) == mask
    assert held(rule, NAMES, [column[::-1] for column in COLUMNS]) == mask[::-1]


def test_another_salt_holds_out_other_rows() -> None:
    one, other = (held(HoldoutRule(salt), NAMES, COLUMNS) for salt in ("s", "t"))
    assert 0 < sum(a and b for a, b in zip(one, other, strict=True)) < 60


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_keeps_what_a_smaller_one_held(a: float, b: float) -> None:
    few, many = (held(HoldoutRule("s", share), NAMES, [c[:200] for c in COLUMNS]) for share in sorted((a, b)))
    assert all(not held or still for held, still in zip(few, many, strict=True))


def test_values_are_told_apart_at_their_borders() -> None:
    many = [f"x{i}" for i in range(300)]
    shifted = held(HoldoutRule("s", 0.5), ["a", "b"], [[f"{v}y" for v in many], ["z"] * 300])
    assert shifted != held(HoldoutRule("s", 0.5), ["a", "b"], [many, ["yz"] * 300])


def test_the_rule_is_kept_as_a_document() -> None:
    rule = HoldoutRule("salt", 0.2)
    assert to_json(rule) == {"salt": "salt", "threshold": 0.2}
    assert from_json({"salt": "salt"}, HoldoutRule) == HoldoutRule("salt", 0.1)


@given(st.integers(1, 12), st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_of_rows_that_repeat_a_tenth_is_held_out_as_well(kinds: int, salt: int) -> None:
    """Within four standard deviations, for every kind of row."""
    rows = [str(i % kinds) for i in range(400 * kinds)]
    mask = held(HoldoutRule(str(salt)), ["a"], [rows])
    for kind in range(kinds):
        assert 40 - 4 * 6 <= sum(mask[kind::kinds]) <= 40 + 4 * 6


@given(st.lists(st.sampled_from("abcdef"), max_size=60), st.lists(st.sampled_from("abcdefgh"), max_size=60))
def test_more_rows_in_a_later_version_move_none_out(first: list[str], more: list[str]) -> None:
    """Of each row at least as many are held out as before, and of those that were there the very same."""
    rule = HoldoutRule("s", 0.3)
    before, after = held(rule, ["a"], [first]), held(rule, ["a"], [first + more])
    assert after[: len(first)] == before


def test_memory_is_bounded_and_rows_that_occur_once_stay_where_they_were() -> None:
    rule = HoldoutRule("s")
    many = [f"r{i}" for i in range(MAX_COUNTED + 1000)]
    splitter = Splitter(rule, ["a"])
    mask = splitter.held([["x"] * 50 + many])[50:]
    assert mask[-100:] == held(rule, ["a"], [many[-100:]])
    assert splitter.counted <= MAX_COUNTED // 2
