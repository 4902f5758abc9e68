"""Statistics of the engine's benchmark: means and spreads, paired differences, and what the noise lets one say."""

from __future__ import annotations

import math
import statistics
from typing import Any

AZURE = {"auc": 0.94647, "accuracy": 0.91684}  # the service's own, on its one split of the same data
# Two-sided 95 % quantiles of Student's t by degrees of freedom.
_T = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26}


def spread(values: list[float]) -> dict[str, float]:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": statistics.fmean(values), "sd": deviation, "n": len(values)}


def paired(ours: list[float], theirs: list[float]) -> dict[str, Any]:
    """Mean difference ours - theirs, its 95 % interval, and a verdict that respects the noise."""
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    found = spread(differences)
    half = (
        _T.get(len(differences) - 1, 2.0) * found["sd"] / math.sqrt(len(differences))
        if len(differences) > 1
        else math.inf
    )
    low, high = found["mean"] - half, found["mean"] + half
    verdict = "better" if low > 0 else "worse" if high < 0 else "equal within noise"
    return {**found, "low": low, "high": high, "verdict": verdict, "differences": differences}


def beside_azure(values: list[float], azure: float) -> str:
    """Whether one figure of the service's lies among ours, in standard deviations of a single split."""
    found = spread(values)
    if not found["sd"]:
        return "one split only"
    z = (found["mean"] - azure) / (found["sd"] * math.sqrt(1 + 1 / len(values)))
    return f"{'equal within noise' if abs(z) < _T.get(len(values) - 1, 2.0) else 'differs'}, z = {z:+.2f}"
