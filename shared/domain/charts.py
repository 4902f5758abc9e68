"""Curves of a model, derived from what AutoML leaves of each trial: counts at a hundred thresholds, for each class.

`accuracy_table`: https://learn.microsoft.com/azure/machine-learning/how-to-understand-automated-ml; each row of
`probability_tables` is [true positives, false positives, true negatives, false negatives] at that threshold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

#: Classes whose curves are kept, those of a matrix, and points of a curve.
CLASSES, LABELS, POINTS = 10, 50, 100
#: Bins of probabilities in which calibration is told.
BINS = 10

Point = tuple[float, float]


@dataclass(frozen=True)
class Bin:
    """Rows whose probability lies in the bin: what was said on average, and the share that was so."""

    rows: int
    predicted: float
    observed: float


@dataclass(frozen=True)
class ClassCurves:
    """One class against the rest. `roc` are (false, true positive rate), `precision_recall` (recall, precision)."""

    label: str
    rows: int
    positives: int
    auc: float
    average_precision: float
    roc: tuple[Point, ...]
    precision_recall: tuple[Point, ...]
    calibration: tuple[Bin, ...]


@dataclass(frozen=True)
class Matrix:
    """Rows are true classes, columns predicted ones."""

    labels: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Residuals:
    """Rows by predicted minus true value: `counts[i]` between `edges[i]` and the next."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    mean: float
    deviation: float


@dataclass(frozen=True)
class PredictedTrue:
    """The mean prediction, and its deviation, in bins of the true value."""

    edges: tuple[float, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Charts:
    """What a trial's charts show; parts that the service left nothing of lack."""

    trial: str
    classes: tuple[ClassCurves, ...] = ()
    confusion: Matrix | None = None
    residuals: Residuals | None = None
    predicted_true: PredictedTrue | None = None

    @property
    def empty(self) -> bool:
        return not (self.classes or self.confusion or self.residuals or self.predicted_true)


def charts(trial: str, found: Mapping[str, object]) -> Charts:
    """Of the artifacts' documents by their names. A document of another form than known is passed over."""
    read = {
        "classes": ("accuracy_table", _classes),
        "confusion": ("confusion_matrix", _matrix),
        "residuals": ("residuals", _residuals),
        "predicted_true": ("predicted_true", _predicted),
    }
    parts: dict[str, object] = {}
    for field, (name, build) in read.items():
        document = found.get(name)
        data = document.get("data") if isinstance(document, dict) else None
        if isinstance(data, dict):
            try:
                parts[field] = build(data)
            except (KeyError, TypeError, ValueError, IndexError):
                continue
    return Charts(trial, **parts)  # type: ignore[arg-type]


def _classes(data: Mapping[str, Sequence[object]]) -> tuple[ClassCurves, ...]:
    labels = [str(label) for label in data["class_labels"]]
    thresholds = [float(str(value)) for value in data["probability_thresholds"]]
    found = []
    for label, table in list(zip(labels, data["probability_tables"], strict=False))[:CLASSES]:
        rows = [_counts(row) for row in table]  # type: ignore[attr-defined]
        found.append(_curves(label, rows, thresholds))
    return tuple(found)


def _counts(row: Sequence[object]) -> tuple[int, int, int, int]:
    tp, fp, tn, fn = (int(float(str(value))) for value in row)
    return tp, fp, tn, fn


def _curves(label: str, table: list[tuple[int, int, int, int]], thresholds: Sequence[float]) -> ClassCurves:
    positives, negatives = table[0][0] + table[0][3], table[0][1] + table[0][2]
    roc = [(1.0, 1.0), *((_part(fp, negatives), _part(tp, positives)) for tp, fp, _, _ in table), (0.0, 0.0)]
    roc.sort()
    precision = [(_part(tp, positives), _part(tp, tp + fp)) for tp, fp, _, _ in reversed(table) if tp + fp]
    return ClassCurves(
        label,
        positives + negatives,
        positives,
        _area(roc),
        _average_precision(precision),
        _unique(roc),
        _unique(precision),
        _calibration(table, thresholds),
    )


def _part(part: int, whole: int) -> float:
    return round(part / whole, 5) if whole else 0.0


def _unique(points: Sequence[Point]) -> tuple[Point, ...]:
    return tuple(dict.fromkeys(points))[: POINTS + 2]


def _area(points: Sequence[Point]) -> float:
    """By trapezoids."""
    return round(sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in pairwise(points)), 5)


def _average_precision(points: Sequence[Point]) -> float:
    """The sum of precision times gain of recall, over falling thresholds."""
    total, before = 0.0, 0.0
    for recall, precision in points:
        total += (recall - before) * precision
        before = recall
    return round(total, 5)


def _calibration(table: list[tuple[int, int, int, int]], thresholds: Sequence[float]) -> tuple[Bin, ...]:
    """What lies between two thresholds has a probability between them: taken as their middle."""
    hits, rows, said = [0] * BINS, [0] * BINS, [0.0] * BINS
    ends = [*table[1:], (0, 0, 0, 0)]
    uppers = [*thresholds[1:], 1.0]
    for (tp, fp, _, _), (after, false_after, _, _), low, high in zip(
        table, ends, thresholds, uppers, strict=True
    ):
        count = (tp - after) + (fp - false_after)
        at, middle = min(int((low + high) / 2 * BINS), BINS - 1), (low + high) / 2
        rows[at] += count
        hits[at] += tp - after
        said[at] += count * middle
    return tuple(
        Bin(count, round(total / count, 5), _part(hit, count))
        for count, hit, total in zip(rows, hits, said, strict=True)
        if count
    )


def _matrix(data: Mapping[str, Sequence[object]]) -> Matrix:
    labels = [str(label) for label in data["class_labels"]][:LABELS]
    rows = [[int(float(str(value))) for value in row] for row in data["matrix"]]  # type: ignore[attr-defined]
    return Matrix(tuple(labels), tuple(tuple(row[:LABELS]) for row in rows[:LABELS]))


def _residuals(data: Mapping[str, object]) -> Residuals:
    return Residuals(
        _numbers(data["bin_edges"]),
        tuple(int(value) for value in _numbers(data["bin_counts"])),
        float(str(data["mean"])),
        float(str(data["stddev"])),
    )


def _predicted(data: Mapping[str, object]) -> PredictedTrue:
    return PredictedTrue(
        _numbers(data["bin_edges"]),
        _numbers(data["bin_averages"]),
        _numbers(data["bin_errors"]),
        tuple(int(value) for value in _numbers(data["bin_counts"])),
    )


def _numbers(values: object) -> tuple[float, ...]:
    if not isinstance(values, list) or len(values) > 1000:
        raise ValueError("a list of numbers is due")
    return tuple(float(value) for value in values)
