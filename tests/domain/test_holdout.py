"""A row is on one side for ever: whatever the file around it, and whatever the order of its columns."""

from __future__ import annotations

import hashlib
from math import nextafter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.documents import from_json, to_json
from shared.domain.table.blocks import Block
from shared.domain.table.holdout import MAX_COUNTED, NEWEST, Counted, HoldoutRule, Splitter
from shared.domain.table.row_sums import RowSums, stirred

BOTH = pytest.mark.parametrize("version", [1, NEWEST])
NAMES = ["b", "a"]
COLUMNS = [[f"b{i}" for i in range(2000)], [f"a{i}" for i in range(2000)]]


def held(rule: HoldoutRule, names: list[str], columns: list[list[str]]) -> list[bool]:
    return list(map(bool, Splitter(rule, names).held(block(columns))))


def block(columns: list[list[str]]) -> Block:
    return Block(columns, range(len(columns[0])), plain=True)


@BOTH
def test_a_tenth_is_held_out_by_default(version: int) -> None:
    assert 160 < sum(held(HoldoutRule("s", version=version), NAMES, COLUMNS)) < 240


@pytest.mark.parametrize(
    ("share", "low", "high"), [(0.5, 930, 1070), (0.25, 430, 570), (0.0, 0, 0), (1.0, 2000, 2000)]
)
def test_the_threshold_is_the_share(share: float, low: int, high: int) -> None:
    assert low <= sum(held(HoldoutRule("s", share), NAMES, COLUMNS)) <= high


@BOTH
@pytest.mark.parametrize(("beyond", "rows"), [(1.5, 2000), (-0.5, 0)])
def test_shares_beyond_all_and_nothing_are_all_and_nothing(beyond: float, rows: int, version: int) -> None:
    assert sum(held(HoldoutRule("s", beyond, version), NAMES, COLUMNS)) == rows


def test_the_hash_is_what_it_was_in_every_release() -> None:
    """sha256 over the salt and the values in the order of their columns' names, between unit separators."""
    digests = [hashlib.sha256(f"s\x1fa{i}\x1fb{i}".encode()).digest() for i in range(2000)]
    limit = int(0.1 * 2**64).to_bytes(8, "big")
    assert held(HoldoutRule("s"), NAMES, COLUMNS) == [digest < limit for digest in digests]


def test_the_second_rule_is_the_arithmetic_that_is_written_down() -> None:
    """Numbers of the values modulo 4,000,000,007, times factors of the columns' names, stirred."""
    names = {"p": "s\x1fp", "q": "s\x1fq", "": "s"}
    at = {k: int.from_bytes(hashlib.sha256(v.encode()).digest()[:8], "big") | 1 for k, v in names.items()}
    values = [("bern", "-1.5"), ("", "0"), ("größe", "x" * 40)]
    expected = []
    for p, q in values:
        numbers = (int.from_bytes(v.encode(), "big") % 4_000_000_007 for v in (p, q))
        z = (at[""] + sum(n * at[name] for n, name in zip(numbers, "pq", strict=True))) % 2**64
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
        expected.append(z ^ z >> 31)
    for share in (0.2, 0.4, 0.6, 0.8):
        mask = held(
            HoldoutRule("s", share, 2), ["p", "q"], [list(column) for column in zip(*values, strict=True)]
        )
        assert mask == [z < share * 2**64 for z in expected]


@BOTH
def test_the_order_of_columns_and_rows_changes_nothing(version: int) -> None:
    rule = HoldoutRule("s", version=version)
    mask = held(rule, NAMES, COLUMNS)
    assert held(rule, NAMES[::-1], COLUMNS[::-1]) == mask
    assert held(rule, NAMES, [column[::-1] for column in COLUMNS]) == mask[::-1]


@BOTH
def test_another_salt_holds_out_other_rows(version: int) -> None:
    one, other = (held(HoldoutRule(salt, version=version), NAMES, COLUMNS) for salt in ("s", "t"))
    assert 0 < sum(a and b for a, b in zip(one, other, strict=True)) < 60


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_keeps_what_a_smaller_one_held(a: float, b: float) -> None:
    few, many = (held(HoldoutRule("s", share), NAMES, [c[:200] for c in COLUMNS]) for share in sorted((a, b)))
    assert all(not held or still for held, still in zip(few, many, strict=True))


@BOTH
def test_values_are_told_apart_at_their_borders(version: int) -> None:
    many = [f"x{i}" for i in range(300)]
    shifted = held(HoldoutRule("s", 0.5, version), ["a", "b"], [[f"{v}y" for v in many], ["z"] * 300])
    assert shifted != held(HoldoutRule("s", 0.5, version), ["a", "b"], [many, ["yz"] * 300])


def test_the_rule_is_kept_as_a_document() -> None:
    rule = HoldoutRule("salt", 0.2)
    assert to_json(rule) == {"salt": "salt", "threshold": 0.2, "version": 1}
    assert from_json({"salt": "salt"}, HoldoutRule) == HoldoutRule("salt", 0.1)


@BOTH
@given(kinds=st.integers(1, 12), salt=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_of_rows_that_repeat_a_tenth_is_held_out_as_well(version: int, kinds: int, salt: int) -> None:
    """Within six standard deviations, for every kind of row: a search finds the rare ones."""
    rows = [str(i % kinds) for i in range(400 * kinds)]
    mask = held(HoldoutRule(str(salt), version=version), ["a"], [rows])
    for kind in range(kinds):
        assert 40 - 6 * 6 <= sum(mask[kind::kinds]) <= 40 + 6 * 6


@BOTH
@given(
    first=st.lists(st.sampled_from("abcdef"), max_size=60),
    more=st.lists(st.sampled_from("abcdefgh"), max_size=60),
)
def test_more_rows_in_a_later_version_move_none_out(version: int, first: list[str], more: list[str]) -> None:
    """Of each row at least as many are held out as before, and of those that were there the very same."""
    rule = HoldoutRule("s", 0.3, version)
    before, after = held(rule, ["a"], [first]), held(rule, ["a"], [first + more])
    assert after[: len(first)] == before


@BOTH
def test_memory_is_bounded_and_rows_that_occur_once_stay_where_they_were(version: int) -> None:
    rule = HoldoutRule("s", version=version)
    many = [f"r{i}" for i in range(MAX_COUNTED + 1000)]
    splitter = Splitter(rule, ["a"])
    mask = splitter.held(block([["x"] * 50 + many]))[50:]
    assert mask[-100:] == held(rule, ["a"], [many[-100:]])
    assert splitter.counted <= MAX_COUNTED // 2


# -- rows that repeat ----------------------------------------------------------------------------------------


def test_each_row_that_came_before_is_told_with_how_often() -> None:
    counted = Counted(10)
    assert counted.add([7, 7, 8, 7]) == ([1, 3], [1, 2])
    assert counted.add([8, 9, 7]) == ([0, 2], [1, 3])
    assert counted.counted == 3


def test_as_many_distinct_rows_as_are_allowed_are_all_counted() -> None:
    counted = Counted(4)
    counted.add([1, 1, 2, 2, 3, 4])
    assert counted.counted == 4
    counted.add([5])
    assert counted.counted == 2, "those that came twice are half of what is allowed"
    assert counted.add([1, 2, 3]) == ([0, 1], [2, 2])


def test_rows_that_repeat_most_are_remembered_longest() -> None:
    counted = Counted(4)
    counted.add([1] * 5 + [2] * 3 + [3] * 2 + [4, 5])
    assert counted.counted == 2
    assert counted.add([1, 2, 3]) == ([0, 1], [5, 3])


def test_the_number_of_rows_that_are_counted_is_the_same_for_ever() -> None:
    """With another one, rows that repeat would fall elsewhere in the next version of a file than in the last."""
    splitter = Splitter(HoldoutRule("s", version=NEWEST), ["a"])
    splitter.held(block([[str(i) for i in range(131_072)]]))
    assert splitter.counted == 131_072
    splitter.held(block([["one more"]]))
    assert splitter.counted == 0


# -- exactly at the threshold --------------------------------------------------------------------------------


def test_a_row_exactly_at_the_threshold_is_not_held_out() -> None:
    """Few hashes are also a share that a float tells exactly; among so many rows there are some."""
    sums = RowSums("s", ["a"])
    rows = [f"r{i}" for i in range(20_000)]
    once = next((row, z) for row in rows if (z := stirred(sums.of([[row]])[0])) % 2048 == 0)
    twice = next((row, z) for row in rows if (z := stirred(sums.again(sums.of([[row]])[0], 1))) % 2048 == 0)
    for place, (row, z) in enumerate((once, twice)):
        share = z / 2**64
        for threshold, is_held in ((share, False), (nextafter(share, 1), True)):
            mask = held(HoldoutRule("s", threshold, NEWEST), ["a"], [[row, row]])
            assert mask[place] is is_held


@BOTH
def test_a_column_that_is_cut_short_is_refused(version: int) -> None:
    with pytest.raises(ValueError, match=r"zip\(\)"):
        held(HoldoutRule("s", version=version), NAMES, [["b0", "b1"], ["a0"]])
