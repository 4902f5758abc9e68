"""Texts that are plain numbers without losing anything: whole ones of 64 bits, and finite floats."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from math import isfinite

INT64 = 1 << 63

_NOT_INTEGER = re.compile(r"[^0-9\n-]")
_NOT_NUMBER = re.compile(r"[^0-9eE+.\n-]")
_LONG_INTEGER = re.compile(r"\n[+-]?[0-9]{19,}(?:\n|$)")
_LEADING_ZERO = re.compile(r"\n[+-]?0[0-9]")


def integers(values: Iterable[str], joined: str) -> list[int] | None:
    """The values as 64-bit integers, or None. `joined` is each value after a newline."""
    # "-0" would come back as "0": as a number it may, as an integer (a label, say) it may not.
    if _NOT_INTEGER.search(joined) or "\n-0" in joined or _LEADING_ZERO.search(joined):
        return None
    try:
        found = list(map(int, values))
    except ValueError:
        return None
    return found if max(found) < INT64 and min(found) >= -INT64 else None


def numbers(values: Collection[str], joined: str) -> list[float] | None:
    """The values as finite floats, or None."""
    if _NOT_NUMBER.search(joined) or _LEADING_ZERO.search(joined):
        return None
    if max(map(len, values)) >= 19 and _LONG_INTEGER.search(joined):
        return None
    try:
        found = list(map(float, values))
    except ValueError:
        return None
    return found if isfinite(max(found)) and isfinite(min(found)) else None
