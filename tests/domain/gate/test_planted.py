"""Planted challengers, many times over: the bad ones never pass, the good ones nearly always."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from shared.domain.gate import GateConfig, Verdict, judge, judge_first

ROWS, RARE, REPEATS = 1000, 0.15, 50
LAX = GateConfig(margin=1.0, floor=-1.0)
STRICT = GateConfig(policy="better")
OTHER = {"yes": "no", "no": "yes"}
Plant = Callable[[random.Random, list[str]], list[str]]


def with_errors(rate: float) -> Plant:
    def answer(rng: random.Random, truth: list[str]) -> list[str]:
        return [OTHER[label] if rng.random() < rate else label for label in truth]

    return answer


CHAMPION = with_errors(0.1)


def constant(_: random.Random, truth: list[str]) -> list[str]:
    return ["no"] * len(truth)


def shuffled(rng: random.Random, truth: list[str]) -> list[str]:
    """Learnt from shuffled labels: it answers in the right proportions, and knows nothing."""
    return rng.sample(truth, len(truth))


def without_a_class(rng: random.Random, truth: list[str]) -> list[str]:
    """Nearly never answers the rare class, and is better at the common one."""
    return [label if label == "no" or rng.random() < 0.02 else "no" for label in truth]


def tries(plant: Plant, config: GateConfig, champion: Plant | None = CHAMPION) -> Iterator[Verdict]:
    for seed in range(REPEATS):
        rng = random.Random(seed)
        truth = ["yes" if rng.random() < RARE else "no" for _ in range(ROWS)]
        old = champion(rng, truth) if champion else None
        new = plant(rng, truth)
        if old is None:
            yield judge_first(truth, new, config, seed=str(seed))
        else:
            yield judge(truth, old, new, config, seed=str(seed))


def promoted(verdicts: Iterator[Verdict]) -> int:
    return sum(verdict.decision == "promote" for verdict in verdicts)


@pytest.mark.parametrize("plant", [with_errors(0.25), constant, shuffled, without_a_class])
@pytest.mark.parametrize("config", [GateConfig(), LAX, GateConfig("accuracy", margin=1.0)])
def test_bad_challengers_never_pass(plant: Plant, config: GateConfig) -> None:
    assert promoted(tries(plant, config)) == 0


@pytest.mark.parametrize("config", [GateConfig(), STRICT])
def test_truly_better_ones_pass(config: GateConfig) -> None:
    assert promoted(tries(with_errors(0.03), config)) >= 0.95 * REPEATS


def test_a_better_one_by_noise_passes_as_not_worse_alone() -> None:
    """The champion's answers and one row more that is right."""
    for seed in range(REPEATS):
        rng = random.Random(seed)
        truth = ["yes" if rng.random() < RARE else "no" for _ in range(ROWS)]
        old = CHAMPION(rng, truth)
        lucky = next(i for i in range(ROWS) if old[i] != truth[i])
        new = [*old[:lucky], truth[lucky], *old[lucky + 1 :]]
        verdict = judge(truth, old, new, GateConfig(), seed=str(seed))
        assert verdict.decision == "promote"
        assert verdict.reason.startswith("not worse within the margin 0.005: ")
        assert judge(truth, old, new, STRICT, seed=str(seed)).decision == "reject"


@pytest.mark.parametrize("plant", [constant, shuffled])
def test_first_models_that_guess_are_found_out(plant: Plant) -> None:
    """Two of a hundred guessers may look better than guessing: that is what 95 % means."""
    assert promoted(tries(plant, LAX, champion=None)) <= 0.08 * REPEATS


def test_first_models_that_know_something_pass() -> None:
    assert promoted(tries(with_errors(0.35), GateConfig(), champion=None)) >= 0.95 * REPEATS
