"""average_precision_score_weighted: each class's average precision, weighted by its rows, and its bootstrap.

Average precision is the sum of the precisions at each threshold, weighted by the recall gained there, equal scores being one
threshold (scikit-learn, average_precision_score; Azure averages it over the classes by their rows).

Rows are resampled for both models at once, each with a weight that is all but Poisson's (Chamandy et al., Estimating
Uncertainty for Massive Data Streams, 2012). Rows are sorted once; a resample is running sums over them in that order.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import accumulate, groupby
from operator import itemgetter, mul, truediv
from typing import Any

from shared.domain.gate.bootstrap import RESAMPLES, percentiles
from shared.domain.gate.scores import Scores
from shared.domain.gate.spans import Span

NAME = "average_precision_score_weighted"
#: So many probabilities (rows times classes) get all resamples in a few seconds; with more of them fewer do.
_ALL_RESAMPLES_UP_TO, _FEWEST = 20_000, 100
#: How often each of the 256 bytes is a weight of 0 to 5: mean 1 and variance 1, as Poisson's.
_OFTEN = (94, 95, 46, 16, 4, 1)
_WEIGHTS = bytes(weight for weight, often in enumerate(_OFTEN) for _ in range(often))
#: Before the first row, so that no precision is nothing over nothing.
_NEXT_TO_NOTHING = 1e-9

Weighted = Callable[[bytes], float]


def spans(truth: Sequence[str], new: Scores, old: Scores | None, seed: str) -> tuple[Span, Span, Span]:
    """Of the challenger, of the champion and of their difference; without a champion the last two are nothing."""
    measures = [_prepared(truth, scores) for scores in (new, old) if scores is not None]
    rng = random.Random(seed)  # statistics, no secret
    rows = len(truth)
    drawn = [_values(measures, bytes([1]) * rows)]
    for _ in range(resamples_of(rows * len(new))):
        drawn.append(_values(measures, rng.randbytes(rows).translate(_WEIGHTS)))
    challenger, champion, difference = zip(*drawn, strict=True)
    return _span(challenger), _span(champion), _span(difference)


def resamples_of(probabilities: int) -> int:
    """How many resamples so many probabilities get."""
    return max(_FEWEST, min(RESAMPLES, RESAMPLES * _ALL_RESAMPLES_UP_TO // max(1, probabilities)))


def _span(values: Sequence[float]) -> Span:
    low, high = percentiles(sorted(values[1:]))
    return Span(values[0], low, high)


def _values(measures: Sequence[Weighted], weights: bytes) -> tuple[float, float, float]:
    found = [measure(weights) for measure in measures]
    return (found[0], found[1], found[0] - found[1]) if len(found) > 1 else (found[0], 0.0, 0.0)


def _prepared(truth: Sequence[str], scores: Scores) -> Weighted:
    """The weighted mean of the classes' average precisions, as a function of the rows' weights."""
    classes = [_of_class(truth, name, scores.get(name)) for name in Counter(truth)]

    def measure(weights: bytes) -> float:
        return sum(one(weights) for one in classes) / (sum(weights) or 1)

    return measure


def _of_class(truth: Sequence[str], name: str, column: Sequence[float] | None) -> Weighted:
    """The class's average precision times the weight of its rows."""
    column = column if column is not None else [0.0] * len(truth)
    order = sorted(range(len(truth)), key=column.__getitem__, reverse=True)
    own: list[int] = []
    ends, own_ends = [], []
    seen = 0
    for _, tied in groupby(order, key=column.__getitem__):
        group = list(tied)
        seen += len(group)
        mine = [i for i in group if truth[i] == name]
        own += mine
        ends += [seen] * len(mine)  # sums before the first row and after each
        own_ends += [len(own)] * len(mine)
    every, mine_of, at, own_at = _getter(order), _getter(own), _getter(ends), _getter(own_ends)

    def weighted(weights: bytes) -> float:
        of_all = list(accumulate(every(weights), initial=_NEXT_TO_NOTHING))
        of_own = mine_of(weights)
        right = list(accumulate(of_own, initial=0))
        return float(sum(map(mul, of_own, map(truediv, own_at(right), at(of_all)))))

    return weighted


def _getter(places: Sequence[int]) -> Callable[[Any], tuple[Any, ...]]:
    if len(places) > 1:
        return itemgetter(*places)
    only = places[0]
    return lambda values: (values[only],)
