"""Judging probabilities: champion and challenger scored the same holdout rows. Labels still tell of each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import compress

from shared.domain.gate import auc, average_precision
from shared.domain.gate.classification import cells_of, described
from shared.domain.gate.rules import Comparison, Guess, Measured
from shared.domain.gate.scores import Scores, calibration_error
from shared.domain.gate.spans import Span

#: Metrics of probabilities, by Azure's names.
SCORE_METRICS = (auc.NAME, average_precision.NAME)


@dataclass(frozen=True)
class Scored:
    """One model's labels and scores of the holdout's rows."""

    labels: Sequence[str]
    scores: Scores


def measure_scores(
    truth: Sequence[str],
    challenger: Scored,
    champion: Scored | None,
    metric: str,
    seed: str,
    fair: Sequence[bool] | None = None,
) -> Measured:
    """What the scores of one model, or of both, say in one of SCORE_METRICS. Needs rows of two classes.

    What labels say of each class is told by the rows that are `fair`; None: by all.
    """
    new = auc.area(truth, challenger.scores)
    old = auc.area(truth, champion.scores) if champion else None
    labels = [truth, challenger.labels, *([champion.labels] if champion else [])]
    told = [list(compress(column, fair)) for column in labels] if fair else labels
    first = champion is None
    classes = described(cells_of(told[0], told[1], None if first else told[2]), first=first)
    value, against = auc.span(truth, new), None
    if old:
        against = _against(auc.span(truth, old), auc.difference(truth, new, old))
    if metric == average_precision.NAME:
        value, was, gain = average_precision.spans(
            truth, challenger.scores, champion.scores if champion else None, seed
        )
        against = _against(was, gain) if champion else None
    return replace(
        described(cells_of(truth, truth, None), first=True),  # how many rows there are of each
        per_class=classes.per_class,
        lost=classes.lost,
        metric=metric,
        challenger=value.value,
        guess=_guess(auc.span(truth, new)),
        champion_guess=_guess(auc.span(truth, old)) if old else None,
        against=against,
        span=value if first else None,
        calibration=(
            calibration_error(truth, challenger.scores),
            calibration_error(truth, champion.scores) if champion else None,
        ),
    )


def _against(champion: Span, difference: Span) -> Comparison:
    return Comparison(champion.value, difference.value, difference.low, difference.high)


def _guess(found: Span) -> Guess:
    return Guess(auc.NAME, found.value, found.low, auc.GUESSING, found.high)
