"""Where exactly a rule begins to speak, told by numbers that were measured elsewhere."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.gate import GateConfig
from shared.domain.gate.rules import ROUNDING, Comparison, Guess, Measured, decide
from shared.domain.gate.spans import Span, apart

SURE = Guess("AUC_weighted", 0.8, 0.7, 0.5, 0.9)
FIRST = Measured("accuracy", 0.9, SURE, 500, 100)


def against(difference: float, low: float, high: float) -> Measured:
    """A challenger held against a champion of 0.9."""
    return replace(FIRST, challenger=0.9 + difference, against=Comparison(0.9, difference, low, high))


# -- the margin ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("margin", "decision"), [(0.25, "promote"), (0.2499, "reject")])
def test_as_much_worse_as_the_margin_passes(margin: float, decision: str) -> None:
    assert decide(against(-0.25 - ROUNDING, -0.5, 0.1), GateConfig(margin=margin)).decision == decision


def test_worse_is_proven_where_the_whole_interval_lies_below_nothing() -> None:
    lax = GateConfig(margin=1.0)
    assert decide(against(-0.1, -0.2, -1e-6), lax).reason == "proven worse: accuracy 0.8000 against 0.9000"
    assert decide(against(-0.1, -0.2, 0.0), lax).decision == "promote"


def test_better_is_proven_where_the_whole_interval_lies_above_nothing() -> None:
    strict = GateConfig(policy="better")
    assert decide(against(0.05, 1e-6, 0.1), strict).reason == "better: accuracy 0.9500 against 0.9000"
    at = decide(against(0.05, 0.0, 0.1), strict)
    assert (at.decision, at.reason) == (
        "reject",
        "not proven better, as gate.policy asks: accuracy 0.9500 against 0.9000",
    )
    assert decide(against(0.05, 0.0, 0.1), GateConfig()).reason == (
        "not worse within the margin 0.005: accuracy 0.9500 against 0.9000"
    )


# -- guessing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "decision"), [(0.5 + ROUNDING, "reject"), (0.5001, "promote")])
def test_what_lies_above_guessing_by_rounding_alone_is_guessing(value: float, decision: str) -> None:
    found = decide(replace(FIRST, guess=replace(SURE, value=value, low=0.5 + 2 * ROUNDING)), GateConfig())
    assert found.decision == decision
    told = "no champion yet; no better than guessing: AUC_weighted 0.5000, and guessing reaches 0.5000"
    assert (found.reason == told) is (decision == "reject")


@pytest.mark.parametrize(("low", "decision"), [(0.5 + ROUNDING, "reject"), (0.5001, "promote")])
def test_beyond_chance_begins_above_guessing(low: float, decision: str) -> None:
    found = decide(replace(FIRST, guess=replace(SURE, low=low)), GateConfig())
    assert found.decision == decision
    assert found.reason.startswith("no champion yet; not better than guessing beyond chance") is (
        decision == "reject"
    )
    few = decide(replace(FIRST, guess=replace(SURE, low=low), shortage="7 holdout rows"), GateConfig())
    assert few.decision == "promote", "few rows prove nothing: the setting decides"


def test_guessing_is_told_before_the_floor_and_a_lost_class_before_guessing() -> None:
    guesses = replace(SURE, value=0.5, low=0.4)
    assert "no better than guessing" in decide(replace(FIRST, guess=guesses), GateConfig(floor=0.95)).reason
    lost = replace(against(0.0, -0.1, 0.1), lost="loses the class 'a'", guess=guesses)
    assert decide(lost, GateConfig()).reason == "loses the class 'a'"
    plain = replace(lost, lost=None)
    assert decide(plain, GateConfig(policy="better")).reason.startswith("no better than guessing")


# -- what is told --------------------------------------------------------------------------------------------


def test_every_number_is_told_to_six_places() -> None:
    third = 1 / 3
    guess = Guess("AUC_weighted", third, third, third / 2, third)
    found = replace(
        against(third, third, third), guess=guess, champion_guess=guess, calibration=(third, None)
    )
    told = decide(found, GateConfig())
    assert (told.challenger, told.champion, told.difference) == (1.233333, 0.9, 0.333333)
    assert (told.low, told.high) == (0.333333, 0.333333)
    assert (told.guess, told.guess_low, told.guess_high, told.guessing) == (*[0.333333] * 3, 0.166667)
    assert (told.champion_guess, told.champion_guess_low) == (0.333333, 0.333333)
    assert (told.calibration_error, told.champion_calibration_error) == (0.333333, None)


def test_a_bound_that_nobody_knows_is_left_out() -> None:
    told = decide(replace(FIRST, guess=Guess("AUC_weighted", 0.8, 0.7, 0.5)), GateConfig())
    assert (told.guess, told.guess_low, told.guess_high) == (0.8, 0.7, None)


def test_few_rows_are_told_before_what_they_say() -> None:
    few = replace(FIRST, shortage="7 holdout rows")
    told = decide(few, GateConfig(insufficient_evidence="reject"))
    assert (told.decision, told.evidence) == ("reject", "little")
    assert told.reason == (
        "no champion yet; insufficient evidence (7 holdout rows; the setting says reject); accuracy 0.9000; "
        "AUC_weighted 0.8000 beats guessing (0.5000)"
    )
    worse = replace(against(-0.1, -0.2, -0.05), shortage="7 holdout rows")
    assert decide(worse, GateConfig()).reason == "proven worse: accuracy 0.8000 against 0.9000"


def test_the_limits_of_a_difference_come_from_the_side_that_each_model_may_err_to() -> None:
    """MOVER by hand: the new one 0.3 lower and the old one 0.4 higher is 0.5 below, 0.6 and 0.8 is 1 above."""
    found = apart(Span(2.0, 1.7, 2.6), Span(1.0, 0.2, 1.4))
    assert (found.value, found.low, found.high) == pytest.approx((1.0, 0.5, 2.0))
