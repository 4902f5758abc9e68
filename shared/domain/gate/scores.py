"""Probabilities as the gate compares them: a column of scores for each class, found by the class's name."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from shared.domain.answers import Answers
from shared.domain.labels import speller

#: Scores by class, one a row.
Scores = Mapping[str, Sequence[float]]
#: More probabilities than this (rows times classes) are not compared: labels are.
MOST_SCORES = 1_000_000
#: Bins of the calibration error.
_BINS = 15
#: Standard errors, and rows at least, by which one model's probabilities are closer to the truth than another's.
_Z_CLOSER, _ROWS_CLOSER = 2.33, 30


def by_class(answers: Answers, classes: tuple[str, ...]) -> Scores | None:
    """The scores under the names of `classes`, however the deployment orders and spells them; None where it has none."""
    if answers.probabilities is None or answers.classes is None or not answers.probabilities:
        return None
    names = list(map(speller(classes), answers.classes))
    if len(set(names)) < len(names) or len(answers.probabilities) * len(names) > MOST_SCORES:
        return None
    return dict(zip(names, zip(*answers.probabilities, strict=True), strict=True))


def calibration_error(truth: Sequence[str], scores: Scores) -> float:
    """Expected calibration error: how far the probability of the most probable class lies from how often it is right.

    Guo et al., On Calibration of Modern Neural Networks (2017), eq. 3: 15 bins of equal width.
    """
    names = list(scores)
    rows, sure, right = [0] * _BINS, [0.0] * _BINS, [0] * _BINS
    for true, shares in zip(truth, zip(*scores.values(), strict=True), strict=True):
        most = max(shares)
        at = min(int(most * _BINS), _BINS - 1)
        rows[at] += 1
        sure[at] += most
        right[at] += names[shares.index(most)] == true
    return sum(abs(s - r) for s, r in zip(sure, right, strict=True)) / sum(rows)


def closer(truth: Sequence[str], scores: Scores, others: Scores) -> bool:
    """Whether the probabilities lie closer to the truth than the others' of the same rows, beyond chance.

    By the paired difference of Brier scores, the sum over classes of squared distances (Brier, Verification of Forecasts
    Expressed in Terms of Probability, 1950).
    """
    gains = [theirs - mine for mine, theirs in zip(_brier(truth, scores), _brier(truth, others), strict=True)]
    if len(gains) < _ROWS_CLOSER:
        return False
    return statistics.fmean(gains) > _Z_CLOSER * statistics.stdev(gains) / math.sqrt(len(gains))


def _brier(truth: Sequence[str], scores: Scores) -> list[float]:
    names, rows = list(scores), zip(*scores.values(), strict=True)
    return [
        sum((share - (name == true)) ** 2 for name, share in zip(names, shares, strict=True))
        + (true not in scores)
        for true, shares in zip(truth, rows, strict=True)
    ]


def distance(scores: Scores, others: Scores) -> float:
    """How far the two lie apart in a row, on average over the rows, of the class in which they lie farthest; 0 to 1.

    The distributions over any of these rows lie no farther apart than that (Wasserstein's distance is that of the best
    pairing, and this is one).
    """
    return max(
        (
            statistics.fmean(abs(mine - theirs) for mine, theirs in zip(column, others[name], strict=True))
            for name, column in scores.items()
            if name in others and column
        ),
        default=0.0,
    )
