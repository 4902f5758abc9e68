"""Spans of time that begin at multiples of their length, so that processes and hosts agree on them without a word."""

from __future__ import annotations

import re
from typing import NamedTuple

_NAME = re.compile(r"(\d{12})-(\d{1,9})")


class Window(NamedTuple):
    """From `start` to below `end`, in unix seconds."""

    start: float
    end: float

    @property
    def name(self) -> str:
        """In the order of their starts."""
        return f"{int(self.start):012}-{int(self.end - self.start)}"


def window_at(at: float, seconds: float) -> Window:
    """The window that `at` lies in; lengths are whole seconds."""
    length = max(1.0, float(round(seconds)))
    start = max(0.0, at // length * length)
    return Window(start, start + length)


def window_of(name: str) -> Window | None:
    """The window of this name; None for any other name."""
    found = _NAME.fullmatch(name)
    return Window(float(found[1]), float(found[1]) + float(found[2])) if found else None
