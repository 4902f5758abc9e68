"""Where the two models differ: each frequent value of a column and each part of its range, those that got worse first.

Rows of a segment are one model's against the other's, so worse is told by the rows on which exactly one is right (McNemar),
or by the differences of their errors; beyond chance at 5 % over all segments together (Bonferroni).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, fmean

from shared.domain.schema import Column, Value

#: Values and parts of one column; columns and segments that are looked at and kept.
VALUES, PARTS, CELLS, MOST = 8, 5, 2_000_000, 100
#: Rows that a segment needs.
LEAST = 10
EMPTY = "(empty)"


@dataclass(frozen=True)
class Segment:
    """Rows with `value` in `column`. `champion` and `challenger` are shares of right answers, or mean absolute errors.

    `worse` and `better`: by how much (right answers lost, error gained) beyond chance.
    """

    column: str
    value: str
    rows: int
    flips: int
    challenger: float
    champion: float | None = None
    worse: bool = False
    better: bool = False


@dataclass(frozen=True)
class Judged:
    """Of each row: how good each model's answer is (1 right, 0 wrong; or minus its error), and whether the two differ."""

    challenger: Sequence[float]
    champion: Sequence[float] | None
    flips: Sequence[bool]
    #: Whether the numbers are errors.
    errors: bool = False


def segments(
    columns: Sequence[Column], rows: Sequence[Sequence[Value]], judged: Judged
) -> tuple[tuple[Segment, ...], int, int]:
    """The segments, how many were left out, and how many columns were not looked at."""
    looked = columns[: max(1, CELLS // max(1, len(rows)))]
    found = [
        (column.name, value, places)
        for at, column in enumerate(looked)
        for value, places in _parts(column, [row[at] for row in rows])
        if len(places) >= LEAST
    ]
    limit = NormalDist().inv_cdf(1 - 0.025 / max(1, len(found)))
    made = [_segment(name, value, places, judged, limit) for name, value, places in found]
    made.sort(
        key=lambda each: (-_sign(each[0]), -abs(each[1]), -each[0].flips, each[0].column, each[0].value)
    )
    kept = tuple(segment for segment, _ in made[:MOST])
    return kept, len(made) - len(kept), len(columns) - len(looked)


def _sign(segment: Segment) -> int:
    """The worse ones first, the better ones next."""
    return 2 * segment.worse + segment.better


def _segment(
    name: str, value: str, places: Sequence[int], judged: Judged, limit: float
) -> tuple[Segment, float]:
    """The segment, and how far beyond chance the challenger is better there (below nothing: worse)."""
    new = [judged.challenger[i] for i in places]
    flips = sum(judged.flips[i] for i in places)
    sign = -1 if judged.errors else 1
    if judged.champion is None:
        return Segment(name, value, len(places), flips, round(sign * fmean(new), 6)), 0.0
    old = [judged.champion[i] for i in places]
    z = _z([a - b for a, b in zip(new, old, strict=True)], judged.errors)
    return Segment(
        name,
        value,
        len(places),
        flips,
        round(sign * fmean(new), 6),
        round(sign * fmean(old), 6),
        worse=z < -limit,
        better=z > limit,
    ), z


def _z(differences: Sequence[float], errors: bool) -> float:
    """Of right and wrong answers McNemar's, corrected for continuity (Edwards 1948); of errors the paired one."""
    total, squares = sum(differences), sum(d * d for d in differences)
    if not errors:
        shrunk = max(0.0, abs(total) - 1)
        return (shrunk if total > 0 else -shrunk) / sqrt(squares) if squares else 0.0
    n = len(differences)
    spread = sqrt(max(0.0, squares - total * total / n) * n / (n - 1))
    return total / spread if spread > 0 else 0.0


def _parts(column: Column, values: Sequence[Value]) -> Iterator[tuple[str, list[int]]]:
    """Where each frequent value is, or each part of the range. Texts of many values are left out: they may name people."""
    empty = [at for at, value in enumerate(values) if value is None]
    if empty:
        yield EMPTY, empty
    if column.type in ("integer", "number"):
        yield from _ranges(values)
    elif column.type == "boolean" or column.categories is not None:
        shown = [None if value is None else _word(value) for value in values]
        frequent = Counter(word for word in shown if word is not None).most_common(VALUES)
        for word, _ in frequent:
            yield word, [at for at, each in enumerate(shown) if each == word]


def _ranges(values: Sequence[Value]) -> Iterator[tuple[str, list[int]]]:
    numbers = {at: float(value) for at, value in enumerate(values) if isinstance(value, int | float)}
    ordered = sorted(numbers.values())
    if not ordered:
        return
    distinct = sorted(set(ordered))
    if len(distinct) <= VALUES:
        for number in distinct:
            yield f"{number:g}", [at for at, each in numbers.items() if each == number]
        return
    cuts = sorted({ordered[len(ordered) * part // PARTS] for part in range(1, PARTS)})
    places: dict[int, list[int]] = {}
    for at, number in numbers.items():
        places.setdefault(bisect_right(cuts, number), []).append(at)
    for part in sorted(places):
        low = f"{cuts[part - 1]:g}" if part else ""
        high = f"{cuts[part]:g}" if part < len(cuts) else ""
        yield (
            (f"{low} to below {high}" if low and high else f"below {high}" if high else f"from {low}"),
            places[part],
        )


def _word(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
