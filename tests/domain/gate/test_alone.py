"""One model alone on labelled rows: what it reaches, and when the rows' labels are in doubt."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.answers import Answers
from shared.domain.gate import GateConfig, Seen, Terms, Verdict, judge_alone

CLASSES = ("no", "yes")
BEFORE = Verdict(
    "promote", "", guess_metric="balanced_accuracy", guess=0.95, guess_low=0.9, guess_high=1.0, guessing=0.5
)
TERMS = Terms(GateConfig("balanced_accuracy"), CLASSES, "accuracy", "s", champion=BEFORE)


def labels(right: int, wrong: int) -> Seen:
    """So many rows of each class that the model has right and wrong."""
    truth = ["yes"] * (right + wrong) + ["no"] * (right + wrong)
    return Seen(truth, Answers(["yes"] * right + ["no"] * wrong + ["no"] * right + ["yes"] * wrong))


def test_a_model_that_is_as_good_as_it_was_raises_no_doubt() -> None:
    found = judge_alone(labels(95, 5), TERMS)
    assert (found.metric, found.rows, found.note, found.suspicious) == ("balanced_accuracy", 200, None, None)
    assert found.span.value == pytest.approx(0.95)
    assert 0.9 < found.span.low < 0.95 < found.span.high < 1


def test_a_collapse_puts_the_labels_in_doubt() -> None:
    found = judge_alone(labels(50, 50), TERMS)
    assert found.suspicious is not None
    assert found.suspicious.startswith(
        "the champion reaches no better than guessing on the new file's 200 holdout rows (balanced_accuracy 0.5000) "
        "and 0.9500 on those of its own file: "
    )
    assert judge_alone(labels(50, 50), replace(TERMS, champion=None)).suspicious is None


def test_few_rows_are_told_and_raise_no_doubt() -> None:
    found = judge_alone(labels(10, 10), TERMS)
    assert (found.suspicious, found.rows) == (None, 40)
    assert found.note == "little evidence: 20 holdout rows of the rarest class"
    asked = replace(TERMS, config=GateConfig("AUC_weighted"))
    assert judge_alone(labels(10, 10), asked).note == (
        "balanced_accuracy of the labels: the model answers no probabilities; little evidence: 20 holdout rows of the "
        "rarest class"
    )
    assert judge_alone(labels(95, 5), asked).note == (
        "balanced_accuracy of the labels: the model answers no probabilities"
    )


def test_of_no_rows_there_is_nothing_to_say() -> None:
    found = judge_alone(Seen([], Answers([])), TERMS)
    assert (found.metric, found.rows, found.note) == ("balanced_accuracy", 0, "the holdout is empty")
    assert (found.span.value, found.span.low, found.span.high) == (0, 0, 0)
    assert found.suspicious is None


def test_numbers_are_told_by_r2() -> None:
    truth = [str(n % 7) for n in range(70)]
    terms = Terms(GateConfig(), (), "r2_score", "s", regression=True)
    found = judge_alone(Seen(truth, Answers(truth)), terms)
    assert (found.metric, found.span.value, found.rows, found.suspicious) == ("r2_score", 1.0, 70, None)
    with pytest.raises(ValueError, match="could not convert"):
        judge_alone(Seen(truth, Answers(["many"] * 70)), terms)
