"""What is kept of a decision gives the very decision again, through JSON, whatever was answered."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.answers import Answers
from shared.domain.documents import from_json, to_json
from shared.domain.evidence import Evidence, kept, rejudged
from shared.domain.evidence.columns import packed, packed_whole, ranks, unpacked, unpacked_whole
from shared.domain.gate import Calls, GateConfig, Seen, Terms, Verdict, judge_answers

METRICS = (
    "auto",
    "balanced_accuracy",
    "f1_macro",
    "AUC_weighted",
    "average_precision_score_weighted",
    "accuracy",
)


@given(st.lists(st.integers(0, 2**32 - 1)))
def test_whole_numbers_come_back(values: list[int]) -> None:
    assert unpacked_whole(packed_whole(values)) == values


@given(st.lists(st.floats(allow_nan=False)))
def test_floats_come_back_exactly(values: list[float]) -> None:
    assert unpacked(packed(values)) == values


@given(st.lists(st.floats(0, 1)))
def test_ranks_keep_the_order_and_the_ties(values: list[float]) -> None:
    found = ranks(values)
    pairs = [(a, b) for a in range(len(values)) for b in range(len(values))][:500]
    assert all((values[a] < values[b]) == (found[a] < found[b]) for a, b in pairs)


@pytest.mark.parametrize("text", ["", "H", "H:*", "H:AAAA", "q"])
def test_what_is_no_column_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpacked_whole(text)


def answers(rng: random.Random, rows: int, classes: tuple[str, ...], *, scores: bool, steps: int) -> Answers:
    shares = [[rng.randrange(steps) / steps + 0.001 for _ in classes] for _ in range(rows)]
    shares = [[share / sum(row) for share in row] for row in shares]
    result = [classes[row.index(max(row))] for row in shares]
    return Answers(result, shares, list(classes)) if scores else Answers(result)


def judged(seen: Seen, terms: Terms, earlier: Seen | None, calls: Calls | None) -> Verdict:
    return replace(
        judge_answers(seen, terms, earlier=earlier, calls=calls),
        calibration_error=None,
        champion_calibration_error=None,
    )


def again(evidence: Evidence) -> Evidence:
    return from_json(json.loads(json.dumps(to_json(evidence), allow_nan=False)), Evidence)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 120),
    st.integers(2, 4),
    st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    st.sampled_from(METRICS),
    st.sampled_from([3, 10, 1000]),
)
def test_judged_again_by_the_same_terms_it_is_the_same_verdict(
    seed: int, rows: int, classes: int, flags: tuple[bool, bool, bool, bool], metric: str, steps: int
) -> None:
    champion, scores, flattered, before = flags
    rng = random.Random(seed)
    names = tuple(f"class {n}" for n in range(classes))

    def seen(rows: int) -> Seen:
        return Seen(
            rng.choices(names, k=rows),
            answers(rng, rows, names, scores=scores, steps=steps),
            answers(rng, rows, names, scores=scores, steps=steps) if champion else None,
            rng.randrange(3),
            [rng.random() < 0.5 for _ in range(rows)],
            flattered,
        )

    known = Verdict(
        "promote", "", guess_metric="AUC_weighted", guess=0.9, guess_low=0.85, guess_high=0.95, guessing=0.5
    )
    terms = Terms(
        GateConfig(metric), names, "AUC_weighted", "bank-1-a1", champion=known if champion else None
    )
    new, old = seen(rows), seen(rows) if before and champion else None
    calls = (
        Calls(3, [rng.random() for _ in range(40)], [rng.random() for _ in range(40)]) if champion else None
    )
    evidence = again(kept("bank-1-a1", "bank-0-a1", 1.0, terms, new, earlier=old, calls=calls))
    assert not evidence.scores_left_out
    assert rejudged(evidence, terms.config) == judged(new, terms, old, calls)
    other = GateConfig("balanced_accuracy", margin=0.2, policy="better", insufficient_evidence="reject")
    assert rejudged(evidence, other) == judged(new, replace(terms, config=other), old, calls)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*[st.floats(-1e9, 1e9)] * 3), min_size=1, max_size=80), st.booleans())
def test_numbers_too(rows: list[tuple[float, float, float]], champion: bool) -> None:
    truth, new, old = ([repr(value) for value in column] for column in zip(*rows, strict=True))
    seen = Seen(truth, Answers(new), Answers(old) if champion else None)
    terms = Terms(GateConfig(), (), "r2_score", "s", regression=True)
    assert rejudged(again(kept("r", None, 1.0, terms, seen)), terms.config) == judged(seen, terms, None, None)


def test_notes_that_the_service_told_come_along() -> None:
    seen = Seen(["a", "b"] * 50, Answers(["a", "b"] * 50))
    terms = Terms(GateConfig(), ("a", "b"), "accuracy", "s")
    evidence = kept("r", None, 1.0, terms, seen, note="the holdout of the champion's own file is gone")
    assert rejudged(evidence, GateConfig("accuracy")).note == "the holdout of the champion's own file is gone"


@pytest.mark.parametrize(("most", "left_out"), [(400, False), (399, True)])
def test_of_too_many_scores_labels_alone_are_kept(most: int, left_out: bool) -> None:
    rng = random.Random(1)
    names = ("a", "b")
    seen = Seen(
        rng.choices(names, k=100),
        answers(rng, 100, names, scores=True, steps=10),
        answers(rng, 100, names, scores=True, steps=10),
    )
    terms = Terms(GateConfig(), names, "AUC_weighted", "s")
    evidence = kept("r", None, 1.0, terms, seen, most=most)
    assert evidence.scores_left_out is left_out
    assert bool(evidence.new.challenger.scores) is not left_out
    by_labels = GateConfig("balanced_accuracy")
    found = rejudged(evidence, by_labels)
    assert found == judged(seen, replace(terms, config=by_labels), None, None)


def test_ten_thousand_rows_take_little_room() -> None:
    rng = random.Random(3)
    names = ("no", "yes")

    def side(digits: Literal[6, 16]) -> Answers:
        second = [round(rng.random(), digits) for _ in range(10_000)]
        return Answers([names[share >= 0.5] for share in second], [[1 - s, s] for s in second], list(names))

    seen: Any = Seen(rng.choices(names, k=10_000), side(16), side(16), 0, [True, False] * 5000)
    terms = Terms(GateConfig(), names, "AUC_weighted", "s")
    size = len(json.dumps(to_json(kept("r", "c", 1.0, terms, seen, earlier=seen))))
    assert size < 300_000


@pytest.mark.parametrize(
    ("most", "letter"), [(255, "B"), (256, "H"), (65_535, "H"), (65_536, "I"), (2**32 - 1, "I")]
)
def test_whole_numbers_take_as_few_bytes_as_their_largest_needs(most: int, letter: str) -> None:
    assert packed_whole([0, most]).startswith(f"{letter}:")
    assert unpacked_whole(packed_whole([0, most])) == [0, most]


def test_no_numbers_take_the_fewest() -> None:
    assert packed_whole([]).startswith("B:")


def test_equal_scores_have_one_rank_and_the_next_one_more() -> None:
    assert ranks([0.5, 0.1, 0.5, 0.9]) == [1, 0, 1, 2]


@pytest.mark.parametrize(("most", "left_out"), [(800, False), (799, True)])
def test_scores_of_both_holdouts_count(most: int, left_out: bool) -> None:
    rng = random.Random(1)
    names = ("a", "b")
    talks, silent = (answers(rng, 100, names, scores=scores, steps=10) for scores in (True, False))
    seen = Seen(rng.choices(names, k=100), talks, talks)
    terms = Terms(GateConfig(), names, "AUC_weighted", "s")
    evidence = kept("r", "c", 1.0, terms, seen, earlier=seen, most=most)
    assert (evidence.scores_left_out, evidence.schema) == (left_out, 1)
    quiet = replace(seen, champion=silent)
    assert not kept("r", "c", 1.0, terms, quiet, earlier=quiet, most=400).scores_left_out
    assert kept("r", "c", 1.0, terms, quiet, earlier=quiet, most=399).scores_left_out


def test_notes_of_the_service_and_of_the_verdict_are_both_told() -> None:
    seen = Seen(["a", "b"] * 50, Answers(["a", "b"] * 50))
    terms = Terms(GateConfig(), ("a", "b"), "AUC_weighted", "s")
    by_labels = "balanced_accuracy of the labels, not AUC_weighted: the challenger answers no probabilities that can be compared"
    assert rejudged(kept("r", None, 1.0, terms, seen), GateConfig()).note == by_labels
    assert (
        rejudged(kept("r", None, 1.0, terms, seen, note="it rained"), GateConfig()).note
        == f"{by_labels}; it rained"
    )
    plain = replace(terms, primary="balanced_accuracy")
    assert rejudged(kept("r", None, 1.0, plain, seen), GateConfig()).note is None


def test_probabilities_of_another_number_than_classes_are_refused() -> None:
    ragged = Answers(["a", "b"], [[0.2, 0.8], [1.0]], ["a", "b"])
    terms = Terms(GateConfig(), ("a", "b"), "AUC_weighted", "s")
    with pytest.raises(ValueError, match=r"zip\(\)"):
        kept("r", None, 1.0, terms, Seen(["a", "b"], ragged))
