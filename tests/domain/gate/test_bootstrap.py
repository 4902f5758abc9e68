"""Resamples have the size and the mixture that they should have, and the same seed gives the same ones."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from shared.domain.gate import bootstrap
from shared.domain.gate.bootstrap import RESAMPLES, binomial, intervals, resamples
from shared.domain.gate.confusion import (
    CHALLENGER,
    CHAMPION,
    Cell,
    accuracy,
    balanced_accuracy,
    confusion,
    f1_macro,
    right_or_wrong,
)

CELLS: dict[Cell, int] = {
    ("no", "no", "no"): 800,
    ("no", "no", "yes"): 100,
    ("yes", "yes", "yes"): 30,
    ("yes", "no", "yes"): 5,
}


def test_every_resample_has_as_many_rows_of_each_class() -> None:
    seen = 0
    for drawn in resamples(CELLS, "r"):
        rows: Counter[str] = Counter()
        for cell, count in drawn:
            assert count > 0
            rows[cell[0]] += count
        assert rows == {"no": 900, "yes": 35}
        seen += 1
    assert seen == RESAMPLES == 1000


@pytest.mark.parametrize(("many", "count"), [(4, 1000), (3, 200)])
def test_very_many_cells_are_resampled_less_often(
    many: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "MANY_CELLS", many)
    assert sum(1 for _ in resamples(CELLS, "r")) == count
    assert (bootstrap.RESAMPLES, bootstrap.FEWER_RESAMPLES) == (1000, 200)


def test_the_same_seed_gives_the_same_resamples() -> None:
    assert list(resamples(CELLS, "r")) == list(resamples(dict(reversed(CELLS.items())), "r"))
    assert list(resamples(CELLS, "r")) != list(resamples(CELLS, "s"))


@pytest.mark.parametrize(
    ("n", "p"),
    [(1, 0.5), (5, 0.3), (40, 0.02), (40, 0.98), (1000, 0.003), (1000, 0.4), (1000, 0.9), (20, 0.5)],
)
def test_a_binomial_draw_has_its_mean_and_spread(n: int, p: float) -> None:
    rng = random.Random(7)
    draws = [binomial(rng, n, p) for _ in range(4000)]
    assert all(0 <= hits <= n for hits in draws)
    mean = sum(draws) / 4000
    variance = sum((hits - mean) ** 2 for hits in draws) / 4000
    assert mean == pytest.approx(n * p, abs=4 * (n * p * (1 - p) / 4000) ** 0.5)
    assert variance == pytest.approx(n * p * (1 - p), rel=0.12)


def test_a_binomial_draw_without_chance() -> None:
    rng = random.Random(1)
    assert [binomial(rng, n, p) for n, p in ((0, 0.5), (9, 0.0), (9, 1.0), (10**6, 1.0))] == [0, 0, 9, 10**6]


def test_a_decision_of_an_earlier_release_has_the_numbers_that_it_had() -> None:
    """Judged again from what was kept of it: another way to draw would tell other bounds of the same answers."""
    rng = random.Random(7)
    asked = ((40, 0.1), (40, 0.9), (20, 0.5), (21, 0.5), (1000, 0.3), (1000, 0.99), (30, 1 / 3))
    assert [binomial(rng, n, p) for n, p in asked] == [9, 33, 10, 8, 290, 993, 14]

    def of_both(drawn: list[tuple[Cell, int]]) -> tuple[float, float]:
        return balanced_accuracy(confusion(drawn, CHALLENGER)), balanced_accuracy(confusion(drawn, CHAMPION))

    challenger, champion = intervals(CELLS, of_both, "bank-2-a1")
    assert challenger == pytest.approx((0.934444, 0.955), abs=1e-6)
    assert champion == pytest.approx((0.871429, 0.985714), abs=1e-6)


def test_an_interval_covers_what_it_should() -> None:
    """Accuracy of 900 in 1,000: Wald's interval is 0.9 +- 1.96 x 0.0095."""
    cells: dict[Cell, int] = {("a", "a", "a"): 900, ("a", "a", "b"): 100}
    ((low, high),) = intervals(cells, lambda drawn: (dict(drawn)["a", "a", "a"] / 1000,), "r")
    assert low == pytest.approx(0.8814, abs=0.002)
    assert high == pytest.approx(0.9186, abs=0.002)


def test_percentiles_are_the_26th_from_either_end() -> None:
    numbers = iter(range(1000))
    ((low, high),) = intervals(CELLS, lambda _: (float(next(numbers)),), "r")
    assert (low, high) == (25, 974)


def test_what_a_wrong_answer_was_is_nothing_to_recall_and_accuracy() -> None:
    rng = random.Random(3)
    cells = Counter((rng.choice("ab"), rng.choice("abc"), rng.choice("abc")) for _ in range(500))
    fewer = right_or_wrong(cells.items())
    assert len(fewer) == 8
    assert sum(fewer.values()) == 500
    for who in (CHAMPION, CHALLENGER):
        for metric in (accuracy, balanced_accuracy):
            assert metric(confusion(fewer.items(), who)) == metric(confusion(cells.items(), who))


CONFUSION = {("a", "a"): 6, ("a", "b"): 2, ("b", "b"): 1, ("b", "c"): 1}


def test_metrics_by_hand() -> None:
    assert balanced_accuracy(CONFUSION) == (0.75 + 0.5) / 2
    assert accuracy(CONFUSION) == 0.7
    assert f1_macro(CONFUSION) == pytest.approx((2 * 6 / 14 + 2 * 1 / 5) / 2)
    assert balanced_accuracy({("a", "b"): 3}) == accuracy({("a", "b"): 3}) == f1_macro({("a", "b"): 3}) == 0
