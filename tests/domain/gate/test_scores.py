"""Probabilities as such: how close they lie to the truth, how sure they are, and how far two models lie apart."""

from __future__ import annotations

import pytest

from shared.domain.answers import Answers
from shared.domain.gate import auc, average_precision
from shared.domain.gate.scores import by_class, calibration_error, closer, distance

# -- closer to the truth -------------------------------------------------------------------------------------


def wavering(rows: int, middle: float) -> dict[str, list[float]]:
    """One class's probability, which wavers a little from row to row."""
    yes = [middle + (0.01 if i % 2 else -0.01) for i in range(rows)]
    return {"yes": yes, "no": [1 - share for share in yes]}


def test_a_model_that_lacks_the_true_class_lies_far_from_the_truth() -> None:
    """Sure of another class is wrong twice: there, and in the class that it has no word for."""
    truth = ["maybe"] * 40
    knows = {**wavering(40, 0.5), "maybe": [0.0] * 40}
    lacks = wavering(40, 0.5)
    spread = {"yes": [0.45] * 40, "no": [0.45] * 40, "maybe": [0.1 + i / 1000 for i in range(40)]}
    assert not closer(truth, knows, lacks), "none of both gives it any chance"
    assert not closer(truth, lacks, knows)
    assert closer(truth, spread, lacks)
    assert not closer(truth, lacks, spread)


@pytest.mark.parametrize(("rows", "told"), [(29, False), (30, True)])
def test_thirty_rows_are_the_fewest_that_tell_who_is_closer(rows: int, told: bool) -> None:
    assert closer(["yes"] * rows, wavering(rows, 0.9), wavering(rows, 0.6)) is told


@pytest.mark.parametrize(("wins", "told"), [(26, False), (27, True)])
def test_closer_is_told_beyond_one_chance_in_a_hundred(wins: int, told: bool) -> None:
    """By hand: of 40 rows that are won or lost by as much, 27 are 0.35 on average, and 2.33 standard errors 0.3495."""
    one = [0.8] * wins + [0.4] * (40 - wins)
    other = [0.4] * wins + [0.8] * (40 - wins)
    tables = [{"yes": shares, "no": [1 - share for share in shares]} for shares in (one, other)]
    assert closer(["yes"] * 40, *tables) is told


# -- sureness ------------------------------------------------------------------------------------------------


def test_sureness_is_held_against_being_right_in_each_of_fifteen_bins() -> None:
    """0.66 and 0.67 lie in two bins: what the one is too sure of is not made good by what the other is too modest of."""
    scores = {"yes": [0.66] * 10 + [0.67] * 10, "no": [0.34] * 10 + [0.33] * 10}
    truth = ["yes"] * 10 + ["no"] * 10
    assert calibration_error(truth, scores) == pytest.approx((10 * 0.34 + 10 * 0.67) / 20)
    together = {"yes": [0.61] * 10 + [0.66] * 10, "no": [0.39] * 10 + [0.34] * 10}
    assert calibration_error(truth, together) == pytest.approx((6.1 + 6.6 - 10) / 20)


def test_a_model_that_is_always_sure_and_wrong_is_off_by_all() -> None:
    assert calibration_error(["yes"] * 5, {"yes": [0.0] * 5, "no": [1.0] * 5}) == 1.0


# -- apart ---------------------------------------------------------------------------------------------------


def test_two_models_lie_as_far_apart_as_in_the_class_where_it_is_most() -> None:
    one = {"a": [0.5, 0.5], "b": [0.3, 0.5], "c": [0.2, 0.0]}
    other = {"a": [0.6, 0.6], "b": [0.3, 0.4], "d": [0.1, 0.0]}
    assert distance(one, other) == pytest.approx(0.1)
    assert distance({"a": []}, {"a": []}) == 0
    with pytest.raises(ValueError, match=r"zip\(\)"):
        distance({"a": [0.5, 0.5]}, {"a": [0.5]})


def test_probabilities_of_another_number_than_classes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"zip\(\)"):
        by_class(Answers(["a"], [[0.2, 0.3, 0.5]], ["a", "b"]), ("a", "b"))
    with pytest.raises(ValueError, match=r"zip\(\)"):
        by_class(Answers(["a", "b"], [[0.2, 0.8], [1.0]], ["a", "b"]), ("a", "b"))


# -- areas and precisions by hand ----------------------------------------------------------------------------


def test_no_bound_of_an_area_lies_beyond_all_or_nothing() -> None:
    """A model that has two of a hundred rows wrong, and one that has two right."""
    truth = ["yes"] * 10 + ["no"] * 10
    yes = [0.9] * 9 + [0.3] + [0.4] + [0.1] * 9
    best = {"yes": yes, "no": [1 - share for share in yes]}
    worst = {"yes": best["no"], "no": best["yes"]}
    span = auc.span(truth, auc.area(truth, best))
    assert 0.8 < span.low < span.value < span.high == 1.0
    span = auc.span(truth, auc.area(truth, worst))
    assert 0.0 == span.low < span.value < span.high < 0.2


def test_the_precision_of_a_class_that_a_model_lacks_is_its_share_of_the_rows() -> None:
    truth = ["a"] * 3 + ["b"]
    found = average_precision.spans(truth, {"a": [0.9, 0.8, 0.7, 0.1]}, None, "s")[0]
    assert found.value == pytest.approx((3 * 1 + 1 * 0.25) / 4)


def test_a_precision_of_an_earlier_release_has_the_bounds_that_it_had() -> None:
    """Judged again from what was kept of it: another way to resample would tell other bounds of the same answers."""
    truth = ["yes"] * 8 + ["no"] * 12
    yes = [0.9, 0.8, 0.8, 0.7, 0.6, 0.5, 0.4, 0.2]
    yes += [0.75, 0.55, 0.5, 0.45, 0.4, 0.3, 0.3, 0.2, 0.1, 0.1, 0.05, 0.0]
    new, old = yes, [1 - abs(share - 0.6) for share in yes]
    tables = [{"no": [1 - share for share in column], "yes": column} for column in (new, old)]
    found = average_precision.spans(truth, tables[0], tables[1], "bank-2-a1")
    assert [(span.value, span.low, span.high) for span in found] == [
        pytest.approx((0.842284, 0.696294, 1.0), abs=1e-6),
        pytest.approx((0.714592, 0.560274, 0.918182), abs=1e-6),
        pytest.approx((0.127692, -0.029125, 0.271079), abs=1e-6),
    ]
