"""A number with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt


@dataclass(frozen=True)
class Span:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


def apart(new: Span, old: Span) -> Span:
    """New - old, of rows that have nothing to do with each other.

    The limits of the difference from those of each (MOVER: Zou & Donner, Statistics in Medicine 2008).
    """
    value = new.value - old.value
    low = value - sqrt((new.value - new.low) ** 2 + (old.high - old.value) ** 2)
    return Span(value, low, value + sqrt((new.high - new.value) ** 2 + (old.value - old.low) ** 2))
