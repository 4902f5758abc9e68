"""Files with wrong labels never bring a model live; files with other rows do."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.answers import Answers
from shared.domain.gate import GateConfig, Seen, Terms, Verdict, judge_answers
from shared.domain.gate.earlier import known_of, suspicion
from shared.domain.gate.rules import Guess, Measured

ROWS, CLASSES = 3000, ("no", "yes")
Labels = Callable[[random.Random, list[str]], list[str]]


def kept(_: random.Random, truth: list[str]) -> list[str]:
    return truth


def shuffled(rng: random.Random, truth: list[str]) -> list[str]:
    return rng.sample(truth, len(truth))


def inverted(_: random.Random, truth: list[str]) -> list[str]:
    return ["no" if label == "yes" else "yes" for label in truth]


def half_shuffled(rng: random.Random, truth: list[str]) -> list[str]:
    chosen = [i for i in range(len(truth)) if rng.random() < 0.5]
    made = list(truth)
    for i, j in zip(chosen, rng.sample(chosen, len(chosen)), strict=True):
        made[i] = truth[j]
    return made


class Town:
    """Rows of one number `x`: the larger, the likelier `yes`. Models know x and their own way to read it."""

    def __init__(self, seed: int, *, middle: float = 0.0, rows: int = ROWS) -> None:
        self.rng = random.Random(seed)
        self.x = [self.rng.gauss(middle, 1) for _ in range(rows)]
        self.truth = ["yes" if x + self.rng.gauss(0, 0.7) > 0.8 else "no" for x in self.x]

    def read(self, slope: float = 1.0, noise: float = 0.0, *, knows: bool = True) -> list[float]:
        """Probabilities of `yes` by a model that reads x so; one that knows nothing reads chance."""
        read = [x if knows else self.rng.gauss(0, 1) for x in self.x]
        return [1 / (1 + 2.718281828 ** -(2 * slope * (x + self.rng.gauss(0, noise) - 0.8))) for x in read]


def said(yes: list[float], *, labels_only: bool) -> Answers:
    labels = ["yes" if share >= 0.5 else "no" for share in yes]
    return Answers(labels) if labels_only else Answers(labels, [[1 - s, s] for s in yes], ["no", "yes"])


def judged(
    poison: Labels,
    learnt: dict[str, Any],
    *,
    labels_only: bool = False,
    middle: float = 0.0,
    rows: int = ROWS,
    seed: int = 0,
    config: GateConfig | None = None,
    with_earlier: bool = True,
    champion: Verdict | None = None,
) -> Verdict:
    """The verdict on a model that has `learnt` from a file so labelled, against a champion that knows the town."""
    new, old = Town(seed, middle=middle, rows=rows), Town(seed + 1, rows=rows)

    def seen(town: Town, truth: list[str]) -> Seen:
        new, old = town.read(**learnt), town.read(noise=0.1)
        return Seen(truth, said(new, labels_only=labels_only), said(old, labels_only=labels_only))

    terms = Terms(config or GateConfig(), CLASSES, "AUC_weighted", "seed", champion=champion)
    earlier = seen(old, old.truth) if with_earlier else None
    return judge_answers(seen(new, poison(new.rng, new.truth)), terms, earlier=earlier)


LAX = GateConfig(margin=1.0, floor=-1.0, earlier_margin=1.0)


@pytest.mark.parametrize("labels_only", [False, True])
@pytest.mark.parametrize("config", [GateConfig(), LAX])
@pytest.mark.parametrize(
    ("poison", "learnt"),
    [
        (shuffled, {"knows": False}),
        (inverted, {"slope": -1.0, "noise": 0.1}),
        (half_shuffled, {"slope": 0.5, "noise": 0.3}),
        (half_shuffled, {"slope": 1.0, "noise": 0.1}),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_wrong_labels_are_suspicious_and_never_go_live(
    poison: Labels, learnt: dict[str, Any], config: GateConfig, labels_only: bool, seed: int
) -> None:
    verdict = judged(poison, learnt, labels_only=labels_only, config=config, seed=seed)
    assert verdict.decision == "reject"
    assert verdict.suspicious is not None
    assert verdict.reason.startswith(f"suspicious data: {verdict.suspicious}")
    assert "the labels of the new file may be wrong" in verdict.suspicious


def test_inverted_labels_look_better_on_their_own_holdout_alone() -> None:
    verdict = judged(inverted, {"slope": -1.0, "noise": 0.1})
    assert (verdict.low or 0) > 0.5, "the new file's holdout praises the new model"
    assert verdict.earlier is not None
    assert verdict.earlier.high < -0.5
    assert verdict.objection is not None
    assert verdict.objection.startswith(
        "proven worse on the holdout of the champion's own file, by more than the margin 0.02: AUC_weighted 0."
    )
    assert verdict.champion_guess is not None
    assert verdict.champion_guess < 0.2
    assert verdict.reason == f"suspicious data: {verdict.suspicious}; {verdict.objection}"
    assert "the champion reaches no better than guessing" in verdict.reason


@pytest.mark.parametrize("labels_only", [False, True])
@pytest.mark.parametrize("middle", [0.0, 0.7, -0.5])
@pytest.mark.parametrize("seed", range(3))
def test_honest_rows_that_lie_elsewhere_pass(middle: float, labels_only: bool, seed: int) -> None:
    config = (
        GateConfig(margin=0.03) if labels_only else GateConfig()
    )  # labels differ by more than 0.005 by chance
    verdict = judged(kept, {"noise": 0.05}, middle=middle, labels_only=labels_only, seed=seed, config=config)
    assert (verdict.decision, verdict.suspicious, verdict.objection) == ("promote", None, None)
    assert verdict.earlier is not None
    assert verdict.earlier.rows == ROWS


def test_what_a_champion_beat_guessing_by_is_known_from_its_own_verdict() -> None:
    verdict = judged(kept, {"noise": 0.05})
    assert verdict.guess_metric is not None
    low, guessing = verdict.guess_low or 0.0, verdict.guessing or 0.0
    whole = Guess(verdict.guess_metric, verdict.guess or 0.0, low, guessing, verdict.guess_high or 0.0)
    assert known_of(verdict) == whole
    bound_alone = Guess(verdict.guess_metric, low, low, guessing, low)
    assert (
        known_of(replace(verdict, guess=None)) == known_of(replace(verdict, guess_high=None)) == bound_alone
    )
    assert known_of(replace(verdict, guess_metric=None)) is None
    assert known_of(replace(verdict, guess_low=None)) is None
    assert known_of(replace(verdict, guessing=None)) is None
    assert known_of(replace(verdict, evidence="little")) is None
    assert known_of(None) is None


def test_worse_than_the_champion_where_it_came_from_is_refused() -> None:
    """A model of a narrower file: as good there, and it has forgotten the rest."""
    verdict = judged(kept, {"noise": 0.1})
    assert verdict.decision == "promote"
    town, other = Town(5), Town(6)
    same = said(town.read(noise=0.1), labels_only=False)
    forgot = Seen(
        other.truth,
        said(other.read(noise=1.0), labels_only=False),
        said(other.read(noise=0.1), labels_only=False),
    )
    terms = Terms(GateConfig(), CLASSES, "AUC_weighted", "s")
    found = judge_answers(Seen(town.truth, same, same), terms, earlier=forgot)
    assert (found.decision, found.suspicious) == ("reject", None)
    assert found.reason == found.objection
    assert found.reason.startswith("proven worse on the holdout of the champion's own file")
    wide = replace(terms, config=GateConfig(earlier_margin=0.5))
    assert judge_answers(Seen(town.truth, same, same), wide, earlier=forgot).decision == "promote"


def test_better_on_the_new_rows_and_worse_on_the_old_ones_is_for_a_person() -> None:
    """What the label means has changed for some rows, or some labels are wrong: nobody can tell from outside."""
    town, other = Town(5), Town(6)

    def turned(place: Town, slope: float) -> list[float]:
        """Knows the town, but reads rows beyond 1.5 the other way."""
        return [
            share if x < 1.5 else 1 - slope * share for x, share in zip(place.x, place.read(), strict=True)
        ]

    truth = [label if x < 1.5 else "no" for x, label in zip(town.x, town.truth, strict=True)]
    new = Seen(
        truth,
        said(turned(town, 1.0), labels_only=False),
        said(town.read(noise=0.1), labels_only=False),
    )
    earlier = Seen(
        other.truth,
        said(turned(other, 1.0), labels_only=False),
        said(other.read(noise=0.1), labels_only=False),
    )
    terms = Terms(GateConfig(collapse=1.0), CLASSES, "AUC_weighted", "s")
    verdict = judge_answers(new, terms, earlier=earlier)
    assert verdict.decision == "reject"
    assert verdict.suspicious is not None
    assert verdict.suspicious.startswith("the new model is better than the champion on the new file's rows")


def test_how_much_a_champion_may_lose_is_a_setting() -> None:
    learnt = {"slope": 1.0, "noise": 0.1}
    strict = judged(half_shuffled, learnt, config=GateConfig(collapse=0.3, earlier_margin=1.0))
    assert strict.suspicious is not None
    assert "the champion reaches only AUC_weighted 0." in strict.suspicious
    lax = judged(half_shuffled, learnt, config=GateConfig(collapse=0.9, earlier_margin=1.0))
    assert (lax.suspicious, lax.decision) == (None, "promote")


@pytest.mark.parametrize("setting", ["promote", "reject"])
def test_tiny_holdouts_leave_it_to_the_setting(setting: Any) -> None:
    config = GateConfig(insufficient_evidence=setting, margin=1.0)
    for poison in (kept, half_shuffled):
        verdict = judged(poison, {"noise": 0.1}, rows=60, config=config)
        assert verdict.evidence == "little"
        assert verdict.suspicious is None


def test_a_tiny_new_file_is_held_against_the_large_old_one() -> None:
    """Twenty new rows prove nothing; three thousand old ones do."""
    new, old = Town(1, rows=20), Town(2)
    wrong = Seen(
        shuffled(new.rng, new.truth),
        said(new.read(knows=False), labels_only=False),
        said(new.read(), labels_only=False),
    )
    earlier = Seen(
        old.truth, said(old.read(knows=False), labels_only=False), said(old.read(), labels_only=False)
    )
    terms = Terms(GateConfig(margin=1.0), CLASSES, "AUC_weighted", "s")
    verdict = judge_answers(wrong, terms, earlier=earlier)
    assert verdict.decision == "reject"
    assert "proven worse on the holdout of the champion's own file" in verdict.reason
    nothing = judge_answers(Seen([], Answers([]), Answers([])), terms, earlier=earlier)
    assert (nothing.decision, nothing.evidence) == ("reject", "none")
    assert nothing.reason == nothing.objection


def test_a_champion_whose_own_rows_are_gone_is_known_by_its_verdict() -> None:
    known = judged(kept, {}, with_earlier=False)
    assert known.decision == "promote"
    beats = replace(known, guess_low=0.85, guessing=0.5, guess_metric="AUC_weighted", evidence="enough")
    found = judged(inverted, {"slope": -1.0}, with_earlier=False, champion=beats)
    assert (found.decision, found.earlier) == ("reject", None)
    assert found.suspicious is not None
    unproven = (
        replace(beats, evidence="little"),
        replace(beats, guess_low=0.4),
        replace(beats, guess_metric="balanced_accuracy"),
        replace(beats, guess_metric=None),
        replace(beats, guess_low=None),
        None,
    )
    for verdict in unproven:
        assert judged(inverted, {"slope": -1.0}, with_earlier=False, champion=verdict).suspicious is None


def test_a_champion_that_never_beat_guessing_accuses_no_file() -> None:
    new, old = Town(1), Town(2)
    seen = [
        Seen(
            town.truth, said(town.read(), labels_only=False), said(town.read(knows=False), labels_only=False)
        )
        for town in (new, old)
    ]
    terms = Terms(GateConfig(), CLASSES, "AUC_weighted", "s")
    verdict = judge_answers(seen[0], terms, earlier=seen[1])
    assert (verdict.decision, verdict.suspicious) == ("promote", None)


@pytest.mark.parametrize(("now", "doubted"), [((0.55, 0.42, 0.68), False), ((0.40, 0.30, 0.50), True)])
def test_a_weak_champion_that_falls_within_chance_accuses_no_file(
    now: tuple[float, float, float], doubted: bool
) -> None:
    """0.60 on many rows of its own; on few new ones it can't be told from guessing, nor from what it was."""
    value, low, high = now
    new = Measured(
        "AUC_weighted", 0.7, None, 80, 40, champion_guess=Guess("AUC_weighted", value, low, 0.5, high)
    )
    own = Guess("AUC_weighted", 0.60, 0.55, 0.5, 0.65)
    earlier = Measured("AUC_weighted", 0.6, None, 5000, 600, champion_guess=own)
    found = suspicion(new, earlier, None, GateConfig())
    assert (found is not None) is doubted
    assert (suspicion(new, None, own, GateConfig()) is not None) is doubted


def test_numbers_turned_upside_down_are_suspicious_too() -> None:
    rng = random.Random(1)
    x = [rng.gauss(0, 1) for _ in range(500)]
    truth, answers = [str(v) for v in x], Answers([str(v + rng.gauss(0, 0.2)) for v in x])
    wrong = [str(-v) for v in x]
    terms = Terms(GateConfig(), (), "r2_score", "s", regression=True)
    verdict = judge_answers(
        Seen(wrong, Answers(wrong), answers), terms, earlier=Seen(truth, Answers(wrong), answers)
    )
    assert (verdict.decision, verdict.metric) == ("reject", "r2_score")
    assert verdict.suspicious is not None
    honest = judge_answers(Seen(truth, answers, answers), terms, earlier=Seen(truth, answers, answers))
    assert (honest.decision, honest.suspicious) == ("promote", None)
