"""Resampling the holdout within its classes, both models' answers attached to their row.

Efron & Tibshirani, An Introduction to the Bootstrap (1993), ch. 8 and 13. Rows that agree in truth and in both answers are one
cell, so a resample is a multinomial draw of the cells' counts, whose cost doesn't grow with the rows.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from math import floor, log2, sqrt

from shared.domain.gate.confusion import Cell

RESAMPLES = 1000
#: Above so many cells (hundreds of classes, each taken for many others) fewer resamples do, in less than ten seconds.
MANY_CELLS, FEWER_RESAMPLES = 1000, 200
#: Above so many expected hits (and misses) a binomial draw is taken from the normal distribution.
_NORMAL_FROM = 10


def intervals(
    cells: Mapping[Cell, int],
    measures: Callable[[list[tuple[Cell, int]]], tuple[float, ...]],
    seed: str,
) -> list[tuple[float, float]]:
    """For each number that `measures` makes of a resample, its 95 % interval (2.5th and 97.5th percentile)."""
    drawn = list(zip(*map(measures, resamples(cells, seed)), strict=True))
    return [percentiles(sorted(values)) for values in drawn]


def percentiles(ordered: list[float]) -> tuple[float, float]:
    cut = int(0.025 * len(ordered))
    return ordered[cut], ordered[-cut - 1]


def resamples(cells: Mapping[Cell, int], seed: str) -> Iterator[list[tuple[Cell, int]]]:
    """Draws with replacement of as many rows of each class as there are, as counts of cells."""
    rng = random.Random(seed)  # statistics, no secret
    by_class: dict[str, list[tuple[Cell, int]]] = {}
    for cell, rows in sorted(cells.items()):
        by_class.setdefault(cell[0], []).append((cell, rows))
    for _ in range(RESAMPLES if len(cells) <= MANY_CELLS else FEWER_RESAMPLES):
        drawn: list[tuple[Cell, int]] = []
        for members in by_class.values():
            left = weight = sum(rows for _, rows in members)
            for cell, rows in members:
                count = binomial(rng, left, rows / weight)
                weight -= rows
                left -= count
                if count:
                    drawn.append((cell, count))
        yield drawn


def binomial(rng: random.Random, n: int, p: float) -> int:
    """How many of `n` trials hit, each with probability `p`."""
    if p > 0.5:
        return n - binomial(rng, n, 1 - p)
    if p <= 0 or n == 0:
        return 0
    if n * p > _NORMAL_FROM:
        return min(n, max(0, round(rng.gauss(n * p, sqrt(n * p * (1 - p))))))
    # Devroye, Non-Uniform Random Variate Generation (1986), ch. X.4: gaps between hits are geometric.
    hits, at, scale = 0, 0, log2(1 - p)
    while True:
        at += floor(log2(1 - rng.random()) / scale) + 1
        if at > n:
            return hits
        hits += 1
