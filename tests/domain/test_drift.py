"""Drift: the same distribution is rarely called another one, one that moved is found; a window is no more than counts."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.config import Task
from shared.domain.drift import Bins, Compared, Plan, Seen, calls_for, compared, divergence, plan_of, spelt
from shared.domain.schema import Schema
from shared.domain.table.blocks import Block
from shared.domain.table.profile.parts import Profile
from shared.domain.table.table_stats import TableStats
from shared.domain.upkeep import DriftRule, OnDrift

Row = dict[str, object]
Habit = Callable[[random.Random], object]
RULE = DriftRule()
USUAL: dict[str, Habit] = {
    "amount": lambda chance: round(chance.gauss(100, 15), 3) if chance.random() > 0.05 else None,
    "count": lambda chance: chance.choice([0, 0, 0, 1, 1, 2, 5]),
    "job": lambda chance: chance.choices(["clerk", "nurse", "chef"], [6, 3, 1])[0],
    "member": lambda chance: chance.random() < 0.3,
    "note": lambda chance: f"note {chance.random()}",
    "seen": lambda chance: f"2026-01-{chance.randint(1, 28):02}",
    "y": lambda chance: "yes" if chance.random() < 0.2 else "no",
}
NAMES = list(USUAL)


def rows(size: int, seed: int, /, **other: Habit) -> list[Row]:
    chance, habits = random.Random(seed), {**USUAL, **other}
    return [{name: habit(chance) for name, habit in habits.items()} for _ in range(size)]


def trained(table: Sequence[Row], task: Task = "classification") -> tuple[Profile, Schema]:
    """What intake learns of a file with these rows."""
    columns = [["" if row[name] is None else str(row[name]) for row in table] for name in NAMES]
    at = NAMES.index("y")
    stats = TableStats(NAMES, at, task)
    stats.label.update(stats.learn(Block(columns, range(len(table)), True)), at, [False] * len(table))
    stats.settle(",")
    return stats.profile(), stats.schema()


@lru_cache(maxsize=1)
def plan() -> Plan:
    return plan_of("bank-1-a1", *trained(rows(3000, 1)))


def seen(table: Iterable[Row], under: Plan | None = None) -> Seen:
    found, table = Seen(), list(table)
    values = [[row[name] for name in NAMES] for row in table]
    found.take(under or plan(), NAMES, values, [row["y"] for row in table])
    return found


def judged(table: Sequence[Row], rule: DriftRule = RULE) -> Compared:
    answered = seen(rows(1000, 99)).predictions
    return compared(plan(), seen(table), rule, answered)


def drifted(found: Compared) -> set[str]:
    return {column.name for column in found.columns if column.drifted}


class TestPlan:
    def test_dates_identifiers_and_words_that_never_repeat_are_left_out(self) -> None:
        assert [bins.name for bins in plan().columns] == ["amount", "count", "job", "member"]

    def test_shares_of_training_are_whole(self) -> None:
        for bins in plan().columns:
            assert len(bins.before) == bins.width
            assert isclose(sum(bins.before), 1.0, abs_tol=0.001)

    def test_the_training_rows_themselves_have_not_moved(self) -> None:
        found = judged(rows(3000, 1))
        assert found.compared == 4
        assert max(column.psi for column in found.columns) == 0
        assert not found.drifted

    def test_a_value_is_counted_however_json_has_it(self) -> None:
        job, member, count = (
            next(b for b in plan().columns if b.name == n) for n in ("job", "member", "count")
        )
        assert member.place(True) == member.place("True") == member.place("true") != member.place(False)
        assert count.place(1) == count.place(1.0) == count.place("1") != count.place(2)
        assert job.place("pilot") == job.width - 1
        assert [bins.place(None) for bins in (job, member, count)] == [0, 0, 0]

    @given(st.none() | st.text() | st.integers() | st.floats() | st.booleans() | st.lists(st.integers()))
    def test_any_value_has_its_place(self, value: object) -> None:
        for bins in (*plan().columns, plan().predictions):
            assert 0 <= bins.place(value) < bins.width

    @given(st.floats(allow_nan=False, allow_infinity=False))
    def test_a_number_lies_in_the_bin_between_its_edges(self, value: float) -> None:
        bins = Bins("x", edges=(-5.0, 0.0, 7.5))
        at = bins.place(value)
        low, high = (float("-inf"), *bins.edges)[at - 1], (*bins.edges, float("inf"))[at - 1]
        assert low < value <= high


class TestFalseAlarms:
    def test_the_same_habits_are_rarely_called_others(self) -> None:
        """400 windows of 200 to 2,000 rows, four columns and the answers each: at most one in a hundred."""
        chance = random.Random(3)
        wrong = sum(judged(rows(chance.randint(200, 2000), 1000 + seed)).drifted for seed in range(400))
        assert wrong <= 4

    @given(st.integers(2, 21), st.integers(0, 10**6))
    def test_any_shares_drawn_from_are_not_told_from_themselves(self, bins: int, seed: int) -> None:
        chance = random.Random(seed)
        weights = [chance.expovariate(1) for _ in range(bins)]
        before = [weight / sum(weights) for weight in weights]
        values = tuple(str(i) for i in range(bins))
        under = Plan(
            "r",
            (Bins("x", values=values, before=(0.0, *before, 0.0), rows=10_000),),
            Bins("y", values=("a",)),
        )
        draws = chance.choices(values, weights, k=500)
        found = Seen()
        found.take(under, ["x"], [[value] for value in draws], ["a"] * 500)
        assert not compared(under, found, RULE).drifted


class TestShifts:
    @pytest.mark.parametrize(
        ("name", "habit"),
        [
            ("amount", lambda chance: chance.gauss(115, 15)),
            ("amount", lambda chance: chance.gauss(100, 45)),
            ("amount", lambda chance: None if chance.random() < 0.4 else chance.gauss(100, 15)),
            ("amount", lambda chance: chance.gauss(100, 15) * 1000),
            ("count", lambda chance: chance.choice([2, 5])),
            ("job", lambda chance: chance.choice(["clerk", "pilot", "pilot"])),
            ("member", lambda chance: chance.random() < 0.7),
        ],
    )
    def test_each_is_found_in_its_column_alone(self, name: str, habit: Habit) -> None:
        for seed in range(20):
            found = judged(rows(200, seed, **{name: habit}))
            assert found.drifted
            assert drifted(found) == {name}

    def test_answers_that_moved_are_told(self) -> None:
        found = judged(rows(300, 5, y=lambda chance: "yes" if chance.random() < 0.6 else "no"))
        assert found.drifted
        assert not drifted(found)
        assert found.predictions
        assert found.predictions.drifted

    def test_answers_are_held_against_the_models_own(self) -> None:
        """It answers yes to 60 % of its holdout, though 20 % of the labels were: that is its way, no drift."""
        habit: Habit = lambda chance: "yes" if chance.random() < 0.6 else "no"  # noqa: E731 - typed as what it stands in for
        own = seen(rows(1000, 98, y=habit)).predictions
        found = compared(plan(), seen(rows(300, 5, y=habit)), RULE, own)
        assert not found.drifted
        assert compared(plan(), seen(rows(300, 5)), RULE, None).predictions is None

    def test_quantities_are_counted_by_the_labels_quantiles(self) -> None:
        table = rows(1000, 4, y=lambda chance: chance.gauss(0, 1))
        under = plan_of("house-1-a1", *trained(table, "regression"))
        own = seen(table, under).predictions
        for shift, expected in ((0.0, False), (1.0, True)):
            now = seen(rows(300, 6, y=lambda chance, by=shift: chance.gauss(by, 1)), under)  # type: ignore[misc]
            found = compared(under, now, RULE, own).predictions
            assert found
            assert found.drifted is expected

    def test_a_higher_threshold_lets_more_pass(self) -> None:
        table = rows(500, 7, amount=lambda chance: chance.gauss(110, 15))
        assert judged(table).drifted
        assert not judged(table, DriftRule(threshold=5.0)).drifted


class TestCounts:
    @given(st.lists(st.integers(0, 60), max_size=4))
    def test_windows_of_several_processes_add_up(self, sizes: list[int]) -> None:
        table = rows(sum(sizes), 8)
        parts, start = Seen(), 0
        for size in sizes:
            parts.add(seen(table[start : start + size]))
            start += size
        whole = seen(table)
        assert parts.rows == whole.rows
        for name, counts in whole.columns.items():
            assert parts.columns.get(name, counts) == counts

    def test_counts_of_another_plan_are_left_out(self) -> None:
        mine, other = seen(rows(10, 1)), seen(rows(10, 1))
        other.columns["job"] = [1, 2]
        other.predictions = [5]
        before = list(mine.columns["job"])
        mine.add(other)
        assert mine.columns["job"] == before
        assert sum(mine.predictions) == 10

    def test_a_window_without_rows_says_nothing(self) -> None:
        assert compared(plan(), Seen(), RULE, [0, 1, 1, 0]) == Compared(False, 0, (), None)

    def test_labels_are_spelt_as_the_classes(self) -> None:
        schema = Schema("y", (), ("0", "1"))
        assert list(spelt(schema, [1, 0, "1"])) == ["1", "0", "1"]
        assert list(spelt(Schema("y", ()), [1.5])) == [1.5]

    @given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.randoms())
    def test_the_divergence_is_bounded_and_the_same_both_ways(
        self, raw: list[float], chance: random.Random
    ) -> None:
        before = [x / sum(raw) for x in raw] if sum(raw) > 0 else [1.0] + [0.0] * (len(raw) - 1)
        after = chance.sample(before, len(before))
        assert 0 <= divergence(before, after) <= 1
        assert isclose(divergence(before, after), divergence(after, before), abs_tol=1e-12)
        assert divergence(before, before) < 1e-12


def test_k_of_n() -> None:
    rule = OnDrift(2, 3)
    assert not calls_for(rule, [])
    assert not calls_for(rule, [True, True, False, False, True])
    assert calls_for(rule, [False, True, False, True])
