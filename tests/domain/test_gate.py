"""The gate bites: planted worse challengers are refused, better ones pass, and the numbers are there to read."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.gate import gate


def answers(truth: list[str], error_rate: float, seed: int) -> list[str]:
    rng = random.Random(seed)
    flip = {"yes": "no", "no": "yes"}
    return [flip[t] if rng.random() < error_rate else t for t in truth]


def holdout(rows: int = 2000, share: float = 0.11) -> list[str]:
    rng = random.Random(1)
    return ["yes" if rng.random() < share else "no" for _ in range(rows)]


def judge(
    champion: float, challenger: float, rows: int = 2000, insufficient: str = "promote"
) -> gate.Verdict:
    truth = holdout(rows)
    old, new = answers(truth, champion, 2), answers(truth, challenger, 3)
    return gate.judge(
        truth, old, new, metric="balanced_accuracy", margin=0.005, insufficient=insufficient, seed="r"
    )


@pytest.mark.parametrize(("champion", "challenger"), [(0.10, 0.20), (0.10, 0.15), (0.05, 0.5)])
def test_a_worse_challenger_is_refused(champion: float, challenger: float) -> None:
    verdict = judge(champion, challenger)
    assert verdict.decision == "reject"
    assert verdict.challenger < (verdict.champion or 0)


def test_a_better_challenger_passes_with_an_interval_above_zero() -> None:
    verdict = judge(0.2, 0.1)
    assert (verdict.decision, verdict.low is not None and verdict.low > 0) == ("promote", True)
    assert verdict.reason.startswith("better")


def test_the_same_model_is_not_worse() -> None:
    truth = holdout()
    same = answers(truth, 0.1, 2)
    verdict = gate.judge(truth, same, same, metric="accuracy", margin=0.0, insufficient="reject", seed="r")
    assert (verdict.decision, verdict.difference) == ("promote", 0.0)


def test_always_answering_the_majority_does_not_pass_on_balanced_accuracy() -> None:
    truth = holdout()
    verdict = gate.judge(
        truth,
        answers(truth, 0.1, 2),
        ["no"] * len(truth),
        metric="balanced_accuracy",
        margin=0.005,
        insufficient="promote",
        seed="r",
    )
    assert (verdict.decision, verdict.challenger) == ("reject", 0.5)


@pytest.mark.parametrize("setting", ["promote", "reject"])
def test_too_few_rows_say_so_and_follow_the_setting(setting: str) -> None:
    verdict = judge(0.1, 0.2, rows=100, insufficient=setting)
    assert verdict.decision == setting
    assert "insufficient evidence" in verdict.reason


def test_a_first_model_must_clear_the_floor() -> None:
    truth = holdout()
    good = gate.judge_first(truth, truth, metric="accuracy", floor=0.5, insufficient="reject")
    bad = gate.judge_first(truth, ["yes"] * len(truth), metric="accuracy", floor=0.5, insufficient="promote")
    assert (good.decision, bad.decision) == ("promote", "reject")


def test_regression_is_judged_by_r2() -> None:
    rng = random.Random(5)
    truth = [rng.gauss(0, 1) for _ in range(500)]
    near = [t + rng.gauss(0, 0.1) for t in truth]
    far = [t + rng.gauss(0, 0.6) for t in truth]
    assert gate.judge_regression(truth, far, near, margin=0.005, seed="r").decision == "reject"
    assert gate.judge_regression(truth, near, far, margin=0.005, seed="r").decision == "promote"
    assert gate.judge_regression(truth, [0.0] * 500, None, margin=0.0, seed="r").decision == "reject"


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(*[st.sampled_from("ab")] * 3), min_size=1, max_size=60),
    st.sampled_from(list(gate.METRICS)),
)
def test_any_answers_get_one_verdict_with_sane_numbers(rows: list[tuple[str, str, str]], metric: str) -> None:
    truth, old, new = ([row[i] for row in rows] for i in range(3))
    verdict = gate.judge(truth, old, new, metric=metric, margin=0.01, insufficient="reject", seed="s")
    assert verdict.decision in ("promote", "reject")
    assert 0 <= verdict.challenger <= 1
    assert verdict.low is not None
    assert verdict.high is not None
    assert verdict.low <= verdict.high


@pytest.mark.parametrize(
    ("text", "label"), [("True", "true"), ("1.0", "1"), ("yes", "yes"), ("2.5", "2.5"), ("01", "1")]
)
def test_labels_that_differ_in_type_only_are_one(text: str, label: str) -> None:
    assert gate.canonical_label(text) == label
