"""Columns that say the same: equal in (nearly) every row, in the same order, or each other's words for the same."""

from __future__ import annotations

import random
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import eq

from shared.domain.table.profile.readings import Key, Reading

#: Near-duplicates differ in at most this share of the rows, and of the differences that chance alone would make.
DIFFERENT, OF_CHANCE = 0.01, 0.05
#: Rows that must differ from a column's most frequent value, and that chance must set apart, to tell anything.
EVIDENCE = 8
#: Columns equal in one of so many groups of so many rows are compared with each other, each with so many at most.
_GROUPS, _GROUP, _LEADERS = 6, 12, 4


@dataclass(frozen=True)
class Duplicate:
    """`column` says what `first` said before it; `equal` is the share of equal rows, None where the words differ."""

    first: int
    column: int
    equal: float | None


def duplicates(columns: Mapping[int, Reading]) -> list[Duplicate]:
    """Each column that repeats an earlier one."""
    telling = {at: column.keys for at, column in columns.items() if _telling(column.keys)}
    found: dict[int, Duplicate] = {}
    alike: dict[bytes, int] = {}
    for at, keys in telling.items():
        first = alike.setdefault(_form(keys, columns[at].ordered), at)
        if first != at:
            found[at] = Duplicate(first, at, 1.0 if telling[first] == keys else None)
    left = {at: keys for at, keys in telling.items() if at not in found}
    for first, at in _candidates(left):
        if at not in found and first not in found and (equal := _nearly(left[first], left[at])):
            found[at] = Duplicate(first, at, equal)
    return [found[at] for at in sorted(found)]


def _telling(keys: Sequence[Key]) -> bool:
    return len(keys) - max(Counter(keys).values(), default=0) >= EVIDENCE


def _form(keys: Sequence[Key], ordered: bool) -> bytes:
    """The same for two columns that say the same in other words.

    Values are numbered as they first occur. Where they rarely repeat that tells nothing, so numbers are ranked instead, and
    words stand for themselves.
    """
    distinct = dict.fromkeys(keys)
    if 4 * len(distinct) <= len(keys):
        codes = {key: code for code, key in enumerate(distinct)}
        return b"coded" + array("I", map(codes.__getitem__, keys)).tobytes()
    if ordered:
        values = sorted(key for key in distinct if isinstance(key, float))
        ranks: dict[Key, int] = {value: rank for rank, value in enumerate(values, 1)}
        return b"ranked" + array("I", [ranks.get(key, 0) for key in keys]).tobytes()
    return b"words" + "\x1f".join(map(str, keys)).encode("utf-8", "surrogatepass")


def _candidates(columns: Mapping[int, Sequence[Key]]) -> Iterator[tuple[int, int]]:
    """Pairs of columns that are equal in a group of rows."""
    count = len(next(iter(columns.values()), ()))
    draw = random.Random(count)
    for _ in range(_GROUPS):
        group = draw.sample(range(count), min(count, _GROUP))
        leaders: dict[tuple[Key, ...], list[int]] = defaultdict(list)
        for at, keys in columns.items():
            same = leaders[tuple(keys[row] for row in group)]
            for first in same:
                yield first, at
            if len(same) < _LEADERS:
                same.append(at)


def _nearly(one: Sequence[Key], other: Sequence[Key]) -> float | None:
    """The share of equal rows, where that is nearly all and beyond what two frequent values would make."""
    different = len(one) - sum(map(eq, one, other))
    if different > DIFFERENT * len(one):
        return None
    counts, others = Counter(one), Counter(other)
    chance = len(one) - sum(count * others[key] for key, count in counts.items()) / len(one)
    return 1 - different / len(one) if chance >= EVIDENCE and different <= OF_CHANCE * chance else None
