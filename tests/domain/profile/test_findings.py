"""What is told of a table's columns: leaks, identifiers, constants and repeated columns, and no false alarms."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from shared.domain.config import Task
from shared.domain.table.blocks import Block
from shared.domain.table.profile.parts import Profile
from shared.domain.table.table_stats import TableStats

Table = dict[str, Sequence[object]]
#: Makes a column of another one.
Made = Callable[[Sequence[Any]], Sequence[object]]


def profile(table: Mapping[str, Sequence[object]], task: Task = "classification") -> Profile:
    """Of a table whose label is `y`."""
    columns = [[str(value) for value in values] for values in table.values()]
    stats = TableStats(list(table), list(table).index("y"), task)
    rows = len(columns[0])
    block = stats.learn(Block(columns, range(2, rows + 2), True))
    stats.label.update(block, list(table).index("y"), [False] * rows)
    return stats.profile()


def told(
    table: Mapping[str, Sequence[object]], task: Task = "classification"
) -> dict[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = {}
    for finding in profile(table, task).findings:
        assert finding.message.endswith(".")
        assert finding.remedy.endswith(".")
        found.setdefault(finding.code, []).append(finding.columns)
    return found


@pytest.fixture
def sound() -> Table:
    """600 rows that nothing is odd about; the label leans on `age`."""
    draw = random.Random(5)
    age = [draw.randint(18, 90) for _ in range(600)]
    return {
        "age": age,
        "income": [round(draw.lognormvariate(10, 1), 2) for _ in age],
        "city": [draw.choice("Bern Oslo Rome Lima".split()) for _ in age],
        "vip": [int(draw.random() < 0.03) for _ in age],
        "news": [int(draw.random() < 0.03) for _ in age],
        "since": [f"2024-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}" for _ in age],
        "y": ["yes" if years + draw.gauss(0, 15) > 70 else "no" for years in age],
    }


def test_nothing_is_told_of_a_sound_table(sound: Table) -> None:
    assert told(sound) == {}
    assert told(
        {**sound, "y": list(sound["income"]), "income": sound["age"], "age": sound["vip"]},
        "regression",
    ) == {"duplicate": [("age", "vip")]}


LEAKS: dict[str, Made] = {
    "a copy": lambda y: [value.upper() for value in y],
    "a number": lambda y: [int(value == "yes") for value in y],
    "several words for each class": lambda y: [f"{value} {i % 3}" for i, value in enumerate(y)],
    "a threshold": lambda y: [
        500.5 + i / 7 if value == "yes" else 499.5 - i / 7 for i, value in enumerate(y)
    ],
    "a gap": lambda y: [100.5 + i * 37 % 101 if value == "yes" else "" for i, value in enumerate(y)],
    "a date": lambda y: [
        f"2024-{7 if value == 'yes' else 1:02d}-{1 + i % 28:02d}" for i, value in enumerate(y)
    ],
    "nearly": lambda y: ["no" if i == 7 else value for i, value in enumerate(y)],
}


@pytest.mark.parametrize("kind", LEAKS)
def test_a_column_that_alone_gives_the_label_is_told(kind: str, sound: Table) -> None:
    assert told({"leak": LEAKS[kind](sound["y"]), **sound})["leakage"] == [("leak",)]


def test_what_a_leak_is_told_as(sound: Table) -> None:
    [finding] = profile({**sound, "y_copy": sound["y"]}).findings
    assert finding.sentence == (
        "Column 'y_copy' alone gives the label 'y' in 100.0% of the rows looked at. If it is known only once the label is "
        "(a copy of it, or what follows from it), the model will fail in use: leave it out (drop: [y_copy])."
    )


@pytest.mark.parametrize("rare", [0.004, 0.5])
def test_chance_is_no_leak(rare: float) -> None:
    """3,000 columns of noise, few rows, and a label of which guessing tells nearly all."""
    draw = random.Random(9)
    columns: Table = {f"c{i}": [draw.randint(0, 1 + i % 9) for _ in range(60)] for i in range(300)}
    columns["name"] = [f"n{draw.random()}" for _ in range(60)]
    columns["y"] = [int(i == 0 or draw.random() < rare) for i in range(60)]
    assert "leakage" not in told(columns)


NUMBERS: dict[str, Made] = {
    "another unit": lambda y: [round(value * 1.8 + 32, 4) for value in y],
    "backwards": lambda y: [-value for value in y],
    "a curve": lambda y: [value**3 for value in y],
    "words": lambda y: [f"band {value:.0f}" for value in y],
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_a_column_that_gives_the_number_is_told(kind: str) -> None:
    draw = random.Random(2)
    y = [draw.choice(range(50, 150, 10)) for _ in range(500)]
    noisy = [value + draw.gauss(0, 3) for value in y]
    table = {"leak": NUMBERS[kind](y), "noisy": noisy, "y": y}
    assert told(table, "regression") == {"leakage": [("leak",)]}


def test_numbers_of_any_size_are_taken() -> None:
    draw = random.Random(4)
    huge = [f"{draw.choice([-1, 1]) * draw.random()}e308" for _ in range(100)]
    assert told({"x": [draw.random() for _ in huge], "z": huge[::-1], "y": huge}, "regression") == {}


def test_identifiers_are_told_and_measurements_are_not(sound: Table) -> None:
    count = len(sound["y"])
    draw = random.Random(3)
    found = told(
        {
            "nr": range(1, count + 1),
            "uuid": [f"{draw.getrandbits(64):x}-{i}" for i in range(count)],
            "weight": [draw.random() for _ in range(count)],
            "salary": [draw.randrange(10**6) for _ in range(count)],
            "at": [f"2024-01-01T{i // 60:02d}:{i % 60:02d}:00" for i in range(count)],
            **sound,
        }
    )
    assert found["identifier"] == [("nr",), ("uuid",)]


def test_an_identifier_past_what_is_counted_exactly_is_told_as_an_estimate() -> None:
    count = 30_000
    draw = random.Random(6)
    table: Table = {
        **{f"c{i}": [draw.randint(0, 3) for _ in range(count)] for i in range(20)},
        "key": [draw.randrange(10**12) for _ in range(count)],
        "often": [draw.randrange(15_000) for _ in range(count)],
        "y": [i % 2 for i in range(count)],
    }
    found = profile(table)
    key, often = found.column("key"), found.column("often")
    assert key is not None
    assert often is not None
    assert (key.distinct_exact, found.sampled, found.rows) == (False, 10_000, count)
    assert often.distinct == pytest.approx(15_000 * (1 - 2.718**-2), rel=0.15)
    [finding] = [finding for finding in found.findings if finding.code == "identifier"]
    assert finding.columns == ("key",)
    assert "(about " in finding.message


def test_constants_and_empty_columns_are_told_together(sound: Table) -> None:
    count = len(sound["y"])
    same = {f"same {i}": ["x"] * count for i in range(12)}
    found = profile({**sound, **same, "none": [""] * count, "one or none": ["x", ""] * (count // 2)})
    assert [(finding.code, len(finding.columns)) for finding in found.findings] == [
        ("constant", 12),
        ("empty", 1),
    ]
    assert "'same 9' and 2 more have the same value in every row." in found.findings[0].message
    assert found.findings[1].sentence == "Column 'none' is empty. No model learns from that: drop: [none]."


REPEATS: dict[str, Made] = {
    "a copy": lambda values: values,
    "other words": lambda values: [{"Bern": 4, "Oslo": 3, "Rome": 2, "Lima": 1}[value] for value in values],
    "a copy with errors": lambda values: ["Bern" if i in (5, 9) else value for i, value in enumerate(values)],
}


@pytest.mark.parametrize("kind", REPEATS)
def test_a_column_that_repeats_another_is_told(kind: str, sound: Table) -> None:
    assert told({**sound, "town": REPEATS[kind](sound["city"])}) == {"duplicate": [("city", "town")]}


def test_measurements_in_another_unit_repeat_and_rare_events_do_not(sound: Table) -> None:
    cents = [round(value * 100) for value in sound["income"] if isinstance(value, float)]
    found = profile({**sound, "cents": cents}).findings
    assert [(finding.code, finding.columns) for finding in found] == [("duplicate", ("income", "cents"))]
    assert found[0].sentence == (
        "Columns 'income' and 'cents' say the same in other words. One of them is enough: drop: [cents]."
    )


def test_a_name_that_is_no_plain_word_is_quoted_in_the_remedy(sound: Table) -> None:
    [finding] = profile({**sound, 'a, "b"': sound["y"]}).findings
    assert 'drop: ["a, \\"b\\""]' in finding.remedy


def test_many_findings_of_a_kind_end_in_one_sentence(sound: Table) -> None:
    copies = {f"copy {i}": sound["y"] for i in range(40)}
    leaks = [finding for finding in profile({**sound, **copies}).findings if finding.code == "leakage"]
    assert len(leaks) == 11
    assert leaks[-1].message.startswith("30 more columns give the label: 'copy 10', ")


def test_the_balance_of_the_label_is_of_all_rows() -> None:
    found = profile({"x": range(400), "y": ["a", "b", "a", "c"] * 100})
    assert [(item.value, item.rows, item.share) for item in found.balance] == [
        ("a", 200, 0.5),
        ("b", 100, 0.25),
        ("c", 100, 0.25),
    ]
