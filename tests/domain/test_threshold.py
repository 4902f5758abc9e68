"""The threshold: what each one trades, which one a rule asks for, and how honestly that is told."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.domain.threshold import (
    PLAIN,
    Cost,
    Counts,
    Curve,
    Graded,
    ThresholdRule,
    chosen,
    first_half,
    points,
    tradeoff,
)
from shared.domain.threshold.curve import MOST_POINTS, between

#: Few distinct probabilities as well as many: ties between rows are ordinary.
SHARES = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.1, 0.3, 0.5, PLAIN, 0.7, 1.0]))
ROWS = st.lists(st.tuples(st.booleans(), SHARES), max_size=40)
BOTH_CLASSES = ROWS.filter(lambda rows: len({positive for positive, _ in rows}) == 2)
WORTH: dict[str, Callable[[Counts], float]] = {
    "f1": lambda c: c.f1,
    "balanced_accuracy": lambda c: c.balanced_accuracy,
    "mcc": lambda c: c.mcc,
}


def by_hand(rows: list[tuple[bool, float]], threshold: float, *, second: bool = True) -> Counts:
    """As score.py answers: the second class from the threshold on."""
    found = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    for positive, share in rows:
        found[positive, (share >= threshold) == second] += 1
    return Counts(found[True, True], found[False, True], found[True, False], found[False, False])


def every_way(rows: list[tuple[bool, float]]) -> list[float]:
    """A threshold at each row, and one above all of them where one can be."""
    return sorted({0.0, 1.0, *(share for _, share in rows)})


@given(ROWS, SHARES, st.booleans())
def test_counts_are_those_of_a_count_by_hand(
    rows: list[tuple[bool, float]], threshold: float, second: bool
) -> None:
    assert Graded(rows, second=second).counts(threshold) == by_hand(rows, threshold, second=second)


@given(ROWS)
def test_cuts_part_the_rows_in_every_way_once(rows: list[tuple[bool, float]]) -> None:
    graded = Graded(rows)
    cuts = graded.cuts()
    assert cuts == sorted(set(cuts))
    assert all(0 <= cut <= 1 for cut in cuts)
    ways = {graded.counts(threshold) for threshold in every_way(rows)}
    assert {graded.counts(cut) for cut in cuts} == ways


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_cut_stands_above_the_lower_and_not_above_the_higher(one: float, other: float) -> None:
    low, high = sorted((one, other))
    if low < high:
        assert low < between(low, high) <= high


def test_a_cut_has_few_digits() -> None:
    assert between(0.30127, 0.34519) == 0.32
    assert between(0.0, 1.0) == 0.5
    assert between(0.1, 0.10000000000000002) == 0.10000000000000002


@given(BOTH_CLASSES, st.sampled_from(sorted(WORTH)), st.booleans())
def test_what_is_maximised_has_no_better(rows: list[tuple[bool, float]], metric: str, second: bool) -> None:
    graded = Graded(rows, second=second)
    rule = ThresholdRule(maximise=metric)  # type: ignore[arg-type]
    found = chosen(rule, [(cut, graded.counts(cut)) for cut in graded.cuts()]).threshold
    assert found is not None
    highest = max(WORTH[metric](by_hand(rows, t, second=second)) for t in every_way(rows))
    assert WORTH[metric](by_hand(rows, found, second=second)) == highest


@given(BOTH_CLASSES, st.floats(0.01, 1), st.sampled_from(["precision", "recall"]), st.booleans())
def test_a_bound_is_kept_at_the_best_price_or_told_to_be_out_of_reach(
    rows: list[tuple[bool, float]], least: float, bound: str, second: bool
) -> None:
    graded = Graded(rows, second=second)
    rule = ThresholdRule(min_precision=least) if bound == "precision" else ThresholdRule(min_recall=least)
    found = chosen(rule, [(cut, graded.counts(cut)) for cut in graded.cuts()])
    price = "recall" if bound == "precision" else "precision"

    def share(counts: Counts, name: str) -> float:
        value: float | None = getattr(counts, name)
        return -1.0 if value is None else value

    every = [by_hand(rows, t, second=second) for t in every_way(rows)]
    keeping = [counts for counts in every if share(counts, bound) >= least - 1e-12]
    if found.threshold is None:
        assert not keeping
        highest = max(share(counts, bound) for counts in every)
        assert found.why.startswith(
            f"a {bound} of {least:g} is out of reach: the highest is {highest:.4f}, with a {price} of "
        )
        return
    here = by_hand(rows, found.threshold, second=second)
    assert share(here, bound) >= least - 1e-12
    assert share(here, price) == max(share(counts, price) for counts in keeping)


@given(BOTH_CLASSES, st.floats(0, 100), st.floats(0, 100), st.booleans())
def test_nothing_costs_less(
    rows: list[tuple[bool, float]], false_positive: float, false_negative: float, second: bool
) -> None:
    cost = Cost(false_positive, false_negative)
    graded = Graded(rows, second=second)
    found = chosen(ThresholdRule(cost=cost), [(cut, graded.counts(cut)) for cut in graded.cuts()]).threshold
    assert found is not None
    least = min(by_hand(rows, t, second=second).cost(cost) for t in every_way(rows))
    assert by_hand(rows, found, second=second).cost(cost) == least


def test_of_equally_good_ones_the_nearest_to_one_half_is_taken() -> None:
    graded = Graded([(False, 0.1), (True, 0.4), (True, 0.9)])
    same = [(cut, graded.counts(cut)) for cut in (0.0, 0.2, 0.3, 0.6, 1.0)]
    assert chosen(ThresholdRule(maximise="f1"), same).threshold == 0.3
    assert chosen(ThresholdRule(cost=Cost(0, 0)), same).threshold == 0.6


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([], "the rows to choose it on hold none of the positive class"),
        ([(False, 0.3)], "the rows to choose it on hold none of the positive class"),
        ([(True, 0.3)], "the rows to choose it on hold none of the other class"),
    ],
)
def test_rows_of_one_class_choose_nothing(rows: list[tuple[bool, float]], why: str) -> None:
    graded = Graded(rows)
    found = chosen(ThresholdRule(maximise="f1"), [(cut, graded.counts(cut)) for cut in graded.cuts()])
    assert (found.threshold, found.why) == (None, why)


def test_a_number_that_was_said_needs_no_rows() -> None:
    assert chosen(ThresholdRule(value=0.3), []).threshold == 0.3
    assert chosen(ThresholdRule(maximise="mcc"), []).why == "there are no rows to choose it on"


@example([], [], [], 1)
@given(ROWS, ROWS, st.lists(st.floats(0, 1), max_size=5), st.integers(0, 30))
def test_a_curve_is_bounded_ascending_and_keeps_what_it_must(
    choosing: list[tuple[bool, float]], reporting: list[tuple[bool, float]], keep: list[float], most: int
) -> None:
    found = points(Graded(choosing), Graded(reporting), keep, most)
    thresholds = [point.threshold for point in found]
    assert thresholds == sorted(set(thresholds))
    assert set(keep) <= set(thresholds)
    assert len(thresholds) <= max(most, len(set(keep)))
    for point in found:
        assert point.chosen_on == by_hand(choosing, point.threshold)
        assert point.reported_on == by_hand(reporting, point.threshold)
        assert point.whole == by_hand(choosing + reporting, point.threshold)


def test_a_long_curve_follows_both_classes() -> None:
    """The rare class lies in a hundredth of the range: it still gets its half of the points."""
    rows = [(False, i / 10_000) for i in range(9_900)] + [(True, 0.99 + i / 10_000) for i in range(100)]
    found = points(Graded(rows[::2]), Graded(rows[1::2]), [0.5])
    assert 150 < len(found) <= MOST_POINTS
    recalls = [point.whole.recall or 0 for point in found]
    assert max(one - other for one, other in pairwise(recalls)) < 0.03


@given(ROWS, SHARES)
def test_the_other_class_may_be_the_positive_one(rows: list[tuple[bool, float]], threshold: float) -> None:
    kept = points(Graded(rows), Graded([]), [threshold])
    curve = Curve("bank-1-a1", ("no", "yes"), "yes", tuple(kept))
    other = [(not positive, share) for positive, share in rows]
    turned = points(Graded(other, second=False), Graded([], second=False), [threshold])
    assert curve.of("no") == Curve("bank-1-a1", ("no", "yes"), "no", tuple(turned))
    assert curve.of("no").of("yes") == curve
    assert curve.of("yes") is curve


def test_the_more_probable_class_is_what_a_threshold_just_above_one_half_answers() -> None:
    rows = [(True, 0.5), (True, PLAIN), (False, 0.49)]
    assert Graded(rows).counts(PLAIN) == Counts(1, 0, 1, 1)


def test_numbers_of_counts() -> None:
    numbers = tradeoff(Counts(30, 10, 20, 940), Cost(1, 5))
    assert (numbers.precision, numbers.recall, numbers.accuracy, numbers.cost) == (0.75, 0.6, 0.97, 110.0)
    assert numbers.f1 == 0.666667
    assert numbers.balanced_accuracy == pytest.approx((0.6 + 940 / 950) / 2, abs=1e-6)
    assert numbers.mcc == pytest.approx(28_000 / 42_708.313, abs=1e-6)
    nothing = tradeoff(Counts(0, 0, 5, 5))
    assert (nothing.precision, nothing.recall, nothing.f1, nothing.mcc, nothing.cost) == (
        None,
        0.0,
        0.0,
        0.0,
        None,
    )
    assert tradeoff(Counts(0, 0, 0, 0)).recall is None


@given(st.lists(st.one_of(st.text(max_size=5), st.integers(), st.none()), max_size=5))
def test_a_row_is_always_in_the_same_half(row: list[object]) -> None:
    assert first_half(row) == first_half(list(row))


def test_halves_are_halves() -> None:
    assert 450 < sum(first_half([i, "x"]) for i in range(1000)) < 550


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (ThresholdRule(maximise="f1"), "maximise f1"),
        (ThresholdRule(min_precision=0.8), "min_precision 0.8"),
        (ThresholdRule(min_recall=0.9), "min_recall 0.9"),
        (ThresholdRule(cost=Cost(1, 5)), "cost 1 a false positive, 5 a false negative"),
        (ThresholdRule(value=0.25), "0.25"),
    ],
)
def test_a_rule_is_told_in_words(rule: ThresholdRule, said: str) -> None:
    assert str(rule) == said
