"""Which rows and which metric a verdict is made of, and what it tells of the champion's own holdout."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.answers import Answers
from shared.domain.gate import Calls, GateConfig, Seen, Terms, judge_answers
from shared.domain.gate.judging import measured
from shared.domain.gate.verdict import Earlier

CLASSES = ("no", "yes")
TERMS = Terms(GateConfig("accuracy"), CLASSES, "accuracy", "s")
TRUTH = ["yes", "no"] * 40


def talks(labels: list[str]) -> Answers:
    """With probabilities that agree with the labels."""
    return Answers(labels, [[0.2, 0.8] if label == "yes" else [0.8, 0.2] for label in labels], list(CLASSES))


def wrong(count: int) -> list[str]:
    """The first rows of the truth turned."""
    turned = {"yes": "no", "no": "yes"}
    return [turned[label] for label in TRUTH[:count]] + TRUTH[count:]


# -- rows that thresholds were chosen on ---------------------------------------------------------------------


def test_rows_that_a_threshold_was_chosen_on_do_not_judge_it() -> None:
    chosen = [True] * 8 + [False] * 72
    seen = Seen(TRUTH, Answers(wrong(8)), Answers(TRUTH), choosing=chosen, flattered=True)
    assert measured(seen, TERMS)[0].challenger == 1.0
    assert measured(seen, TERMS)[0].rows == 72
    honest = replace(seen, flattered=False)
    assert (measured(honest, TERMS)[0].challenger, measured(honest, TERMS)[0].rows) == (0.9, 80)
    assert measured(replace(seen, choosing=[True] * 80), TERMS)[0].rows == 80, "where no other row is left"
    assert measured(replace(seen, choosing=()), TERMS)[0].rows == 80


def test_probabilities_are_judged_on_all_rows_and_their_labels_on_the_others() -> None:
    chosen = [True] * 8 + [False] * 72
    seen = Seen(TRUTH, talks(wrong(8)), talks(TRUTH), choosing=chosen, flattered=True)
    found, note = measured(seen, replace(TERMS, config=GateConfig("AUC_weighted")))
    assert (found.metric, found.rows, note) == ("AUC_weighted", 80, None)
    assert found.challenger == pytest.approx(0.9)
    assert [(each.rows, each.challenger, each.champion) for each in found.per_class] == [(36, 1.0, 1.0)] * 2


# -- which metric --------------------------------------------------------------------------------------------


def test_a_metric_of_labels_that_was_asked_for_is_taken_without_probabilities() -> None:
    silent = Seen(TRUTH, Answers(TRUTH), Answers(TRUTH))
    assert measured(silent, replace(TERMS, config=GateConfig("f1_macro")))[0].metric == "f1_macro"
    found, note = measured(silent, replace(TERMS, config=GateConfig("auto")))
    assert (found.metric, note) == (
        "balanced_accuracy",
        "balanced_accuracy of the labels, not accuracy: the challenger answers no probabilities that can be compared",
    )
    found, note = measured(silent, replace(TERMS, config=GateConfig("auto"), primary="balanced_accuracy"))
    assert (found.metric, note) == ("balanced_accuracy", None)


def test_a_first_model_has_nobody_beside_it_who_could_be_silent() -> None:
    found, note = measured(Seen(TRUTH, talks(TRUTH)), replace(TERMS, config=GateConfig("AUC_weighted")))
    assert (found.metric, note, found.against) == ("AUC_weighted", None, None)


def test_a_silent_champion_is_told() -> None:
    seen = Seen(TRUTH, talks(TRUTH), Answers(TRUTH))
    found, note = measured(seen, replace(TERMS, config=GateConfig("AUC_weighted")))
    assert found.metric == "balanced_accuracy"
    assert note == (
        "balanced_accuracy of the labels, not AUC_weighted: the champion answers no probabilities that can be compared"
    )


def test_of_no_rows_no_metric_is_excused() -> None:
    found, note = measured(Seen([], Answers([])), replace(TERMS, config=GateConfig("AUC_weighted")))
    assert (found.nothing, note) == ("the holdout is empty", None)


def test_one_class_has_no_area() -> None:
    seen = Seen(["yes"] * 40, talks(["yes"] * 40), talks(["yes"] * 40))
    found, note = measured(seen, replace(TERMS, config=GateConfig("AUC_weighted")))
    assert (found.metric, note) == ("balanced_accuracy", None)


# -- what is told --------------------------------------------------------------------------------------------


def test_the_champion_s_own_holdout_is_told_to_six_places() -> None:
    truth = ["yes", "no"] * 45
    third = ["yes" if i < 30 or label == "yes" else "no" for i, label in enumerate(truth)]
    own = Seen(truth, Answers(truth), Answers(third), left_out=7)
    told = judge_answers(Seen(TRUTH, Answers(TRUTH), Answers(TRUTH)), TERMS, earlier=own).earlier
    assert told is not None
    assert told == Earlier(90, "accuracy", 1.0, 0.833333, 0.166667, told.low, told.high, 7)
    assert (told.low, told.high) == (round(told.low, 6), round(told.high, 6))
    assert 0 < told.low < told.difference < told.high
    turned = replace(own, challenger=own.champion or own.challenger, champion=own.challenger)
    told = judge_answers(Seen(TRUTH, Answers(TRUTH), Answers(TRUTH)), TERMS, earlier=turned).earlier
    assert told is not None
    assert (told.challenger, told.champion, told.difference) == (0.833333, 1.0, -0.166667)


def test_a_holdout_of_no_rows_or_without_a_champion_is_told_nothing_of() -> None:
    new = Seen(TRUTH, Answers(TRUTH), Answers(TRUTH))
    for earlier in (Seen([], Answers([]), Answers([])), Seen(TRUTH, Answers(TRUTH)), None):
        found = judge_answers(new, TERMS, earlier=earlier)
        assert (found.decision, found.earlier, found.objection) == ("promote", None, None)


def test_all_that_speaks_against_a_challenger_is_told() -> None:
    bad = Seen(TRUTH, Answers(wrong(20)), Answers(TRUTH))
    slow = Calls(10, [1.0] * 40, [0.1] * 40)
    found = judge_answers(bad, TERMS, earlier=bad, calls=slow)
    assert found.decision == "reject"
    assert (
        found.reason
        == found.objection
        == (
            "proven worse: accuracy 0.7500 against 1.0000; proven worse on the holdout of the champion's own file, by more than "
            "the margin 0.02: accuracy 0.7500 against 1.0000; too slow: 10 rows take it 1000 ms and the champion 100 ms (medians "
            "of 38 calls; 3 times as long is allowed)"
        )
    )
    assert judge_answers(bad, TERMS).objection == "proven worse: accuracy 0.7500 against 1.0000"
    assert judge_answers(bad, TERMS).latency is None
