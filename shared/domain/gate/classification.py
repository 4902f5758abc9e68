"""Judging labels: champion and challenger answered the same holdout rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import sqrt

from shared.domain.gate.bootstrap import intervals
from shared.domain.gate.confusion import (
    CHALLENGER,
    CHAMPION,
    METRICS,
    Cell,
    balanced_accuracy,
    class_rows,
    confusion,
    recalls,
    right_or_wrong,
)
from shared.domain.gate.rules import (
    MIN_CLASS_ROWS,
    Comparison,
    Guess,
    Measured,
    decide,
    no_evidence,
)
from shared.domain.gate.verdict import ClassRecall, GateConfig, Verdict

#: A class is lost when less than this share of the champion's recall is left of it, beyond chance.
LOST = 0.5
#: Two-sided 5 % of the normal distribution.
_Z = 1.96


def judge_first(truth: Sequence[str], challenger: Sequence[str], config: GateConfig, *, seed: str) -> Verdict:
    """No champion yet: the model must beat guessing beyond chance, and lie above the floor."""
    return _judge(Counter(zip(truth, challenger, challenger, strict=True)), config, seed, first=True)


def judge(
    truth: Sequence[str],
    champion: Sequence[str],
    challenger: Sequence[str],
    config: GateConfig,
    *,
    seed: str,
) -> Verdict:
    """Promote what is better, or not worse by more than the margin; never what is proven worse or loses a class.

    Labels are canonical (`shared.domain.labels`). The same seed gives the same interval.
    """
    return _judge(Counter(zip(truth, champion, challenger, strict=True)), config, seed, first=False)


def _judge(cells: Mapping[Cell, int], config: GateConfig, seed: str, *, first: bool) -> Verdict:
    if not cells:
        return no_evidence(config.metric, "the holdout is empty", config)
    metric = METRICS[config.metric]

    def measures(drawn: Iterable[tuple[Cell, int]]) -> tuple[float, ...]:
        drawn = list(drawn)
        new = confusion(drawn, CHALLENGER)
        difference = 0.0 if first else metric(new) - metric(confusion(drawn, CHAMPION))
        return balanced_accuracy(new), difference

    if config.metric != "f1_macro":
        cells = right_or_wrong(cells.items())
    new, old = confusion(cells.items(), CHALLENGER), confusion(cells.items(), CHAMPION)
    rows = class_rows(new)
    (guess_low, _), (low, high) = intervals(cells, measures, seed)
    value, before = metric(new), metric(old)
    guess = Guess("balanced_accuracy", balanced_accuracy(new), guess_low, 1 / len(rows))
    against = None if first else Comparison(before, value - before, low, high)
    return decide(
        Measured(
            config.metric,
            value,
            guess if len(rows) > 1 else None,
            rows.total(),
            min(rows.values()),
            against,
            _per_class(cells, first=first),
            None if first else _lost(cells),
            _shortage(rows),
        ),
        config,
    )


def _shortage(rows: Counter[str]) -> str | None:
    if len(rows) == 1:
        return f"the holdout has rows of the class {next(iter(rows))!r} only"
    smallest = min(rows.values())
    if smallest >= MIN_CLASS_ROWS:
        return None
    return f"{smallest} holdout row{'s' if smallest > 1 else ''} of the rarest class"


def _per_class(cells: Mapping[Cell, int], *, first: bool) -> tuple[ClassRecall, ...]:
    new, old = confusion(cells.items(), CHALLENGER), confusion(cells.items(), CHAMPION)
    rows, after, before = class_rows(new), recalls(new), recalls(old)
    return tuple(
        ClassRecall(c, rows[c], round(after[c], 6), None if first else round(before[c], 6))
        for c in sorted(rows)
    )


def _lost(cells: Mapping[Cell, int]) -> str | None:
    """Which class the challenger loses: McNemar's test of its rows (Edwards 1948, corrected for continuity)."""
    for recall in _per_class(cells, first=False):
        c, before = recall.label, recall.champion or 0.0
        worse = sum(n for (t, old, new), n in cells.items() if t == old == c != new)
        better = sum(n for (t, old, new), n in cells.items() if t == new == c != old)
        if recall.challenger < LOST * before and worse - better - 1 > _Z * sqrt(worse + better):
            return f"loses the class {c!r}: recall {recall.challenger:.4f} against {before:.4f} over {recall.rows} rows"
    return None
