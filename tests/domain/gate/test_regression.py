"""Numbers are judged by R2: worse ones never pass, a first model must beat the mean beyond chance."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.gate import GateConfig, Verdict, judge_regression


def config(**said: Any) -> GateConfig:
    return GateConfig(metric="r2_score", **said)


PROMOTE, REJECT = config(), config(insufficient_evidence="reject")
EVERY_SETTING = [
    config(margin=margin, floor=-1.0, insufficient_evidence=evidence, policy=policy)
    for margin in (0.0, 1.0)
    for evidence in ("promote", "reject")
    for policy in ("not_worse", "better")
]
RNG = random.Random(5)
TRUTH = [RNG.gauss(0, 1) for _ in range(500)]
NEAR = [t + RNG.gauss(0, 0.1) for t in TRUTH]
FAR = [t + RNG.gauss(0, 0.6) for t in TRUTH]


@pytest.mark.parametrize("said", EVERY_SETTING)
@pytest.mark.parametrize("rows", [20, 29, 30, 500])
def test_proven_worse_is_never_promoted(said: GateConfig, rows: int) -> None:
    verdict = judge_regression(TRUTH[:rows], FAR[:rows], NEAR[:rows], said)
    assert verdict.decision == "reject"
    assert verdict.reason.startswith("proven worse: r2_score 0.")


def test_better_passes_under_both_policies() -> None:
    for policy in ("not_worse", "better"):
        verdict = judge_regression(TRUTH, NEAR, FAR, config(policy=policy))
        assert verdict.decision == "promote"
        assert verdict.reason.startswith("better: r2_score 0.9")
        assert (verdict.rows, verdict.smallest_class, verdict.evidence) == (500, 500, "enough")


def test_the_same_answers_are_not_worse_and_not_better() -> None:
    verdict = judge_regression(TRUTH, NEAR, NEAR, config(margin=0.0))
    assert (verdict.decision, verdict.difference, verdict.low, verdict.high) == ("promote", 0, 0, 0)
    assert verdict.reason.startswith("not worse within the margin 0: r2_score 0.9")
    assert judge_regression(TRUTH, NEAR, NEAR, config(policy="better")).decision == "reject"


def test_worse_by_more_than_the_margin_is_refused_though_not_proven() -> None:
    truth = [float(i % 2) for i in range(100)]
    one_off = [1 - t if i == 0 else t for i, t in enumerate(truth)]
    verdict = judge_regression(truth, one_off, truth, PROMOTE)
    assert (verdict.decision, verdict.difference, verdict.champion) == ("reject", -0.04, 1.0)
    assert verdict.reason == "worse by more than the margin 0.005: r2_score 0.9600 against 1.0000"
    assert verdict.high is not None
    assert verdict.high > 0
    assert judge_regression(truth, one_off, truth, config(margin=0.04)).decision == "promote"
    assert judge_regression(truth, one_off, truth, config(margin=0.0399)).decision == "reject"


def test_the_interval_is_student_s_t() -> None:
    """By hand: gains -1 once in 100 rows, spread 1/4 in each: ratio -0.04, standard error 0.04 x sqrt(99/99)."""
    truth = [float(i % 2) for i in range(100)]
    one_off = [1 - t if i == 0 else t for i, t in enumerate(truth)]
    verdict = judge_regression(truth, one_off, truth, PROMOTE)
    assert verdict.low == pytest.approx(-0.04 - 1.98422 * 0.04, abs=1e-5)
    assert verdict.high == pytest.approx(-0.04 + 1.98422 * 0.04, abs=1e-5)
    assert verdict.guess_low == pytest.approx(0.96 - 1.98422 * 0.04, abs=1e-5)


def test_five_rows_have_a_wider_interval_than_a_hundred() -> None:
    """By hand: student's t of 4 degrees of freedom is 2.776 (2.730 by the expansion); each row has its own spread."""
    truth, new = [0.0, 1.0, 2.0, 3.0, 4.0], [0.5, 1.0, 2.0, 3.0, 4.0]
    verdict = judge_regression(truth, new, truth, config(margin=1.0))
    spread, gains = [4.0, 1.0, 0.0, 1.0, 4.0], [-0.25, 0.0, 0.0, 0.0, 0.0]
    ratio = sum(gains) / 10
    scatter = sum((g - ratio * s) ** 2 for g, s in zip(gains, spread, strict=True))
    half = 2.729438 * math.sqrt(scatter * 5 / 4) / 10
    assert (verdict.difference, verdict.champion) == (-0.025, 1.0)
    assert verdict.low == pytest.approx(ratio - half, abs=1e-6)
    assert verdict.high == pytest.approx(ratio + half, abs=1e-6)


def test_the_champion_s_own_value_is_told() -> None:
    verdict = judge_regression([0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 3.0], [0.5, 1.5, 2.5, 3.5], PROMOTE)
    assert (verdict.champion, verdict.champion_guess, verdict.difference) == (0.8, 0.8, 0.2)
    assert verdict.champion_guess_low is not None
    assert verdict.champion_guess_low < 0.8


# -- a first model -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", EVERY_SETTING)
@pytest.mark.parametrize("rows", [2, 29, 30, 500])
def test_answering_the_mean_never_passes(said: GateConfig, rows: int) -> None:
    mean = sum(TRUTH[:rows]) / rows
    verdict = judge_regression(TRUTH[:rows], [mean] * rows, None, said)
    assert verdict.decision == "reject"
    assert verdict.reason == (
        "no champion yet; no better than guessing: r2_score 0.0000, and guessing reaches 0.0000"
    )
    assert judge_regression(TRUTH[:rows], [mean] * rows, [mean] * rows, said).decision == "reject"


def test_a_lucky_first_model_is_not_better_than_the_mean_beyond_chance() -> None:
    mean = sum(TRUTH) / len(TRUTH)
    lucky = [t if i < 2 else mean for i, t in enumerate(TRUTH)]
    verdict = judge_regression(TRUTH, lucky, None, PROMOTE)
    assert verdict.decision == "reject"
    assert verdict.reason.startswith("no champion yet; not better than guessing beyond chance: r2_score 0.00")


def test_a_first_model_that_beats_the_mean_passes_above_the_floor() -> None:
    verdict = judge_regression(TRUTH, NEAR, None, config(floor=0.9))
    assert verdict.decision == "promote"
    assert verdict.reason.startswith("no champion yet; r2_score 0.99")
    assert verdict.reason.endswith(" beats guessing (0.0000)")
    assert (verdict.champion, verdict.difference, verdict.floor) == (None, None, 0.9)
    half = [float(i % 2) * 0.5 + 0.25 for i in range(100)]
    at = judge_regression([float(i % 2) for i in range(100)], half, None, config(floor=0.75))
    assert (at.decision, at.challenger) == ("reject", 0.75)
    assert at.reason == "no champion yet; r2_score 0.7500 is not above the floor 0.7500"


# -- little evidence -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["promote", "reject"])
def test_little_evidence_follows_its_setting_and_says_so(setting: Any) -> None:
    verdict = judge_regression(TRUTH[:29], NEAR[:29], FAR[:29], config(insufficient_evidence=setting))
    assert (verdict.decision, verdict.evidence) == (setting, "little")
    assert verdict.reason.startswith(
        f"insufficient evidence (29 holdout rows; the setting says {setting}); better: r2_score 0.9"
    )
    enough = judge_regression(TRUTH[:30], NEAR[:30], FAR[:30], config(insufficient_evidence=setting))
    assert (enough.decision, enough.evidence) == ("promote", "enough")


@pytest.mark.parametrize("setting", ["promote", "reject"])
@pytest.mark.parametrize(
    ("truth", "why"),
    [
        ([], "the holdout is empty"),
        ([3.5], "the holdout's labels are all the same"),
        ([3.5] * 40, "the holdout's labels are all the same"),
    ],
)
def test_a_holdout_that_says_nothing_never_passes_silently(
    setting: Any, truth: list[float], why: str
) -> None:
    said = config(insufficient_evidence=setting)
    for champion in (None, truth):
        assert judge_regression(truth, truth, champion, said) == Verdict(
            setting,
            f"insufficient evidence ({why}; the setting says {setting})",
            "r2_score",
            margin=0.005,
            rows=len(truth),
            smallest_class=len(truth),
            evidence="none",
        )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.floats(), st.floats()),
        min_size=1,
        max_size=50,
    ),
    st.sampled_from(EVERY_SETTING),
)
def test_any_answers_get_one_verdict_with_finite_numbers(
    rows: list[tuple[float, float, float]], said: GateConfig
) -> None:
    truth, new, old = ([row[i] for row in rows] for i in range(3))
    for champion in (None, old):
        verdict = judge_regression(truth, new, champion, said)
        numbers = [verdict.challenger, verdict.champion, verdict.difference, verdict.low, verdict.high]
        assert all(number is None or math.isfinite(number) for number in numbers)


@pytest.mark.parametrize("wild", [math.nan, math.inf, 1e300])
def test_one_wild_answer_spoils_a_model(wild: float) -> None:
    assert judge_regression(TRUTH, [wild, *NEAR[1:]], None, config(floor=-1.0)).decision == "reject"
    assert judge_regression(TRUTH, [wild, *NEAR[1:]], NEAR, config(margin=1.0)).decision == "reject"
    assert judge_regression(TRUTH, NEAR, [wild, *NEAR[1:]], PROMOTE).decision == "promote"
