"""A challenger that is slower than its champion, beyond chance, a factor and a floor, is refused."""

from __future__ import annotations

import pytest

from shared.domain.answers import Answers
from shared.domain.gate import Calls, GateConfig, LatencyLimits, Seen, Terms, judge_answers
from shared.domain.gate.latency import latency, slow
from shared.domain.gate.verdict import Latency

LIMITS = LatencyLimits()


def calls(new: list[float], old: list[float]) -> Calls:
    """Seconds of the calls that count, after two that don't."""
    return Calls(250, [9.0, 9.0, *new], [9.0, 9.0, *old])


def test_three_times_as_long_is_allowed_and_more_is_not() -> None:
    assert slow(calls([0.75] * 38, [0.25] * 38), LIMITS) is None
    assert slow(calls([0.31] * 38, [0.1] * 38), LIMITS) == (
        "too slow: 250 rows take it 310 ms and the champion 100 ms (medians of 38 calls; 3 times as long is allowed)"
    )
    assert slow(calls([0.31] * 38, [0.1] * 38), LatencyLimits(4.0, 100.0)) is None


def test_nobody_minds_what_is_under_the_floor() -> None:
    assert slow(calls([0.1] * 38, [0.001] * 38), LIMITS) is None
    assert slow(calls([0.101] * 38, [0.001] * 38), LIMITS) is not None
    assert slow(calls([0.101] * 38, [0.001] * 38), LatencyLimits(3.0, 200.0)) is None


def test_ten_pairs_are_the_least_that_count() -> None:
    assert slow(calls([1.0] * 9, [0.1] * 9), LIMITS) is None
    assert latency(calls([1.0] * 9, [0.1] * 9)) is None
    assert slow(calls([1.0] * 10, [0.1] * 10), LIMITS) is not None
    assert latency(calls([0.7654321] * 10, [0.1234567] * 10)) == Latency(10, 250, 765.432, 123.457)


@pytest.mark.parametrize(("worse", "refused"), [(26, False), (27, True)])
def test_load_that_comes_and_goes_convicts_nobody(worse: int, refused: bool) -> None:
    """The sign test of 40 pairs: 26 of them are chance, 27 are not."""
    new = [0.5] * worse + [0.15] * (40 - worse)
    assert (slow(calls(new, [0.1] * 40), LIMITS) is not None) is refused


@pytest.mark.parametrize(("worse", "refused"), [(1299, False), (1300, True)])
def test_of_many_pairs_a_few_more_than_half_are_beyond_chance(worse: int, refused: bool) -> None:
    """Of 2,500 pairs 49 more than half are exactly 1.96 deviations."""
    new = [0.5] * worse + [0.15] * (2500 - worse)
    assert (slow(calls(new, [0.1] * 2500), LIMITS) is not None) is refused


def test_calls_that_are_no_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"zip\(\)"):
        slow(calls([1.0] * 38, [0.1] * 37), LIMITS)


def test_load_meets_both_calls_of_a_pair() -> None:
    loaded = [0.1 if i % 2 else 5.0 for i in range(40)]
    assert slow(calls([2 * each for each in loaded], loaded), LIMITS) is None
    assert slow(calls([4 * each for each in loaded], loaded), LIMITS) is not None


def test_the_verdict_tells_it() -> None:
    truth = ["yes", "no"] * 100
    same = Answers(truth)
    terms = Terms(GateConfig(), ("no", "yes"), "AUC_weighted", "s", LIMITS)
    verdict = judge_answers(Seen(truth, same, same), terms, calls=calls([1.0] * 38, [0.1] * 38))
    assert verdict.decision == "reject"
    assert verdict.reason.startswith("too slow: ")
    assert verdict.latency == Latency(38, 250, 1000.0, 100.0)
    fine = judge_answers(Seen(truth, same, same), terms, calls=calls([0.1] * 38, [0.1] * 38))
    assert (fine.decision, fine.latency) == ("promote", Latency(38, 250, 100.0, 100.0))
