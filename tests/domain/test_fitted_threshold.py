"""A threshold is chosen by a smooth curve through the rows: the noise of some dozens of rows doesn't decide."""

from __future__ import annotations

import random
import statistics
from math import exp

import pytest

from shared.domain.threshold import Counts, Graded, ThresholdRule, best, chosen, one
from shared.domain.threshold.counts import METRICS, Cost
from shared.domain.threshold.fitted import LEAST_ROWS, PARTS, expected

F1 = ThresholdRule(maximise="f1")


def callers(rows: int, seed: int) -> Graded:
    """A rare class, and a model that knows it about as well as one of the bank data does."""
    rng, found = random.Random(seed), []
    for _ in range(rows):
        odds = rng.gauss(-3, 1.6)
        found.append((rng.random() < 1 / (1 + exp(-odds)), round(1 / (1 + exp(-odds)), 4)))
    return Graded(found)


def entries(graded: Graded) -> list[tuple[float, Counts]]:
    return [(cut, graded.counts(cut)) for cut in graded.cuts()]


def raw(graded: Graded) -> float:
    return best(entries(graded), one(METRICS["f1"]))


@pytest.mark.parametrize("rule", [F1, ThresholdRule(maximise="mcc"), ThresholdRule(cost=Cost(1, 4))])
def test_it_is_worth_more_to_rows_that_it_was_not_chosen_on_and_moves_less(rule: ThresholdRule) -> None:
    met = callers(20_000, 1_000)
    smooth, noisy = [], []
    for seed in range(25):
        seen = entries(callers(1500, seed))
        smooth.append(chosen(rule, seen).threshold)
        worth = (lambda c: -c.cost(rule.cost)) if rule.cost else METRICS[rule.maximise or "f1"]
        noisy.append(best(seen, one(worth)))

    def mean(cuts: list[float]) -> float:
        return statistics.fmean(worth(met.counts(cut)) for cut in cuts)

    found = [cut for cut in smooth if cut is not None]
    assert len(found) == 25
    assert mean(found) > mean(noisy)
    assert statistics.stdev(found) < 0.7 * statistics.stdev(noisy)


def test_what_is_expected_adds_up_to_the_rows_for_either_class() -> None:
    graded = callers(1500, 3)
    found = expected(entries(graded))
    assert found is not None
    for _, counts in found:
        assert counts.rows == pytest.approx(1500 * PARTS, abs=4)
    positives = [counts.tp + counts.fn for _, counts in found]
    assert positives[0] == pytest.approx(len(graded.positive) * PARTS, rel=0.01)
    graded.second, graded.positive, graded.negative = False, graded.negative, graded.positive
    other = expected(entries(graded))
    assert other is not None
    assert [counts.swapped() for _, counts in other] == [counts for _, counts in found]


def test_few_rows_and_a_model_that_knows_nothing_are_judged_by_the_rows_themselves() -> None:
    few = Graded([(i % 3 == 0, i / 100) for i in range(2 * LEAST_ROWS)])
    assert expected(entries(few)) is None
    assert chosen(F1, entries(few)).threshold == raw(few)
    wrong = Graded([(i < 500, (i + 0.5) / 1000) for i in range(1000)])
    assert expected(entries(wrong)) is None
    assert chosen(F1, entries(wrong)).threshold == raw(wrong)


def test_rows_that_part_cleanly_are_parted() -> None:
    clean = Graded([(i >= 900, (i + 0.5) / 1000) for i in range(1000)])
    found = chosen(F1, entries(clean)).threshold
    assert found is not None
    assert clean.counts(found).f1 == 1


def test_where_a_smooth_curve_does_not_fit_the_rows_decide() -> None:
    """The class lies in a band: above it are others again."""
    rng = random.Random(5)
    shares = [rng.random() for _ in range(2000)]
    band = Graded([(0.3 < share < 0.4 or rng.random() < share / 8, share) for share in shares])
    found = chosen(F1, entries(band)).threshold
    assert found is not None
    assert band.counts(found).f1 >= 0.9 * band.counts(raw(band)).f1
