"""Whether a column alone gives the label away, judged on rows that the rule was not made from.

The rule: as the rows with the same value or, of numbers and dates, with the nearest. Half of the rows make it and the other
half are told by it, then the other way round. So a column of values that occur once tells nothing, and chance is no leak.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import StatisticsError, correlation, fmean
from typing import Generic, TypeVar

from shared.domain.table.profile.readings import Key, Reading

#: Rows of a first look, which ends it for most columns.
GLANCE = 400
#: A leak leaves at most this share of the errors that guessing makes, and guessing must make so many.
LEFT, EVIDENCE = 0.02, 8
#: What a first look may leave.
_PROMISING = 0.25
#: Of a regression: the rank correlation of a leak, and the share of the variance that it leaves.
RANKS, VARIANCE = 0.999, 0.002
_FEWEST = 50

T = TypeVar("T")
_Halves = tuple[tuple[Sequence[int], Sequence[int]], ...]


@dataclass(frozen=True)
class Leak:
    """`share` of the rows judged on have the label that the column says; 1 where the label is a number."""

    column: int
    share: float


class _Rule(Generic[T]):
    """What rows with the same or the nearest value have."""

    def __init__(self, known: Mapping[Key, T], ordered: bool, otherwise: T) -> None:
        self._known, self._otherwise = known, otherwise
        self._values = sorted(key for key in known if isinstance(key, float)) if ordered else []

    def __call__(self, key: Key) -> T:
        if key in self._known:
            return self._known[key]
        if key is None or isinstance(key, str) or not self._values:
            return self._otherwise
        at = bisect_left(self._values, key)
        near = min(self._values[max(0, at - 1) : at + 1], key=lambda value: abs(value - key))
        return self._known[near]


def class_leaks(columns: Mapping[int, Reading], label: Sequence[str]) -> list[Leak]:
    """The columns that give the class, of rows in no order."""
    rows = range(len(label))
    all_of_them, few = _halves(rows), _halves(rows[:GLANCE])
    guessed, glanced = _guess_errors(label, all_of_them), _guess_errors(label, few)
    if guessed < EVIDENCE:
        return []
    found = []
    for at, column in columns.items():
        if glanced >= EVIDENCE and _errors(column, label, few) > _PROMISING * glanced:
            continue
        wrong = _errors(column, label, all_of_them)
        if wrong <= LEFT * guessed:
            found.append(Leak(at, 1 - wrong / len(rows)))
    return found


def number_leaks(columns: Mapping[int, Reading], label: Sequence[float]) -> list[Leak]:
    """The columns that give a number, of rows in no order."""
    rows = range(len(label))
    if len(rows) < _FEWEST or len(set(label)) < 2:
        return []
    largest = max(map(abs, label))
    label = [value / largest for value in label]  # whose squares are in range
    return [
        Leak(at, 1.0)
        for at, column in columns.items()
        if _ranked_alike(column, label, rows) or _variance_left(column, label, rows) <= VARIANCE
    ]


def _halves(rows: Sequence[int]) -> _Halves:
    one, other = rows[::2], rows[1::2]
    return (one, other), (other, one)


def _common(labels: Counter[str]) -> str:
    return labels.most_common(1)[0][0] if labels else ""


def _guess_errors(label: Sequence[str], halves: _Halves) -> int:
    wrong = 0
    for made, told in halves:
        guess = _common(Counter(label[row] for row in made))
        wrong += sum(label[row] != guess for row in told)
    return wrong


def _errors(column: Reading, label: Sequence[str], halves: _Halves) -> int:
    wrong, keys = 0, column.keys
    for made, told in halves:
        seen: dict[Key, Counter[str]] = defaultdict(Counter)
        for row in made:
            seen[keys[row]][label[row]] += 1
        known = {key: _common(counts) for key, counts in seen.items()}
        rule = _Rule(known, column.ordered, _common(Counter(label[row] for row in made)))
        wrong += sum(rule(keys[row]) != label[row] for row in told)
    return wrong


def _ranked_alike(column: Reading, label: Sequence[float], rows: Sequence[int]) -> bool:
    """Whether it goes up or down with the label, as a copy in another unit does."""
    if not column.ordered:
        return False
    pairs = [(key, label[row]) for row in rows if isinstance(key := column.keys[row], float)]
    if len(pairs) < _FEWEST or 2 * len(pairs) < len(rows):
        return False
    for some, enough in ((pairs[:GLANCE], 1 - _PROMISING), (pairs, RANKS)):
        try:
            together = correlation(_ranks([x for x, _ in some]), _ranks([y for _, y in some]))
        except StatisticsError:  # one of them is constant
            return False
        if abs(together) < enough:
            return False
    return True


def _ranks(values: Sequence[float]) -> list[float]:
    """Of equal values the mean of their ranks."""
    ordered = sorted(values)
    first: dict[float, int] = {}
    for rank, value in enumerate(ordered):
        first.setdefault(value, rank)
    counts = Counter(ordered)
    return [first[value] + (counts[value] - 1) / 2 for value in values]


def _squared(value: float) -> float:
    return value * value


def _variance_left(column: Reading, label: Sequence[float], rows: Sequence[int]) -> float:
    """The share of the label's variance that the rule doesn't tell."""
    for some in (rows[:GLANCE], rows):
        left = whole = 0.0
        for made, told in _halves(some):
            seen: dict[Key, list[float]] = defaultdict(list)
            for row in made:
                seen[column.keys[row]].append(label[row])
            mean = fmean(label[row] for row in made)
            rule = _Rule({key: fmean(found) for key, found in seen.items()}, column.ordered, mean)
            whole += sum(_squared(label[row] - mean) for row in told)
            left += sum(_squared(label[row] - rule(column.keys[row])) for row in told)
        if whole == 0 or left > _PROMISING * whole:
            return 1.0
    return left / whole
