"""Numbers that JSON has no notation for, in the words of protobuf's JSON mapping: NaN, Infinity, -Infinity."""

from __future__ import annotations

import math
from typing import Any


def finite(text: str) -> float:
    """For json.loads, as `parse_constant` and `parse_float`: ValueError for what no JSON number is."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number


def worded(value: Any) -> Any:
    """The value with each such number in it as its word, which `float` reads, too."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {k: worded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [worded(v) for v in value]
    return value
