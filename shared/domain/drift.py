"""Whether what is scored is still what a model was trained on: counts by bin against the training profile.

A column's bins are fixed by the profile (ten by its quantiles, or its most frequent values), so that a window is no more than
counts. Two figures tell them apart, both beyond what chance gives on so many rows: the population stability index, which
decides, and the Jensen-Shannon divergence (Lin, Divergence measures based on the Shannon entropy, IEEE Transactions on
Information Theory 37, 1991), which is bounded and so vouches for it: one rare value alone may drive the index, never both.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite, log, log2

from shared.domain.labels import speller
from shared.domain.schema import Schema
from shared.domain.table.profile.figures import shown
from shared.domain.table.profile.parts import ColumnProfile, Profile
from shared.domain.table.profile.stability import (
    binned,
    by_chance,
    edges_of,
    gaps_of,
    index,
    is_listed,
    rest_of,
    shares_of,
)
from shared.domain.upkeep import DriftRule, OnDrift

#: The divergence (in bits) that vouches for an index: about half of what a moderate shift of that index has.
VOUCHED = 0.1
#: Columns of a window that are told one by one, the most moved first.
TOLD = 20
_NUMBERS = ("integer", "number")
Key = str | float
Counts = list[int]


@dataclass(frozen=True)
class Bins:
    """How one column is counted: its gaps, then each bin or value, then all other values.

    `edges` part numbers (a bin reaches up to and with its edge); else `values` are counted by themselves. `before` are the
    shares in the training data, of which `rows` were looked at.
    """

    name: str
    edges: tuple[float, ...] = ()
    values: tuple[Key, ...] = ()
    before: tuple[float, ...] = ()
    rows: int = 0
    kind: str = "string"

    @property
    def width(self) -> int:
        return 2 + (len(self.values) if self.values else len(self.edges) + 1)

    @cached_property
    def _at(self) -> Mapping[Key, int]:
        return {value: at for at, value in enumerate(self.values, 1)}

    @cached_property
    def place(self) -> Callable[[object], int]:
        """The place of a value among the counts."""
        read, other, at, edges = _READ.get(self.kind, _text), self.width - 1, self._at, self.edges

        def by_value(value: object) -> int:
            return 0 if value is None or value == "" else at.get(read(value), other)

        def by_edge(value: object) -> int:
            if value is None or value == "":
                return 0
            found = _number(value)
            return 1 + bisect_left(edges, found) if isinstance(found, float) and isfinite(found) else other

        return by_value if self.values else by_edge

    def count(self, values: Iterable[object], into: Counts) -> None:
        """Add values to counts of this width."""
        place = self.place
        for value in values:
            into[place(value)] += 1


def _number(value: object) -> Key:
    try:
        return float(value)  # type: ignore[arg-type]  # whatever it is, it is a number or none
    except (TypeError, ValueError, OverflowError):
        return ""


def _truth(value: object) -> Key:
    return str(value).casefold()


def _text(value: object) -> Key:
    return shown(str(value))


_READ: dict[str, Callable[[object], Key]] = {"number": _number, "boolean": _truth, "string": _text}


@dataclass(frozen=True)
class Plan:
    """How the rows of one model's callers are counted, and its answers."""

    run_id: str
    columns: tuple[Bins, ...]
    predictions: Bins


def plan_of(run_id: str, profile: Profile, schema: Schema) -> Plan:
    """Dates move by themselves, identifiers with every row, and text that never repeats has no bins: all are left out."""
    moving = {
        name for found in profile.findings if found.code in ("identifier", "empty") for name in found.columns
    }
    columns = (profile.column(column.name) for column in schema.columns if column.name not in moving)
    made = tuple(bins for column in columns if column and (bins := _bins(column)))
    return Plan(run_id, made, _answers(profile, schema))


def _bins(column: ColumnProfile) -> Bins | None:
    if column.type == "datetime" or not column.sampled or not (column.frequent or column.quantiles):
        return None
    if column.type in _NUMBERS and not is_listed(column):
        edges = edges_of(column)
        shares = (*binned(column, edges), 0.0)
        return Bins(column.name, tuple(edges), (), shares, column.sampled, "number")
    kind = "number" if column.type in _NUMBERS else str(column.type)
    before = shares_of(column)
    shares = (gaps_of(column), *before.values(), rest_of(column, list(before.values())))
    return Bins(column.name, (), tuple(before), shares, column.sampled, kind)


def _answers(profile: Profile, schema: Schema) -> Bins:
    """Bins of the answers; what they are held against is the model's own holdout, which `compared` is given."""
    if schema.classes:
        return Bins(schema.label, values=schema.classes)
    label = profile.column(schema.label)
    return Bins(schema.label, edges=tuple(edges_of(label)) if label else ())


def spelt(schema: Schema, answers: Sequence[object]) -> Sequence[object]:
    """Answers as the bins know them."""
    return list(map(speller(schema.classes), answers)) if schema.classes else answers


@dataclass
class Seen:
    """Counts of the rows that one model answered. `columns` go by name, each as wide as its bins."""

    rows: int = 0
    columns: dict[str, Counts] = field(default_factory=dict)
    predictions: Counts = field(default_factory=list)

    def take(
        self, plan: Plan, names: Sequence[str], rows: Sequence[Sequence[object]], answers: Sequence[object]
    ) -> None:
        """Add rows, with values in the order of `names`, and their answers as the bins know them."""
        at = {name: i for i, name in enumerate(names)}
        for bins in plan.columns:
            if bins.name in at:
                i = at[bins.name]
                bins.count((row[i] for row in rows), self._of(bins))
        self.predictions = self.predictions or [0] * plan.predictions.width
        plan.predictions.count(answers, self.predictions)
        self.rows += len(rows)

    def _of(self, bins: Bins) -> Counts:
        return self.columns.setdefault(bins.name, [0] * bins.width)

    def add(self, other: Seen) -> None:
        """Counts of another width are another plan's, and are left out."""
        for name, counts in other.columns.items():
            mine = self.columns.setdefault(name, [0] * len(counts))
            if len(mine) == len(counts):
                self.columns[name] = [a + b for a, b in zip(mine, counts, strict=True)]
        mine = self.predictions or [0] * len(other.predictions)
        if len(mine) == len(other.predictions):
            self.predictions = [a + b for a, b in zip(mine, other.predictions, strict=True)]
        self.rows += other.rows


@dataclass(frozen=True)
class Moved:
    """How far a column, or the answers, have moved: stability index, and divergence in bits (0 to 1), both beyond chance."""

    name: str
    psi: float
    js: float
    drifted: bool


def moved(
    name: str, before: Sequence[float], rows_before: int, counts: Sequence[int], threshold: float
) -> Moved | None:
    """Counts against the shares before; None where either is of nothing."""
    rows = sum(counts)
    if not rows or rows_before <= 0 or len(before) != len(counts):
        return None
    after = [count / rows for count in counts]
    psi = index(before, after, rows_before, rows)
    bins = sum(a > 0 or b > 0 for a, b in zip(before, after, strict=True))
    chance = by_chance(bins, rows_before, rows) / (8 * log(2))
    js = max(0.0, divergence(before, after) - chance)
    drifted = psi >= threshold and js >= VOUCHED * min(threshold, 1.0)
    return Moved(name, round(psi, 4), round(js, 4), drifted)


def divergence(before: Sequence[float], after: Sequence[float]) -> float:
    """Jensen-Shannon, in bits: 0 for the same shares, 1 for shares that have nothing in common."""
    total = 0.0
    for a, b in zip(before, after, strict=True):
        middle = (a + b) / 2
        total += a * log2(a / middle) / 2 if a > 0 else 0.0
        total += b * log2(b / middle) / 2 if b > 0 else 0.0
    return min(1.0, max(0.0, total))


@dataclass(frozen=True)
class Compared:
    """One window against the training data; `columns` are the most moved of `compared`."""

    drifted: bool
    compared: int
    columns: tuple[Moved, ...]
    predictions: Moved | None = None


def compared(plan: Plan, seen: Seen, rule: DriftRule, answered: Sequence[int] | None = None) -> Compared:
    """`answered` are the counts of the model's answers to its own holdout; None: its answers are not compared."""
    found = [
        each
        for bins in plan.columns
        if (counts := seen.columns.get(bins.name))
        and (each := moved(bins.name, bins.before, bins.rows, counts, rule.threshold))
    ]
    found.sort(key=lambda each: (not each.drifted, -each.psi, each.name))
    answers = None
    if answered and (rows := sum(answered)):
        shares = [count / rows for count in answered]
        answers = moved(plan.predictions.name, shares, rows, seen.predictions, rule.threshold)
    drifted = any(each.drifted for each in found) or bool(answers and answers.drifted)
    return Compared(drifted, len(found), tuple(found[:TOLD]), answers)


def calls_for(rule: OnDrift, windows: Sequence[bool]) -> bool:
    """Whether `k` of the last `n` windows have drifted; `windows` is oldest first."""
    return sum(windows[-rule.n :]) >= rule.k
