"""A label tells its task: words and few numbers are classes; many numbers are asked about in words, or are a quantity."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.config import DatasetConfig
from shared.domain.config_owner import Owner
from shared.domain.config_sources import defaults, effective
from shared.domain.errors import InvalidConfig
from shared.domain.table.task import LOOK_ROWS, MANY
from shared.intake_plan import plan
from shared.settings import read
from tests.support.intake_front import PLAN, Front

ROWS = 300


def table(labels: list[str], name: str = "price") -> str:
    return f"x,{name}\n" + "".join(f"{i},{label}\n" for i, label in enumerate(labels))


#: Each number in three rows: so many may be classes, too.
PRICES = table([f"{100 + i % ROWS * 1.5:.1f}" for i in range(3 * ROWS)])
COUNTS = table([str(i % ROWS) for i in range(3 * ROWS)])


@pytest.fixture
def front() -> Front:
    front = Front()
    front.plan = replace(PLAN, defaults=defaults({"task": "auto", "label": "price"}))
    return front


@pytest.mark.parametrize(
    "labels",
    [
        ["yes", "no"],
        ["0", "1"],
        [*"123456789", "NA"],
        ["1.0", "1.1", "2.0"],
        [f"v{i}" for i in range(100)],
        [*(str(i) for i in range(MANY))],
        [*(str(i) for i in range(MANY)), "other"],
        [*(str(i) for i in range(MANY + 30)), *(f"N{i}" for i in range(10))],
        [f"2024-01-{i:02d}" for i in range(1, 32)] + [f"{i:02d}/02/2024" for i in range(1, 29)],
    ],
)
def test_words_and_few_numbers_are_classes(front: Front, labels: list[str]) -> None:
    front.put("a.csv", table([labels[i % len(labels)] for i in range(900)]))
    run = front.world.run(str(front.drop("a.csv")))
    assert (run.config.task, run.problem) == ("classification", None)
    assert run.snapshot is not None
    assert run.snapshot.class_counts


SWISS = table([f'"1\'{i:03d},5"' for i in range(ROWS)])


@pytest.mark.parametrize("text", [PRICES, SWISS], ids=["plain", "as people write them"])
def test_numbers_are_asked_about_however_they_are_written(front: Front, text: str) -> None:
    front.put("a.csv", text)
    assert front.problem(front.drop("a.csv")).code == "task-unclear"


@pytest.mark.parametrize(
    ("odd", "how"),
    [
        ("n/k", "leave the cell empty, and its row is put aside"),
        ("inf", "leave the cell empty"),
        ("-", "leave the cell empty"),
        ("<5", "write the number alone, or leave the cell empty"),
        ("(5)", "write -5 for (5)"),
        ("5-", "write -5 for 5-"),
        ("\u22125", "write -5 for \u22125"),
        ("5 kg", "write 20.5 for 20.5 °C"),
    ],
)
def test_a_word_among_many_numbers_is_named_in_the_question(front: Front, odd: str, how: str) -> None:
    front.put("a.csv", table([odd if i == 9 else str(i % ROWS) for i in range(2000)]))
    problem = front.problem(front.drop("a.csv"))
    assert problem.code == "task-unclear"
    assert f" distinct numbers in 2,000 rows (such as 0) and, on line 11, {odd!r}: is it" in problem.message
    assert f"`task: regression` (a quantity; {how}" in problem.remedy
    assert problem.where["line"] == 11
    assert problem.example is not None
    assert (problem.example.bad, problem.example.good) == (odd, "0")


def test_a_word_behind_the_first_rows_answers_no_question(front: Front) -> None:
    front.plan = replace(front.plan, max_upload_bytes=1 << 30)
    front.put("a.csv", table([str(i % ROWS) for i in range(LOOK_ROWS + 5000)] + ["n/k"]))
    assert front.problem(front.drop("a.csv")).code == "task-unclear"


def test_a_quantity_by_setting_is_refused_for_its_word(front: Front) -> None:
    front.plan = replace(front.plan, many_numbers="regression")
    front.put("a.csv", table([*map(str, range(ROWS)), "n/k"]))
    problem = front.problem(front.drop("a.csv"))
    assert (problem.code, problem.where["line"]) == ("label-not-numeric", ROWS + 2)


@pytest.mark.parametrize("text", [PRICES, COUNTS], ids=["decimals", "whole numbers"])
def test_many_numbers_are_asked_about_and_each_answer_is_taken(front: Front, text: str) -> None:
    for name, task in (("a", "regression"), ("b", "classification")):
        front.put(f"{name}.csv", text)
        problem = front.problem(front.drop(f"{name}.csv"))
        assert problem.code == "task-unclear"
        assert "'price' has 300 distinct numbers in 900 rows" in problem.message
        assert "task: regression" in problem.remedy
        assert "task: classification" in problem.remedy
        front.put(f"{name}.yaml", f"task: {task}\n")
        run = front.world.run(str(front.drop(f"{name}.yaml")))
        assert run.run_id != f"{name}-1-a1"
        assert (run.config.task, run.problem) == (task, None)


def test_or_are_a_quantity_by_setting_and_that_is_told(front: Front) -> None:
    front.plan = replace(front.plan, many_numbers="regression")
    front.put("a.csv", PRICES)
    run_id = str(front.drop("a.csv"))
    run = front.world.run(run_id)
    assert (run.config.task, run.config.gate.metric, run.problem) == ("regression", "auto", None)
    assert run.snapshot is not None
    assert run.snapshot.weight_column is None
    assert any("quantity" in said for said in run.snapshot.warnings)
    front.put("a.yaml", "task: auto\n")
    assert front.drop("a.yaml") == run_id, "what holds anyway starts nothing"
    assert len(front.states()) == 1
    front.put("a.yaml", "task: classification\n")
    assert front.world.run(str(front.drop("a.yaml"))).config.task == "classification"


def test_what_the_champion_was_trained_for_is_no_question_again(front: Front) -> None:
    front.put("a.csv", PRICES)
    front.put("a.yaml", "task: regression\n")
    first = str(front.drop("a.csv"))
    front.world.store.change_dataset("a", lambda found: replace(found, champion=first))
    front.files.delete("incoming", "a.yaml")
    front.put("a.csv", table([str(i % 20) for i in range(ROWS)]))
    assert front.world.run(str(front.drop("a.csv"))).config.task == "regression"


def test_the_look_is_bounded_and_what_comes_behind_it_is_staging_s_to_tell(front: Front) -> None:
    front.plan = replace(front.plan, max_upload_bytes=1 << 30)
    rows = [str(i % 2) for i in range(2 * LOOK_ROWS)] + [f"{i}.5" for i in range(2000)]
    front.put("a.csv", table(rows))
    assert front.problem(front.drop("a.csv")).code == "too-many-classes"


def test_a_file_that_is_wrong_otherwise_is_told_of_that(front: Front) -> None:
    front.put("a.csv", PRICES.replace("price", "prize", 1))
    assert front.problem(front.drop("a.csv")).code == "label-missing"


def test_auto_is_what_holds_where_nobody_says_a_task() -> None:
    made = plan(read({}))
    assert made.defaults.task_auto
    assert made.many_numbers == "ask"
    assert plan(read({"TASK_AUTO": "regression"})).many_numbers == "regression"
    assert not plan(read({"TASK": "regression"})).defaults.task_auto
    assert made.defaults.config_hash() == replace(made.defaults, task_auto=False).config_hash(), (
        "old files stay known"
    )


def test_a_metric_of_the_other_task_and_the_owners_lock() -> None:
    owned = defaults({"task": "auto"})
    with pytest.raises(InvalidConfig) as caught:
        effective(owned, b"primary_metric: r2_score\n")
    assert "say task: regression" in caught.value.remedy
    locked = Owner(locked=frozenset({"task"}))
    assert effective(owned, b"task: auto\n", owner=locked).config.task_auto
    for said in (b"task: classification\n", b"task: regression\n"):
        with pytest.raises(InvalidConfig, match="owner"):
            effective(owned, said, owner=locked)
    with pytest.raises(InvalidConfig, match="owner"):
        effective(DatasetConfig(), b"task: auto\n", owner=locked)
