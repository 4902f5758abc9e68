"""Judging labels: champion and challenger answered the same holdout rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import sqrt

from shared.domain.gate.bootstrap import intervals
from shared.domain.gate.confusion import (
    CHALLENGER,
    CHAMPION,
    METRICS,
    OF_WRONG_ANSWERS,
    Cell,
    Confusion,
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
)
from shared.domain.gate.spans import Span
from shared.domain.gate.verdict import ClassRecall, GateConfig, Verdict

#: The metric where there are labels alone.
LABELS_METRIC = "balanced_accuracy"
#: A class is lost when less than this share of the champion's recall is left of it, beyond chance.
LOST = 0.5
#: Two-sided 5 % of the normal distribution.
_Z = 1.96


def judge_first(truth: Sequence[str], challenger: Sequence[str], config: GateConfig, *, seed: str) -> Verdict:
    """No champion yet: the model must beat guessing beyond chance, and lie above the floor."""
    return decide(measure_labels(truth, challenger, None, config.metric, seed), config)


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
    return decide(measure_labels(truth, challenger, champion, config.metric, seed), config)


def measure_labels(
    truth: Sequence[str], challenger: Sequence[str], champion: Sequence[str] | None, metric: str, seed: str
) -> Measured:
    """What the labels of one model, or of both, say; a metric that isn't one of labels is balanced accuracy."""
    name = metric if metric in METRICS else LABELS_METRIC
    first = champion is None
    if not truth:
        return Measured(name, 0.0, None, 0, 0, nothing="the holdout is empty")
    cells = _cells(truth, challenger, champion, name)
    of = METRICS[name]

    def measures(drawn: Iterable[tuple[Cell, int]]) -> tuple[float, ...]:
        drawn = list(drawn)
        new = confusion(drawn, CHALLENGER)
        if first:
            return balanced_accuracy(new), 0.0, of(new)
        old = confusion(drawn, CHAMPION)
        return balanced_accuracy(new), balanced_accuracy(old), of(new) - of(old)

    new, old = confusion(cells.items(), CHALLENGER), confusion(cells.items(), CHAMPION)
    guess, before, (low, high) = intervals(cells, measures, seed)
    value, was = of(new), of(old)
    return replace(
        described(cells, first=first),
        metric=name,
        challenger=value,
        guess=_guess(new, guess),
        span=Span(value, low, high) if first else None,
        champion_guess=None if first else _guess(old, before),
        against=None if first else Comparison(was, value - was, low, high),
    )


def described(cells: Mapping[Cell, int], *, first: bool) -> Measured:
    """What the labels say of each class, whatever the metric."""
    rows = class_rows(confusion(cells.items(), CHALLENGER))
    return Measured(
        "",
        0.0,
        None,
        rows.total(),
        min(rows.values()),
        per_class=_per_class(cells, first=first),
        lost=None if first else _lost(cells),
        shortage=_shortage(rows),
    )


def _cells(
    truth: Sequence[str], challenger: Sequence[str], champion: Sequence[str] | None, metric: str
) -> Mapping[Cell, int]:
    cells = Counter(zip(truth, challenger if champion is None else champion, challenger, strict=True))
    return cells if metric in OF_WRONG_ANSWERS else right_or_wrong(cells.items())


def cells_of(
    truth: Sequence[str], challenger: Sequence[str], champion: Sequence[str] | None
) -> Mapping[Cell, int]:
    """Rows by truth and by what each model made of it, right or wrong."""
    return _cells(truth, challenger, champion, LABELS_METRIC)


def _guess(counts: Confusion, bounds: tuple[float, float]) -> Guess | None:
    classes = len(class_rows(counts))
    if classes < 2:
        return None
    return Guess(LABELS_METRIC, balanced_accuracy(counts), bounds[0], 1 / classes, bounds[1])


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
    new, old = confusion(cells.items(), CHALLENGER), confusion(cells.items(), CHAMPION)
    rows, after, before = class_rows(new), recalls(new), recalls(old)
    for c in sorted(rows):
        worse = sum(n for (t, old, new), n in cells.items() if t == old == c != new)
        better = sum(n for (t, old, new), n in cells.items() if t == new == c != old)
        if after[c] < LOST * before[c] and worse - better - 1 > _Z * sqrt(worse + better):
            return f"loses the class {c!r}: recall {after[c]:.4f} against {before[c]:.4f} over {rows[c]} rows"
    return None
