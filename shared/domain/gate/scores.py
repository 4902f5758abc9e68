"""Probabilities as the gate compares them: a column of scores for each class, found by the class's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.domain.answers import Answers
from shared.domain.labels import speller

#: Scores by class, one a row.
Scores = Mapping[str, Sequence[float]]
#: More probabilities than this (rows times classes) are not compared: labels are.
MOST_SCORES = 1_000_000
#: Bins of the calibration error.
_BINS = 15


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
