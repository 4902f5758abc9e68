"""A threshold is for labels of two classes: a file that asks for one elsewhere is told so at intake."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.config import DatasetConfig
from shared.domain.config_sources import defaults
from shared.domain.threshold import ThresholdRule
from tests.support.intake_front import PLAN, Front


def table(*labels: str) -> str:
    return "x,y\n" + "".join(f"{i},{labels[i % len(labels)]}\n" for i in range(300))


MANY = table(*(f"{i * 1.5}" for i in range(100)))


@pytest.fixture
def front() -> Front:
    return Front()


def test_two_classes_are_taken(front: Front) -> None:
    front.put("a.csv", table("1.0", "2"))
    front.put("a.yaml", "threshold: {min_recall: 0.9, positive: 1}")
    run = front.world.run(str(front.drop("a.csv")))
    assert run.problem is None
    assert run.config.threshold == ThresholdRule(min_recall=0.9, positive="1")


def test_three_classes_are_refused_and_taken_once_it_is_gone(front: Front) -> None:
    front.put("a.csv", table("a", "b", "c"))
    front.put("a.yaml", "threshold: {maximise: f1}")
    run_id = front.drop("a.csv")
    problem = front.problem(run_id)
    assert (problem.code, problem.where["field"]) == ("invalid-config", "threshold")
    assert problem.message == "threshold is for a label of two classes, and 'y' has 3."
    assert problem.remedy == "Take threshold out of the configuration."
    assert front.states()[str(run_id)] == "quarantined"
    assert not list(front.files.list("data", "a/")), "nothing that was staged is left"
    front.put("a.yaml", "max_trials: 5")
    after = front.world.run(str(front.drop("a.yaml")))
    assert (after.problem, after.config.threshold) == (None, None)


def test_a_positive_class_that_is_none_is_told_with_those_there_are(front: Front) -> None:
    front.put("a.csv", table("yes", "no"))
    front.put("a.yaml", "threshold: {maximise: f1, positive: ja}")
    problem = front.problem(front.drop("a.csv"))
    assert problem.message == "threshold.positive is 'ja', which is no class of 'y'."
    assert problem.remedy == "It is 'no' or 'yes'."


@pytest.mark.parametrize("yaml", ["task: regression\nthreshold: 0.5", "task: auto\nthreshold: 0.5"])
def test_a_quantity_has_none(front: Front, yaml: str) -> None:
    front.plan = replace(PLAN, many_numbers="regression")
    front.put("a.csv", MANY)
    front.put("a.yaml", yaml)
    problem = front.problem(front.drop("a.csv"))
    assert problem.code == "invalid-config"
    assert "threshold" in problem.message
    assert "regression" in problem.message or "it is a quantity" in problem.message


def test_that_of_the_settings_holds_where_it_can(front: Front) -> None:
    owned = defaults({"threshold": "maximise f1", "task": "auto"})
    front.plan = replace(PLAN, defaults=owned, many_numbers="regression")
    for name, text in (("two", table("a", "b")), ("three", table("a", "b", "c")), ("many", MANY)):
        front.put(f"{name}.csv", text)
        run = front.world.run(str(front.drop(f"{name}.csv")))
        assert run.problem is None
        assert run.config.threshold == (None if name == "many" else ThresholdRule(maximise="f1"))
    assert front.plan.defaults != DatasetConfig()
