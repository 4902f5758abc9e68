"""A champion that falls on a new file, and a challenger that is worse on the old one: where exactly each is held proven."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.gate import GateConfig
from shared.domain.gate.earlier import LABELS_IN_DOUBT, collapse, suspicion, worse_before
from shared.domain.gate.rules import ROUNDING, Comparison, Guess, Measured

NAME = "AUC_weighted"
BEFORE = Guess(NAME, 0.9, 0.875, 0.5, 0.925)


def new(value: float, low: float, high: float, **said: object) -> Measured:
    """What the champion reaches on the new file."""
    made = Measured(NAME, 0.7, None, 80, 40, champion_guess=Guess(NAME, value, low, 0.5, high))
    return replace(made, **said)  # type: ignore[arg-type]


def compared(difference: float, low: float, high: float, **said: object) -> Measured:
    made = Measured(NAME, 0.75, None, 80, 40, against=Comparison(0.75 - difference, difference, low, high))
    return replace(made, **said)  # type: ignore[arg-type]


# -- the champion's fall -------------------------------------------------------------------------------------


def test_a_fall_to_guessing_is_told_with_both_numbers() -> None:
    assert collapse(new(0.55, 0.5, 0.6), BEFORE, GateConfig(collapse=1.0)) == (
        f"the champion reaches no better than guessing on the new file's 80 holdout rows ({NAME} 0.5500) and 0.9000 on "
        f"those of its own file: {LABELS_IN_DOUBT}"
    )
    assert collapse(new(0.55, 0.501, 0.6), BEFORE, GateConfig(collapse=1.0)) is None, (
        "it still beats guessing"
    )


def test_a_fall_that_leaves_some_lead_is_told_by_what_is_left() -> None:
    assert collapse(new(0.75, 0.7, 0.8), BEFORE, GateConfig(collapse=0.25)) == (
        f"the champion reaches only {NAME} 0.7500 on the new file's 80 holdout rows and 0.9000 on those of its own file: "
        f"{LABELS_IN_DOUBT}"
    )


def test_as_much_of_the_lead_as_the_setting_says_may_be_lost() -> None:
    """A lead of a half falls to a quarter: half of it is gone."""
    whole = Guess(NAME, 1.0, 0.875, 0.5, 1.0)
    assert collapse(new(0.75, 0.6875, 0.8125), whole, GateConfig(collapse=0.5)) is None
    assert collapse(new(0.75, 0.6875, 0.8125), whole, GateConfig(collapse=0.49)) is not None


def test_a_champion_that_may_have_guessed_before_accuses_no_file() -> None:
    now = new(0.2, 0.1, 0.3)
    assert collapse(now, Guess(NAME, 0.6, 0.5, 0.5, 0.7), GateConfig()) is None
    assert collapse(now, Guess(NAME, 0.6, 0.501, 0.5, 0.7), GateConfig()) is not None


def test_a_fall_is_proven_where_the_intervals_leave_no_room() -> None:
    """By hand: fallen by a half; the new one may lie 0.3 higher and the old one 0.4 lower, which is that half exactly."""
    before = Guess(NAME, 1.0, 0.6, 0.5, 1.0)
    assert collapse(new(0.5, 0.4, 0.8), before, GateConfig()) is None
    assert collapse(new(0.5, 0.4, 0.79), before, GateConfig()) is not None


def test_nothing_is_told_of_few_rows_or_by_another_metric() -> None:
    fallen = new(0.5, 0.4, 0.6)
    assert collapse(fallen, BEFORE, GateConfig()) is not None
    assert collapse(replace(fallen, shortage="7 holdout rows"), BEFORE, GateConfig()) is None
    assert collapse(fallen, replace(BEFORE, metric="r2_score"), GateConfig()) is None
    assert collapse(fallen, None, GateConfig()) is None
    assert collapse(replace(fallen, champion_guess=None), BEFORE, GateConfig()) is None


def test_its_own_rows_speak_before_its_verdict_unless_they_are_few() -> None:
    fallen, weak = new(0.5, 0.4, 0.6), Guess(NAME, 0.55, 0.4, 0.5, 0.7)
    own = replace(fallen, champion_guess=weak)
    assert suspicion(fallen, own, BEFORE, GateConfig()) is None
    assert suspicion(fallen, replace(own, shortage="7 holdout rows"), BEFORE, GateConfig()) is not None
    assert suspicion(fallen, None, BEFORE, GateConfig()) is not None


# -- a challenger that is worse on the old file --------------------------------------------------------------


def test_worse_on_the_old_file_is_proven_and_beyond_its_margin() -> None:
    config = GateConfig(earlier_margin=0.25)
    assert worse_before(compared(-0.25 - ROUNDING, -0.5, -0.1), config) is None
    assert worse_before(compared(-0.3, -0.5, 0.0), config) is None, "not beyond chance"
    assert worse_before(compared(-0.3, -0.5, -0.1), config) == (
        f"proven worse on the holdout of the champion's own file, by more than the margin 0.25: {NAME} 0.7500 against 1.0500"
    )
    assert worse_before(None, config) is None
    assert worse_before(new(0.5, 0.4, 0.6), config) is None, "a first model is held against nobody"


@pytest.mark.parametrize(("low", "doubted"), [(0.0, False), (0.001, True)])
def test_better_here_and_worse_there_is_suspicious_where_both_are_proven(low: float, doubted: bool) -> None:
    here, there = compared(0.25, low, 0.5), compared(-0.25, -0.5, -0.1, challenger=0.5)
    told = suspicion(here, there, None, GateConfig())
    assert (told is not None) is doubted
    if doubted:
        assert told == (
            f"the new model is better than the champion on the new file's rows ({NAME} 0.7500 against 0.5000) and worse on "
            f"those of the champion's own file (0.5000 against 1.0000): {LABELS_IN_DOUBT}"
        )
    assert suspicion(replace(here, shortage="7 holdout rows"), there, None, GateConfig()) is None
    assert suspicion(here, compared(-0.25, -0.5, 0.0), None, GateConfig()) is None
    assert suspicion(here, None, None, GateConfig()) is None
