"""Probabilities are compared by the run's primary metric: exactly where there is a formula, by resamples elsewhere."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import replace
from math import log, sqrt

import pytest
from sklearn import metrics

from shared.domain.answers import Answers
from shared.domain.documents import from_json, to_json
from shared.domain.gate import GateConfig, Seen, Terms, Verdict, auc, average_precision, judge_answers
from shared.domain.gate.confusion import confusion, norm_macro_recall, precision_score_weighted
from shared.domain.gate.scores import by_class, calibration_error, closer, distance

CLASSES = ("no", "yes")
Table = dict[str, list[float]]


def binary(rows: int, seed: int, noise: float, rare: float = 0.2) -> tuple[list[str], Table]:
    """Truth, and scores that know it up to noise; rounded, so that some are equal."""
    rng = random.Random(seed)
    truth = ["yes" if rng.random() < rare else "no" for _ in range(rows)]
    yes = [round(min(1, max(0, 0.5 * (t == "yes") + 0.25 + rng.gauss(0, noise))), 2) for t in truth]
    return truth, {"no": [1 - share for share in yes], "yes": yes}


def ternary(rows: int, seed: int) -> tuple[list[str], Table]:
    rng = random.Random(seed)
    truth = rng.choices("abc", (5, 3, 2), k=rows)
    table: Table = {name: [] for name in "abc"}
    for true in truth:
        raw = {name: rng.random() + (name == true) * rng.random() for name in "abc"}
        for name in "abc":
            table[name].append(raw[name] / sum(raw.values()))
    return truth, table


def answers(scores: Table, cut: float | None = None) -> Answers:
    """As a deployment says it; `cut` is its threshold of the second class."""
    names = list(scores)
    rows = [list(row) for row in zip(*scores.values(), strict=True)]
    most = [row.index(max(row)) if cut is None else row[1] >= cut for row in rows]
    return Answers([names[at] for at in most], rows, names)


def blurred(scores: Table, seed: int, noise: float) -> Table:
    """The scores of a model that knows a little less."""
    rng = random.Random(seed)
    yes = [min(1.0, max(0.0, share + rng.gauss(0, noise))) for share in scores["yes"]]
    return {"no": [1 - share for share in yes], "yes": yes}


def terms(classes: tuple[str, ...] = CLASSES, primary: str = "AUC_weighted", **said: object) -> Terms:
    return Terms(GateConfig(**said), classes, primary, "seed")  # type: ignore[arg-type]


# -- definitions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_the_metrics_are_those_of_scikit_learn_which_azure_computes_with(seed: int) -> None:
    for truth, table in (binary(300, seed, 0.2), ternary(300, seed)):
        names = sorted(table)
        rows = [[table[name][i] for name in names] for i in range(len(truth))]
        marks = [[int(true == name) for name in names] for true in truth]
        expected = metrics.roc_auc_score(marks, rows, average="weighted")
        assert auc.area(truth, table).value == pytest.approx(expected, abs=1e-12)
        precision = average_precision.spans(truth, table, None, "s")[0].value
        expected = metrics.average_precision_score(marks, rows, average="weighted")
        assert precision == pytest.approx(expected, abs=1e-9)
        said = answers({name: table[name] for name in names}).result
        cells: dict[tuple[str, str], int] = {}
        for pair in zip(truth, said, strict=True):
            cells[pair] = cells.get(pair, 0) + 1
        expected = metrics.precision_score(truth, said, average="weighted", zero_division=0)
        assert precision_score_weighted(cells) == pytest.approx(expected, abs=1e-12)
        expected = metrics.balanced_accuracy_score(truth, said, adjusted=True)
        assert norm_macro_recall(cells) == pytest.approx(expected, abs=1e-12)


def test_a_single_class_has_a_recall_of_its_own() -> None:
    assert norm_macro_recall(confusion([(("a", "a", "a"), 3), (("a", "b", "b"), 1)], 1)) == 0.75


# -- intervals -----------------------------------------------------------------------------------------------


def by_hand(truth: Sequence[str], one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    """DeLong's standard errors of an area and of the difference of two, pair by pair."""
    own = [i for i, true in enumerate(truth) if true == "yes"]
    rest = [i for i, true in enumerate(truth) if true == "no"]

    def wins(a: float, b: float) -> float:
        return (a > b) + (a == b) / 2

    def parts(scores: Sequence[float]) -> tuple[list[float], list[float]]:
        of_own = [sum(wins(scores[i], scores[j]) for j in rest) / len(rest) for i in own]
        of_rest = [sum(wins(scores[i], scores[j]) for i in own) / len(own) for j in rest]
        return of_own, of_rest

    def error(a: list[float], b: list[float]) -> float:
        def variance(values: list[float]) -> float:
            mean = sum(values) / len(values)
            return sum((value - mean) ** 2 for value in values) / (len(values) - 1)

        return sqrt(variance(a) / len(a) + variance(b) / len(b))

    new, old = parts(one), parts(other)
    gap = [[a - b for a, b in zip(x, y, strict=True)] for x, y in zip(new, old, strict=True)]
    return error(*new), error(gap[0], gap[1])


def test_with_two_classes_the_intervals_are_delong_s_own() -> None:
    truth, new = binary(120, 3, 0.3)
    old = blurred(new, 4, 0.2)
    alone, gap = by_hand(truth, new["yes"], old["yes"])
    found, before = auc.area(truth, new), auc.area(truth, old)
    span = auc.span(truth, found)
    assert span.value - span.low == pytest.approx(1.959964 * alone, abs=1e-12)
    between = auc.difference(truth, found, before)
    assert between.value == pytest.approx(found.value - before.value)
    assert between.high - between.value == pytest.approx(1.959964 * gap, abs=1e-12)
    assert between.value - between.low == pytest.approx(1.959964 * gap, abs=1e-12)


def test_with_three_classes_they_are_as_wide_as_those_of_resamples() -> None:
    truth, table = ternary(400, 7)
    span = auc.span(truth, auc.area(truth, table))
    rng, places = random.Random(1), {name: [i for i, t in enumerate(truth) if t == name] for name in "abc"}
    drawn = []
    for _ in range(400):
        rows = [i for own in places.values() for i in rng.choices(own, k=len(own))]
        some = {name: [column[i] for i in rows] for name, column in table.items()}
        drawn.append(auc.area([truth[i] for i in rows], some).value)
    drawn.sort()
    assert span.low == pytest.approx(drawn[9], abs=0.008)
    assert span.high == pytest.approx(drawn[-10], abs=0.008)


def test_an_interval_holds_the_true_difference_19_times_of_20() -> None:
    """Two models of equal worth: the interval of their difference leaves out 0 in 5 of 100 holdouts."""
    out = 0
    for seed in range(200):
        truth, base = binary(400, seed, 0.3)
        one, other = blurred(base, seed + 1000, 0.2), blurred(base, seed + 2000, 0.2)
        span = auc.difference(truth, auc.area(truth, one), auc.area(truth, other))
        out += not span.low <= 0 <= span.high
    assert 2 <= out <= 20


def test_resamples_of_ten_thousand_rows_end_in_time_and_are_the_same_again() -> None:
    truth, new = binary(10_000, 5, 0.3)
    old = blurred(new, 6, 0.1)
    started = time.process_time()
    first = average_precision.spans(truth, new, old, "a")
    assert time.process_time() - started < 60, "ten seconds on a machine of its own"
    assert [span.low <= span.value <= span.high for span in first] == [True] * 3
    assert first[2].value == pytest.approx(first[0].value - first[1].value)
    small, half = binary(200, 5, 0.3), blurred(binary(200, 5, 0.3)[1], 6, 0.1)
    again = [average_precision.spans(small[0], small[1], half, seed) for seed in "aab"]
    assert again[0] == again[1] != again[2]


@pytest.mark.parametrize(
    ("probabilities", "resamples"),
    [(0, 1000), (200, 1000), (20_000, 1000), (40_000, 500), (200_000, 100), (1_000_000, 100)],
)
def test_many_probabilities_get_fewer_resamples(probabilities: int, resamples: int) -> None:
    assert average_precision.resamples_of(probabilities) == resamples


def test_a_class_of_one_row_is_measured_and_says_little() -> None:
    truth, scores = ["yes"] + ["no"] * 40, [0.9] + [i / 50 for i in range(40)]
    table = {"no": [1 - share for share in scores], "yes": scores}
    span = auc.span(truth, auc.area(truth, table))
    assert (span.low, span.value, span.high) == pytest.approx((1.0, 1.0, 1.0))
    for metric in ("AUC_weighted", "average_precision_score_weighted"):
        verdict = judge_answers(Seen(truth, answers(table), answers(table)), terms(metric=metric))
        assert (verdict.metric, verdict.challenger, verdict.evidence) == (metric, 1.0, "little")
    marks = [int(true == "yes") for true in truth]
    turned = {"no": scores, "yes": table["no"]}
    found = average_precision.spans(truth, turned, None, "s")
    expected = metrics.average_precision_score(
        [[1 - mark, mark] for mark in marks], list(zip(*turned.values(), strict=True)), average="weighted"
    )
    assert found[0].value == pytest.approx(expected)
    assert (found[1].value, found[2].value) == (0, 0)


# -- verdicts ------------------------------------------------------------------------------------------------


def test_auto_compares_the_primary_metric_where_both_answer_probabilities() -> None:
    truth, new = binary(2000, 1, 0.3)
    seen = Seen(truth, answers(new), answers(blurred(new, 2, 0.3)))
    assert judge_answers(seen, terms()).metric == "AUC_weighted"
    assert judge_answers(seen, terms(primary="accuracy")).metric == "accuracy"
    assert judge_answers(seen, terms(primary="norm_macro_recall")).metric == "norm_macro_recall"
    asked = judge_answers(seen, terms(metric="average_precision_score_weighted"))
    assert (asked.metric, asked.note, asked.decision) == ("average_precision_score_weighted", None, "promote")
    assert asked.reason.startswith("better: average_precision_score_weighted 0.")
    assert judge_answers(seen, terms(metric="balanced_accuracy")).metric == "balanced_accuracy"


@pytest.mark.parametrize("silent", ["the challenger", "the champion"])
def test_where_one_answers_labels_alone_labels_are_compared_and_told(silent: str) -> None:
    truth, new = binary(2000, 1, 0.3)
    talks, other = answers(new), Answers(answers(new).result)
    seen = Seen(truth, other, talks) if silent == "the challenger" else Seen(truth, talks, other)
    verdict = judge_answers(seen, terms())
    assert verdict.metric == "balanced_accuracy"
    assert verdict.note == (
        f"balanced_accuracy of the labels, not AUC_weighted: {silent} answers no probabilities that can be compared"
    )
    assert (verdict.calibration_error, verdict.decision) == (None, "promote")
    assert judge_answers(seen, terms(primary="accuracy")).metric == "balanced_accuracy"
    assert judge_answers(seen, terms(metric="accuracy")).metric == "accuracy"


def test_classes_are_found_by_name_in_whatever_order_and_spelling() -> None:
    truth, new = binary(1000, 1, 0.3)
    old = blurred(new, 2, 0.1)
    one = judge_answers(Seen(truth, answers(new), answers(old)), terms())
    turned = answers({"yes": old["yes"], "no": old["no"]})
    other = judge_answers(Seen(truth, answers(new), replace(turned, result=answers(old).result)), terms())
    assert one == other
    digits = [{"no": "0.0", "yes": "1.0"}[true] for true in truth]
    spelt = Answers(
        ["1" if x == "yes" else "0" for x in answers(new).result], answers(new).probabilities, ["0", "1"]
    )
    found = judge_answers(Seen(digits, spelt), terms(("0.0", "1.0")))
    assert found.challenger == one.challenger


def test_a_class_that_a_model_never_learnt_is_a_coin_to_it() -> None:
    truth, table = ternary(300, 1)
    two = {"a": table["a"], "b": table["b"]}
    area = auc.area(truth, two)
    whole = auc.area(truth, {**two, "c": [0.0] * 300})
    assert area.value == pytest.approx(whole.value)
    precision = [
        average_precision.spans(truth, t, None, "s")[0].value for t in (two, {**two, "c": [0.0] * 300})
    ]
    assert precision[0] == pytest.approx(precision[1])


def test_a_worse_ranking_behind_the_same_labels_is_seen() -> None:
    """Labels hide it: the answers of both are equal."""
    truth, old = binary(4000, 1, 0.25)
    rng = random.Random(2)
    flat = [0.9 * (share > 0.5) + 0.1 * rng.random() for share in old["yes"]]
    new = {"no": [1 - share for share in flat], "yes": flat}
    seen = Seen(truth, answers(new), answers(old))
    assert seen.champion is not None
    assert seen.challenger.result == seen.champion.result
    verdict = judge_answers(seen, terms(margin=1.0))
    assert verdict.decision == "reject"
    assert verdict.reason.startswith("proven worse: AUC_weighted 0.")
    assert verdict.objection == verdict.reason
    assert judge_answers(seen, terms(metric="balanced_accuracy")).decision == "promote"


def test_a_coin_never_goes_live_whatever_its_labels_say() -> None:
    truth, _ = binary(1000, 1, 0.3)
    rng = random.Random(3)
    yes = [rng.random() for _ in truth]
    coin = answers({"no": [1 - share for share in yes], "yes": yes})
    verdict = judge_answers(Seen(truth, coin), terms())
    assert (verdict.decision, verdict.guess_metric, verdict.guessing) == ("reject", "AUC_weighted", 0.5)
    assert "guessing" in verdict.reason
    constant = answers({"no": [0.9] * 1000, "yes": [0.1] * 1000})
    assert judge_answers(Seen(truth, constant, constant), terms(margin=1.0)).reason == (
        "no better than guessing: AUC_weighted 0.5000, and guessing reaches 0.5000"
    )


def test_a_lost_class_counts_beside_a_better_ranking() -> None:
    truth, new = binary(2000, 1, 0.1)
    old = blurred(new, 2, 0.4)
    verdict = judge_answers(Seen(truth, answers(new, cut=0.99), answers(old)), terms())
    assert verdict.decision == "reject"
    assert verdict.reason.startswith("loses the class 'yes': recall ")
    assert verdict.low is not None
    assert verdict.low > 0


def test_one_class_or_no_row_leaves_it_to_the_setting() -> None:
    for truth in (["no"] * 40, []):
        for said in ("promote", "reject"):
            alone = answers({"no": [1.0] * len(truth), "yes": [0.0] * len(truth)})
            verdict = judge_answers(Seen(truth, alone), terms(insufficient_evidence=said))
            assert (verdict.decision, verdict.metric) == (said, "balanced_accuracy")
            assert "insufficient evidence" in verdict.reason


def test_little_evidence_follows_its_setting() -> None:
    truth, new = ["yes"] * 20 + ["no"] * 200, [0.9] * 20 + [0.1] * 200
    table = {"no": [1 - share for share in new], "yes": new}
    for said in ("promote", "reject"):
        verdict = judge_answers(
            Seen(truth, answers(table), answers(table)), terms(insufficient_evidence=said)
        )
        assert (verdict.decision, verdict.evidence) == (said, "little")


# -- calibration ---------------------------------------------------------------------------------------------


def test_the_calibration_error_is_how_far_sureness_is_from_being_right() -> None:
    truth = ["yes"] * 8 + ["no"] * 2
    assert calibration_error(truth, {"no": [0.2] * 10, "yes": [0.8] * 10}) == pytest.approx(0)
    assert calibration_error(truth, {"no": [0.0] * 10, "yes": [1.0] * 10}) == pytest.approx(0.2)
    half = {"no": [0.4] * 5 + [0.9] * 5, "yes": [0.6] * 5 + [0.1] * 5}
    assert calibration_error(truth, half) == pytest.approx((5 - 3.0 + 4.5 - 2) / 10)


def test_both_calibration_errors_are_reported() -> None:
    truth, new = binary(1000, 1, 0.2)
    sharper = {name: [min(1.0, max(0.0, 3 * share - 1)) for share in column] for name, column in new.items()}
    verdict = judge_answers(Seen(truth, answers(new), answers(sharper)), terms())
    assert verdict.calibration_error == pytest.approx(calibration_error(truth, new), abs=1e-6)
    assert verdict.champion_calibration_error == pytest.approx(calibration_error(truth, sharper), abs=1e-6)
    assert from_json(to_json(verdict), Verdict) == verdict


def test_what_can_t_be_laid_by_class_is_as_none() -> None:
    rows = [[0.5, 0.5]]
    assert by_class(Answers(["a"]), ("a", "b")) is None
    assert by_class(Answers(["a"], rows, ["1", "1.0"]), ("1", "2")) is None, "one class twice"
    assert by_class(Answers([], [], ["a", "b"]), ("a", "b")) is None
    assert by_class(Answers(["a"], rows, ["a", "b"]), ("a", "b")) == {"a": (0.5,), "b": (0.5,)}


def test_too_many_classes_are_judged_by_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, new = binary(100, 1, 0.2)
    monkeypatch.setattr("shared.domain.gate.scores.MOST_SCORES", 199)
    assert judge_answers(Seen(truth, answers(new)), terms()).metric == "balanced_accuracy"
    monkeypatch.setattr("shared.domain.gate.scores.MOST_SCORES", 200)
    assert judge_answers(Seen(truth, answers(new)), terms()).metric == "AUC_weighted"


def test_log_odds_rank_as_their_shares_do() -> None:
    """An area asks for the order alone."""
    truth, new = binary(300, 2, 0.2)
    odds = {name: [log((s + 1e-9) / (1 - s + 1e-9)) for s in column] for name, column in new.items()}
    assert auc.area(truth, odds).value == pytest.approx(auc.area(truth, new).value)


def drawn_in(table: Table, by: float) -> Table:
    """The same ranks, each probability drawn towards one half, as labels that are partly wrong teach it."""
    return {name: [share + by * (0.5 - share) for share in column] for name, column in table.items()}


def test_probabilities_closer_to_the_truth_are_told_from_others_that_rank_alike() -> None:
    truth, sure = binary(300, 1, 0.1)
    assert closer(truth, sure, drawn_in(sure, 0.5))
    assert not closer(truth, drawn_in(sure, 0.5), sure)
    assert not closer(truth, sure, sure)
    assert not closer(
        truth[:20], *({name: column[:20] for name, column in t.items()} for t in (sure, drawn_in(sure, 0.5)))
    )
    found = sum(closer(*two_alike(seed)) for seed in range(400))
    assert found <= 12, "one in a hundred by chance"


def two_alike(seed: int) -> tuple[list[str], Table, Table]:
    truth, one = binary(200, seed, 0.1)
    rng = random.Random(seed)
    other = [min(1.0, max(0.0, 0.5 * (t == "yes") + 0.25 + rng.gauss(0, 0.1))) for t in truth]
    return truth, one, {"no": [1 - share for share in other], "yes": other}


def test_how_far_two_models_lie_apart_is_told_row_by_row() -> None:
    _, sure = binary(300, 1, 0.1)
    apart = distance(sure, drawn_in(sure, 0.5))
    assert apart == pytest.approx(sum(abs(s - 0.5) for s in sure["yes"]) / 2 / 300)
    assert distance(sure, sure) == 0
    assert distance(sure, {}) == 0
    crossed = {"no": sure["yes"], "yes": sure["no"]}
    assert distance(
        {"no": [0.1, 0.9], "yes": [0.9, 0.1]}, {"no": [0.9, 0.1], "yes": [0.1, 0.9]}
    ) == pytest.approx(0.8)
    assert distance(sure, crossed) > 0.2
