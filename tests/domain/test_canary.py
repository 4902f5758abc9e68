"""Where exactly a canary's habits become a breach, and the words in which it is told."""

from __future__ import annotations

import pytest

from shared.domain.canary import BOUNDS, SCORE_BINS, CanaryLimits, Tally, breach
from shared.domain.documents import from_json, to_json

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


def test_a_label_that_one_side_never_gives_has_no_share_there() -> None:
    assert breach(labelled(yes=100), labelled(maybe=100), LIMITS) == (
        "it gives 'maybe' to 100% of the rows and the champion to 0%"
    )


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


# -- skew of probabilities ----------------------------------------------------------------------------------


def scored(**rows: int) -> Tally:
    """So many rows of each probability of `yes`, in hundredths: `p10=5` are five rows of 0.1."""
    made = Tally()
    for share, count in rows.items():
        yes = int(share[1:]) / 100
        made.scored(["no", "yes"], [[1 - yes, yes + i * 1e-9] for i in range(count)])
    return made


def test_the_same_two_rows_again_and_again_are_no_evidence_of_skew() -> None:
    """A monitor that calls each minute: one of its rows got another label, which the gate has weighed on many rows."""
    old, new = Tally(labels={"yes": 600}), Tally(labels={"yes": 300, "no": 300})
    assert breach(old, new, LIMITS) is not None, "where nothing tells how varied they were"
    for _ in range(300):
        old.scored(["no", "yes"], [[0.45, 0.55], [0.2, 0.8]])
        new.scored(["no", "yes"], [[0.85, 0.15], [0.02, 0.98]])
    assert (len(old.kinds), len(new.kinds)) == (2, 2)
    assert breach(old, new, LIMITS) is None


def test_a_challenger_that_answers_all_rows_alike_is_told_by_the_champion_s_own_variety() -> None:
    old, new = Tally(labels={"yes": 30, "no": 570}), Tally(labels={"yes": 600})
    old.scored(["no", "yes"], [[1 - i / 6000, i / 6000] for i in range(600)])
    new.scored(["no", "yes"], [[0.4, 0.6]] * 600)
    assert breach(old, new, LIMITS) == "it gives 'no' to 0% of the rows and the champion to 95%"


def test_variety_adds_up_over_processes_and_is_bounded() -> None:
    one, other = scored(p10=60), scored(p20=60)
    one.add(other)
    one.add(other)
    assert (len(one.kinds), len(scored(p10=5000).kinds)) == (100, 100)


def test_scores_that_lie_elsewhere_behind_the_same_labels_are_found() -> None:
    old, new = scored(p12=90, p88=10), scored(p42=90, p88=10)
    assert breach(old, new, LIMITS) == (
        "its probabilities of 'no' lie 0.27 from the champion's: 0.53 on average, and the champion's 0.80"
    )
    assert breach(old, scored(p12=90, p88=10), LIMITS) is None


def test_a_hundred_rows_of_scores_are_the_least_that_count() -> None:
    old, new = scored(p10=100), scored(p90=100)
    assert breach(old, new, LIMITS) is not None
    assert breach(scored(p10=99), new, LIMITS) is None
    assert breach(old, scored(p90=99), LIMITS) is None
    assert breach(old, Tally(), LIMITS) is None


def test_a_quarter_on_average_is_allowed() -> None:
    """Rows that went fifteen bins of twenty went 0.75: 0.25 on average are a third of them."""
    old = scored(p12=1000)
    assert breach(old, scored(p12=667, p88=333), LIMITS) is None
    assert breach(old, scored(p12=666, p88=334), LIMITS) is not None
    assert breach(old, scored(p12=666, p88=334), CanaryLimits(score_skew=0.3)) is None


def test_scores_that_all_move_a_little_are_let_be() -> None:
    """A rare class: the one model says 4 in 100 to nearly all rows, the other 6."""
    assert breach(scored(p04=950, p80=50), scored(p06=950, p80=50), LIMITS) is None


def test_skew_of_scores_counts_beyond_chance() -> None:
    """A hundred rows of each: 2.28 x sqrt(2/100) lies between 32 and 33 rows."""
    old, lax = scored(p10=100), CanaryLimits(score_skew=0.05)
    assert breach(old, scored(p10=68, p90=32), lax) is None
    assert breach(old, scored(p10=67, p90=33), lax) is not None


def test_a_probability_of_one_is_counted_in_the_last_bin() -> None:
    made = Tally()
    made.scored(["a", "b"], [[0.0, 1.0], [0.05, 0.95], [0.049, 0.951]])
    assert (made.scores["a"][0], made.scores["a"][1]) == (2, 1)
    assert made.scores["b"][SCORE_BINS - 1] == 3


def test_scores_of_many_classes_or_of_others_are_passed_over() -> None:
    made, names = Tally(), [str(i) for i in range(11)]
    made.scored(names, [[0.0] * 11])
    assert made.scores == {}
    made.scored(names[:10], [[0.1] * 10])
    assert len(made.scores) == 10
    made.scored(["other", "names"], [[0.5, 0.5]])
    assert len(made.scores) == 10


def test_scores_add_up_and_travel_and_older_counts_open() -> None:
    one, other = scored(p10=2), scored(p10=1, p90=4)
    opened = from_json(to_json(one), Tally)
    opened.add(other)
    opened.add(Tally())
    assert (opened.scores["yes"][2], opened.scores["yes"][18]) == (3, 4)
    assert (one.scores["yes"][2], other.scores["yes"][2]) == (2, 1)
    fresh = Tally()
    fresh.add(one)
    assert fresh.scores == one.scores
    older = {"calls": 3, "errors": 1, "latency": [0] * 11, "labels": {"a": 2}}
    assert from_json(older, Tally).scores == {}


def test_as_far_as_the_limit_on_average_is_allowed() -> None:
    """All rows went from the first bin to the eleventh of twenty: a half, exactly."""
    old, new = scored(p02=100), scored(p52=100)
    assert breach(old, new, CanaryLimits(score_skew=0.5)) is None
    assert breach(old, new, CanaryLimits(score_skew=0.49)) is not None


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


def test_what_is_known_of_a_better_model_is_expected_of_its_scores() -> None:
    old, new = scored(p50=200), scored(p97=200)
    known = 0.5
    assert breach(old, new, LIMITS) is not None
    assert breach(old, new, LIMITS.expecting(known)) is None
    assert breach(scored(p02=200), scored(p97=200), LIMITS.expecting(known)) is not None
    assert LIMITS.expecting(0.9).score_skew == 1.0


def test_counts_of_another_shape_are_refused_and_not_read_as_ours() -> None:
    """As of a release with other bounds, and of a deployment whose probabilities are not one a class."""
    other = Tally(latency=[0] * 5)
    with pytest.raises(ValueError, match=r"zip\(\)"):
        other.within(0.95)
    with pytest.raises(ValueError, match=r"zip\(\)"):
        Tally().add(other)
    with pytest.raises(ValueError, match=r"zip\(\)"):
        scored(p10=1).add(Tally(scores={"yes": [1, 2]}))
    for shares in ([[0.5, 0.5], [1.0]], [[0.2, 0.3, 0.5]]):
        with pytest.raises(ValueError, match=r"zip\(\)"):
            Tally().scored(["no", "yes"], shares)
