"""Is the challenger slower than the champion? Told from the gate's own calls, which come in pairs of the same rows.

The calls of a pair follow each other, so that whatever else the endpoint does meets both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median

from shared.domain.gate.verdict import Latency

#: Pairs at the beginning that don't count: models, caches and connections are still cold.
WARM_UP = 2
#: Fewer pairs than this tell nothing.
MIN_PAIRS = 10
#: One-sided 2.5 % of the normal distribution.
_Z = 1.96


@dataclass(frozen=True)
class LatencyLimits:
    """A challenger may take `factor` times as long as the champion, and always `floor_ms` a call."""

    factor: float = 3.0
    floor_ms: float = 100.0


@dataclass(frozen=True)
class Calls:
    """Seconds that each pair of calls took, of at most `rows` rows each."""

    rows: int
    challenger: Sequence[float]
    champion: Sequence[float]


def latency(calls: Calls) -> Latency | None:
    """None where there are too few calls."""
    new, old = calls.challenger[WARM_UP:], calls.champion[WARM_UP:]
    if len(new) < MIN_PAIRS:
        return None
    return Latency(len(new), calls.rows, round(1000 * median(new), 3), round(1000 * median(old), 3))


def slow(calls: Calls, limits: LatencyLimits) -> str | None:
    """Why the challenger is too slow; None where it isn't beyond chance (sign test of the pairs)."""
    found = latency(calls)
    if found is None or found.challenger_ms <= limits.floor_ms:
        return None
    pairs = zip(calls.challenger[WARM_UP:], calls.champion[WARM_UP:], strict=True)
    worse = sum(new > limits.factor * old for new, old in pairs)
    if worse - found.calls / 2 <= _Z * sqrt(found.calls) / 2:
        return None
    return (
        f"too slow: {found.rows} rows take it {found.challenger_ms:.0f} ms and the champion {found.champion_ms:.0f} ms "
        f"(medians of {found.calls} calls; {limits.factor:g} times as long is allowed)"
    )
