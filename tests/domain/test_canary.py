"""Where exactly a canary's habits become a breach, and the words in which it is told."""

from __future__ import annotations

import pytest

from shared.domain.canary import BOUNDS, CanaryLimits, Tally, breach

LIMITS = CanaryLimits()


def errors(failed: int, calls: int) -> Tally:
    return Tally(calls=calls, errors=failed)


def answered(times: dict[float, int]) -> Tally:
    """So many calls of one row for each time in milliseconds."""
    made = Tally()
    for milliseconds, calls in times.items():
        for _ in range(calls):
            made.answered(milliseconds / 1000, None, 1)
    return made


def labelled(**labels: int) -> Tally:
    return Tally(labels=labels)


# -- errors --------------------------------------------------------------------------------------------------


def test_three_failed_calls_are_the_least_that_count() -> None:
    assert breach(errors(0, 100), errors(2, 2), LIMITS) is None
    assert breach(errors(0, 100), errors(3, 3), LIMITS) == (
        "3 of its 3 calls failed; of the champion's 0 of 100"
    )


@pytest.mark.parametrize(("calls", "breached"), [(3, True), (43, True), (44, False), (100, False)])
def test_errors_count_beyond_chance(calls: int, breached: bool) -> None:
    """Wilson's lower bound (z = 2.33) of 3 in n falls to 2 % between 43 and 44 calls."""
    found = breach(errors(0, 1000), errors(3, calls), LIMITS)
    assert (found is not None) is breached


def test_twice_the_champion_s_share_is_allowed() -> None:
    assert breach(errors(100, 1000), errors(229, 1000), LIMITS) is None
    assert breach(errors(100, 1000), errors(230, 1000), LIMITS) is not None
    assert breach(errors(10, 1000), errors(30, 1000), LIMITS) is None
    assert breach(errors(10, 1000), errors(31, 1000), LIMITS) is not None
    assert breach(Tally(), errors(260, 1000), LIMITS) is not None
    assert breach(Tally(), errors(260, 1000), CanaryLimits(error_rate=0.3)) is None


# -- latency -------------------------------------------------------------------------------------------------


def test_fifty_answers_of_each_side_are_the_least_that_count() -> None:
    fast, slow = answered({4: 50}), answered({150: 50})
    assert breach(fast, slow, LIMITS) == "19 of 20 answers take it up to 200 ms and the champion up to 5 ms"
    assert breach(answered({4: 49}), slow, LIMITS) is None
    assert breach(fast, answered({150: 49}), LIMITS) is None


def test_the_95th_percentile_is_compared_with_three_times_the_champion_s() -> None:
    slow = answered({150: 100})
    assert breach(answered({40: 100}), slow, LIMITS) is not None  # up to 50 ms: 150 are allowed, 200 seen
    assert breach(answered({90: 100}), slow, LIMITS) is None  # up to 100 ms: 300 are allowed
    assert breach(answered({40: 100}), slow, CanaryLimits(latency_factor=4.0)) is None


def test_nobody_minds_a_tenth_of_a_second() -> None:
    assert breach(answered({1: 100}), answered({100: 100}), LIMITS) is None
    assert breach(answered({1: 100}), answered({101: 100}), LIMITS) is not None


def test_five_slow_answers_of_a_hundred_are_the_most() -> None:
    fast = answered({4: 100})
    assert breach(fast, answered({4: 95, 900: 5}), LIMITS) is None
    assert breach(fast, answered({4: 94, 900: 6}), LIMITS) is not None


def test_beyond_the_last_bound_an_answer_counts_twice_it() -> None:
    assert breach(answered({4: 100}), answered({6000: 100}), LIMITS) == (
        "19 of 20 answers take it up to 10000 ms and the champion up to 5 ms"
    )


def test_calls_of_more_than_a_hundred_rows_tell_nothing_of_latency() -> None:
    made = Tally()
    made.answered(1.0, None, 100)
    made.answered(1.0, None, 101)
    assert (made.calls, sum(made.latency)) == (2, 1)
    assert made.latency[BOUNDS.index(1000)] == 1


# -- skew ----------------------------------------------------------------------------------------------------


def test_a_hundred_rows_of_each_side_are_the_least_that_count() -> None:
    old, new = labelled(no=100), labelled(yes=100)
    assert breach(old, new, LIMITS) == "it gives 'no' to 0% of the rows and the champion to 100%"
    assert breach(labelled(no=99), new, LIMITS) is None
    assert breach(old, labelled(yes=99), LIMITS) is None


def test_a_fifth_more_or_less_of_a_label_is_allowed() -> None:
    old = labelled(no=500, yes=500)
    assert breach(old, labelled(no=700, yes=300), LIMITS) is None
    assert breach(old, labelled(no=701, yes=299), LIMITS) == (
        "it gives 'no' to 70% of the rows and the champion to 50%"
    )
    assert breach(old, labelled(no=299, yes=701), LIMITS) is not None
    assert breach(old, labelled(no=701, yes=299), CanaryLimits(skew=0.3)) is None


def test_skew_counts_beyond_chance() -> None:
    """A hundred rows of each: 4 standard deviations of the difference lie between 28 and 29 rows."""
    old = labelled(no=50, yes=50)
    assert breach(old, labelled(no=77, yes=23), LIMITS) is None
    assert breach(old, labelled(no=78, yes=22), LIMITS) is not None


def test_errors_are_told_before_latency_and_skew() -> None:
    bad = answered({900: 100})
    bad.errors, bad.labels = 50, {"yes": 500}
    good = answered({4: 100})
    good.labels = {"no": 500}
    told = breach(good, bad, LIMITS)
    assert told is not None
    assert told.startswith("50 of its 100 calls failed")
    bad.errors = 0
    told = breach(good, bad, LIMITS)
    assert told is not None
    assert told.startswith("19 of 20")


# -- counting ------------------------------------------------------------------------------------------------


def test_fifty_labels_are_told_apart_and_the_rest_is_others() -> None:
    made = Tally()
    made.answered(0.001, [str(i) for i in range(50)], 50)
    assert "(others)" not in made.labels
    made.answered(0.001, ["51", "0", "52"], 3)
    assert made.labels["(others)"] == 2
    assert made.labels["0"] == 2
    assert len(made.labels) == 51


def test_a_failed_call_is_a_call() -> None:
    made = Tally()
    made.failed()
    made.answered(0.001, ["a"], 1)
    assert (made.calls, made.errors, made.labels) == (2, 1, {"a": 1})


def test_tallies_add_up() -> None:
    a, b = answered({4: 1, 900: 2}), answered({4: 5})
    a.errors, a.labels, b.labels = 1, {"x": 1}, {"x": 2, "y": 3}
    a.add(b)
    assert (a.calls, a.errors, a.labels) == (8, 1, {"x": 3, "y": 3})
    assert (a.latency[0], a.latency[BOUNDS.index(1000)]) == (6, 2)
    assert b.labels == {"x": 2, "y": 3}
