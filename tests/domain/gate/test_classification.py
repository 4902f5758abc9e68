"""The gate bites: planted worse challengers are refused, better ones pass, and the numbers are there to read."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.documents import from_json, to_json
from shared.domain.gate import (
    ClassRecall,
    GateConfig,
    Verdict,
    judge,
    judge_first,
)
from shared.domain.gate.confusion import METRICS
from tests.support import sweeps


def config(**said: Any) -> GateConfig:
    return GateConfig(**said)


def rows(*cells: tuple[int, str]) -> list[str]:
    """`(3, "a"), (2, "b")` are three times a, then twice b."""
    return [label for count, label in cells for _ in range(count)]


def mistaken(truth: list[str], error_rate: float, seed: int) -> list[str]:
    rng = random.Random(seed)
    flip = {"yes": "no", "no": "yes"}
    return [flip[t] if rng.random() < error_rate else t for t in truth]


BALANCED = rows((100, "yes"), (100, "no"))
PROMOTE, REJECT = config(insufficient_evidence="promote"), config(insufficient_evidence="reject")
EVERY_SETTING = [
    config(margin=margin, floor=-1.0, insufficient_evidence=evidence, policy=policy, metric=metric)
    for margin in (0.0, 1.0)
    for evidence in ("promote", "reject")
    for policy in ("not_worse", "better")
    for metric in METRICS
]


# -- what is proven worse never passes -----------------------------------------------------------------------


@pytest.mark.parametrize("said", sweeps.part(EVERY_SETTING))
@pytest.mark.parametrize("each", [2, 10, 29, 30, 1000])
def test_proven_worse_is_never_promoted_whatever_the_settings(said: GateConfig, each: int) -> None:
    truth = rows((each, "yes"), (each, "no"))
    verdict = judge(truth, truth, ["no"] * len(truth), said, seed="r")
    assert verdict.decision == "reject"
    assert verdict.reason.startswith("proven worse: ")
    assert verdict.high is not None
    assert verdict.high < 0


def test_the_reason_has_the_numbers() -> None:
    truth = rows((20, "yes"), (20, "no"))
    verdict = judge(truth, truth, ["no"] * 40, PROMOTE, seed="r")
    assert verdict == Verdict(
        "reject",
        "proven worse: balanced_accuracy 0.5000 against 1.0000",
        "balanced_accuracy",
        0.5,
        1.0,
        -0.5,
        -0.5,
        -0.5,
        0.005,
        40,
        20,
        "not_worse",
        "little",
        None,
        "balanced_accuracy",
        0.5,
        0.5,
        (ClassRecall("no", 20, 1.0, 1.0), ClassRecall("yes", 20, 0.0, 1.0)),
        champion_guess=1.0,
        champion_guess_low=1.0,
        guess=0.5,
        guess_high=0.5,
    )


def test_worse_by_more_than_the_margin_is_refused_though_not_proven() -> None:
    """One row of twenty is chance, perhaps; it is also all that is known."""
    truth = rows((20, "yes"), (20, "no"))
    one_wrong = rows((1, "no"), (19, "yes"), (20, "no"))
    verdict = judge(truth, truth, one_wrong, PROMOTE, seed="r")
    assert verdict.decision == "reject"
    assert verdict.reason == "worse by more than the margin 0.005: balanced_accuracy 0.9750 against 1.0000"
    assert verdict.high == 0


def test_at_the_margin_is_within_it() -> None:
    truth = rows((40, "yes"), (40, "no"))
    two_wrong = rows((2, "no"), (38, "yes"), (40, "no"))
    at = judge(truth, truth, two_wrong, config(margin=0.025), seed="r")
    assert (at.decision, at.difference) == ("promote", -0.025)
    assert at.reason == "not worse within the margin 0.025: balanced_accuracy 0.9750 against 1.0000"
    beyond = judge(truth, truth, two_wrong, config(margin=0.0249), seed="r")
    assert beyond.decision == "reject"


# -- better, or not worse ------------------------------------------------------------------------------------


def test_better_is_told_as_better_under_both_policies() -> None:
    old = mistaken(BALANCED, 0.3, 1)
    for policy in ("not_worse", "better"):
        verdict = judge(BALANCED, old, BALANCED, config(policy=policy), seed="r")
        assert (verdict.decision, verdict.policy, verdict.challenger) == ("promote", policy, 1.0)
        assert verdict.reason.startswith("better: balanced_accuracy 1.0000 against ")
        assert verdict.low is not None
        assert verdict.low > 0


def test_the_same_model_is_not_worse_and_not_better() -> None:
    same = mistaken(BALANCED, 0.1, 2)
    verdict = judge(BALANCED, same, same, config(metric="accuracy", margin=0.0), seed="r")
    assert (verdict.decision, verdict.difference, verdict.low, verdict.high) == ("promote", 0.0, 0.0, 0.0)
    assert verdict.reason.startswith("not worse within the margin 0: accuracy ")
    strict = judge(BALANCED, same, same, config(policy="better"), seed="r")
    assert strict.decision == "reject"
    assert strict.reason.startswith("not proven better, as gate.policy asks: ")


def test_one_lucky_row_is_not_worse_and_not_better() -> None:
    old = rows((1, "no"), (99, "yes"), (100, "no"))
    assert judge(BALANCED, old, BALANCED, PROMOTE, seed="r").reason.startswith("not worse")
    assert judge(BALANCED, old, BALANCED, config(policy="better"), seed="r").decision == "reject"


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("f1_macro", (60 / 75 + 50 / 73 + 24 / 32) / 3),
        ("precision_score_weighted", (40 * 30 / 35 + 30 * 25 / 43 + 20) / 90),
        ("accuracy", 67 / 90),
        ("balanced_accuracy", (30 / 40 + 25 / 30 + 12 / 20) / 3),
    ],
)
def test_of_three_classes_a_wrong_answer_counts_as_what_it_was(metric: str, value: float) -> None:
    truth = rows((40, "a"), (30, "b"), (20, "c"))
    answers = rows((30, "a"), (10, "b"), (25, "b"), (5, "a"), (12, "c"), (8, "b"))
    assert judge_first(truth, answers, config(metric=metric), seed="r").challenger == pytest.approx(value)
    against = judge(truth, truth, answers, config(metric=metric), seed="r")
    assert against.challenger == pytest.approx(value)
    assert against.champion == 1.0


# -- guessing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", sweeps.part(EVERY_SETTING))
@pytest.mark.parametrize("each", [1, 5, 29, 30, 500])
def test_a_constant_first_model_never_passes(said: GateConfig, each: int) -> None:
    truth = rows((each, "yes"), (9 * each, "no"))
    verdict = judge_first(truth, ["no"] * len(truth), said, seed="r")
    assert verdict.decision == "reject"
    assert verdict.reason == (
        "no champion yet; no better than guessing: balanced_accuracy 0.5000, and guessing reaches 0.5000"
    )


def test_a_constant_model_doesn_t_replace_a_constant_one() -> None:
    constant = ["no"] * 200
    verdict = judge(BALANCED, constant, constant, config(margin=1.0), seed="r")
    assert verdict.decision == "reject"
    assert verdict.reason == (
        "no better than guessing: balanced_accuracy 0.5000, and guessing reaches 0.5000"
    )


def test_a_coin_is_not_better_than_guessing_beyond_chance() -> None:
    coin = rows((52, "yes"), (48, "no"), (48, "yes"), (52, "no"))
    verdict = judge_first(BALANCED, coin, config(floor=0.0), seed="r")
    assert verdict.decision == "reject"
    assert verdict.reason.startswith(
        "no champion yet; not better than guessing beyond chance: balanced_accuracy 0.5200 may be as low as 0.4"
    )
    assert verdict.reason.endswith(", and guessing reaches 0.5000")


def test_as_low_as_guessing_is_not_beyond_chance() -> None:
    """One hit among thirty rows of the rare class: 36 of 100 resamples have none."""
    truth = rows((30, "yes"), (300, "no"))
    verdict = judge_first(truth, rows((1, "yes"), (329, "no")), config(floor=-1.0), seed="r")
    assert (verdict.decision, verdict.guess_low) == ("reject", 0.5)
    assert verdict.reason == (
        "no champion yet; not better than guessing beyond chance: balanced_accuracy 0.5167 may be as low as "
        "0.5000, and guessing reaches 0.5000"
    )


def test_numbers_are_kept_to_six_places() -> None:
    truth = rows((70, "a"), (70, "b"), (70, "c"))
    old, new = (
        rows((40, "a"), (30, "b"), (70, "b"), (70, "c")),
        rows((50, "a"), (20, "b"), (70, "b"), (70, "c")),
    )
    verdict = judge(truth, old, new, PROMOTE, seed="r")
    assert verdict.guessing == 0.333333
    assert (verdict.challenger, verdict.champion, verdict.difference) == (0.904762, 0.857143, 0.047619)
    for number in (verdict.low, verdict.high, verdict.guess_low):
        assert number == round(number or 0, 6)
    assert [recall.challenger for recall in verdict.per_class] == [0.714286, 1.0, 1.0]
    assert verdict.per_class[0].champion == 0.571429


def test_guessing_depends_on_the_number_of_classes() -> None:
    truth = rows(*[(100, str(c)) for c in range(4)])
    half = rows(*[(part, label) for c in range(4) for part, label in ((50, str(c)), (50, str((c + 1) % 4)))])
    verdict = judge_first(truth, half, PROMOTE, seed="r")
    assert (verdict.decision, verdict.guessing, verdict.challenger) == ("promote", 0.25, 0.5)
    assert verdict.reason == "no champion yet; balanced_accuracy 0.5000 beats guessing (0.2500)"
    told = judge_first(truth, half, config(metric="accuracy"), seed="r").reason
    assert told == "no champion yet; accuracy 0.5000; balanced_accuracy 0.5000 beats guessing (0.2500)"


def test_a_first_model_must_lie_above_the_floor() -> None:
    good = rows((75, "yes"), (25, "no"), (75, "no"), (25, "yes"))
    at = judge_first(BALANCED, good, config(floor=0.75), seed="r")
    assert at.decision == "reject"
    assert at.reason == "no champion yet; balanced_accuracy 0.7500 is not above the floor 0.7500"
    above = judge_first(BALANCED, good, config(floor=0.7499), seed="r")
    assert (above.decision, above.floor, above.champion) == ("promote", 0.7499, None)


def test_the_floor_is_for_first_models_alone() -> None:
    good = rows((75, "yes"), (25, "no"), (75, "no"), (25, "yes"))
    verdict = judge(BALANCED, good, good, config(floor=0.9), seed="r")
    assert (verdict.decision, verdict.floor) == ("promote", None)


# -- little evidence -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["promote", "reject"])
def test_little_evidence_follows_its_setting_and_says_so(setting: Any) -> None:
    truth = rows((29, "yes"), (500, "no"))
    verdict = judge(truth, truth, truth, config(insufficient_evidence=setting), seed="r")
    assert (verdict.decision, verdict.evidence, verdict.smallest_class) == (setting, "little", 29)
    assert verdict.reason == (
        f"insufficient evidence (29 holdout rows of the rarest class; the setting says {setting}); "
        "not worse within the margin 0.005: balanced_accuracy 1.0000 against 1.0000"
    )


def test_thirty_rows_of_each_class_are_enough() -> None:
    truth = rows((30, "yes"), (500, "no"))
    verdict = judge(truth, truth, truth, REJECT, seed="r")
    assert (verdict.decision, verdict.evidence, verdict.smallest_class) == ("promote", "enough", 30)


@pytest.mark.parametrize("setting", ["promote", "reject"])
def test_an_empty_holdout_never_passes_silently(setting: Any) -> None:
    said = config(insufficient_evidence=setting)
    reason = f"insufficient evidence (the holdout is empty; the setting says {setting})"
    for verdict in (judge_first([], [], said, seed="r"), judge([], [], [], said, seed="r")):
        assert (verdict.decision, verdict.reason, verdict.evidence) == (setting, reason, "none")
        assert (verdict.rows, verdict.smallest_class, verdict.champion) == (0, 0, None)


@pytest.mark.parametrize("setting", ["promote", "reject"])
def test_one_class_can_t_tell_knowing_from_guessing(setting: Any) -> None:
    truth = ["no"] * 100
    verdict = judge_first(truth, truth, config(insufficient_evidence=setting), seed="r")
    assert verdict.decision == setting
    assert verdict.reason == (
        f"no champion yet; insufficient evidence (the holdout has rows of the class 'no' only; the setting says "
        f"{setting}); balanced_accuracy 1.0000"
    )
    assert verdict.guessing is None
    assert judge_first(truth, ["yes"] * 100, PROMOTE, seed="r").decision == "reject"


# -- each class ----------------------------------------------------------------------------------------------


def test_a_lost_class_is_told_though_the_accuracy_grows() -> None:
    truth = rows((40, "rare"), (2000, "common"))
    old = rows((36, "rare"), (4, "common"), (200, "rare"), (1800, "common"))
    new = rows((2, "rare"), (38, "common"), (2000, "common"))
    verdict = judge(truth, old, new, config(metric="accuracy", margin=1.0), seed="r")
    assert verdict.decision == "reject"
    assert verdict.reason == "loses the class 'rare': recall 0.0500 against 0.9000 over 40 rows"
    assert verdict.low is not None
    assert verdict.low > 0
    assert verdict.per_class == (
        ClassRecall("common", 2000, 1.0, 0.9),
        ClassRecall("rare", 40, 0.05, 0.9),
    )


def test_half_the_recall_left_is_no_lost_class() -> None:
    truth = rows((40, "rare"), (2000, "common"))
    old = rows((36, "rare"), (4, "common"), (200, "rare"), (1800, "common"))
    new = rows((18, "rare"), (22, "common"), (2000, "common"))
    assert judge(truth, old, new, config(metric="accuracy", margin=1.0), seed="r").decision == "promote"


def test_exactly_half_of_any_recall_is_left() -> None:
    """Two thirds and one third, which no number of digits tells exactly."""
    truth = rows((60, "rare"), (2000, "common"))
    old = rows((40, "rare"), (20, "common"), (200, "rare"), (1800, "common"))
    new = rows((20, "rare"), (40, "common"), (2000, "common"))
    assert judge(truth, old, new, config(metric="accuracy", margin=1.0), seed="r").decision == "promote"
    fewer = rows((19, "rare"), (41, "common"), (2000, "common"))
    assert judge(truth, old, fewer, config(metric="accuracy", margin=1.0), seed="r").reason == (
        "loses the class 'rare': recall 0.3167 against 0.6667 over 60 rows"
    )


@pytest.mark.parametrize(("rare", "decision"), [(5, "promote"), (6, "reject")])
def test_a_class_is_lost_beyond_chance_from_six_rows_on(rare: int, decision: str) -> None:
    truth = rows((rare, "rare"), (2000, "common"))
    old = rows((rare, "rare"), (200, "rare"), (1800, "common"))
    new = rows((rare, "common"), (2000, "common"))
    said = config(metric="accuracy", margin=1.0)
    verdict = judge(
        [*truth, *["third"] * 40], [*old, *["third"] * 40], [*new, *["third"] * 40], said, seed="r"
    )
    assert verdict.decision == decision


# -- documents -----------------------------------------------------------------------------------------------


def test_a_verdict_survives_its_document_and_opens_older_ones() -> None:
    verdict = judge(BALANCED, mistaken(BALANCED, 0.2, 1), BALANCED, PROMOTE, seed="r")
    assert from_json(to_json(verdict), Verdict) == verdict
    older = {
        "decision": "promote", "reason": "better", "metric": "accuracy", "challenger": 1, "champion": 0.5,
        "difference": 0.5, "low": 0.4, "high": 0.6, "margin": 0, "rows": 100, "smallest_class": 50,
    }  # fmt: skip
    opened = from_json(older, Verdict)
    assert (opened.challenger, opened.policy, opened.evidence, opened.per_class) == (
        1.0,
        "not_worse",
        "enough",
        (),
    )
    superseded = from_json({"decision": "reject", "reason": "superseded", "smoke": ["a"]}, Verdict)
    assert (superseded.decision, superseded.champion) == ("reject", None)


# -- wild answers and many draws -----------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(*[st.sampled_from("abc")] * 3), min_size=1, max_size=60),
    st.sampled_from(EVERY_SETTING),
)
def test_any_answers_get_one_verdict_with_sane_numbers(
    cells: list[tuple[str, str, str]], said: GateConfig
) -> None:
    truth, old, new = ([cell[i] for cell in cells] for i in range(3))
    verdict = judge(truth, old, new, said, seed="s")
    least = (
        -2 if said.metric == "norm_macro_recall" else 0
    )  # with three classes, all wrong are half as far below guessing
    assert least / 2 <= verdict.challenger <= 1
    assert verdict.difference is not None
    assert verdict.low is not None
    assert verdict.high is not None
    assert -1 + least / 2 <= verdict.low <= verdict.high <= 1 - least / 2
    assert sum(recall.rows for recall in verdict.per_class) == verdict.rows == len(cells)
    assert verdict.smallest_class == min(Counter(truth).values())
    if verdict.decision == "promote":
        assert verdict.high >= 0
        assert verdict.difference >= -said.margin - 1e-6
        assert said.policy == "not_worse" or verdict.low > 0
        assert verdict.guessing is None or verdict.challenger > least / 2
    assert judge(truth, old, new, said, seed="s") == verdict
