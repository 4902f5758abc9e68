"""From a member's margin to probabilities, and from the members' answers to the model's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Link = Callable[[Floats], Floats]
Combination = Callable[[list[Floats]], Floats]
#: A stack takes no probability nearer to 0 or 1.
CLIP = 1e-6


def _sigmoid(margin: Floats) -> Floats:
    return _pair(_expit(margin))


def _expit(margin: Floats) -> Floats:
    odds_against: Floats = np.exp(
        np.minimum(-margin, 700.0)
    )  # numpy's own clip takes longer than all of this for one row
    return 1.0 / (1.0 + odds_against)


def _pair(p: Floats) -> Floats:
    out = np.empty((len(p), 2))
    out[:, 1] = p[:, 0]
    np.subtract(1.0, p[:, 0], out=out[:, 0])
    return out


def _softmax(margin: Floats) -> Floats:
    e = np.exp(margin - margin.max(axis=1, keepdims=True))
    shares: Floats = e / e.sum(axis=1, keepdims=True)
    return shares


def _one_vs_rest(margin: Floats) -> Floats:
    p = _expit(margin)
    shares: Floats = p / p.sum(axis=1, keepdims=True)
    return shares


#: By the name that `pipeline.json` gives a member.
LINKS: dict[str, Link] = {
    "identity": lambda margin: margin,
    "sigmoid": _sigmoid,
    "probability": _pair,
    "softmax": _softmax,
    "one_vs_rest": _one_vs_rest,
}


#: For members of two labels, the second one's probability by one sum: plain numbers take a tenth of what NumPy does for so few.
OF_ONE: dict[str, Callable[[float], float]] = {
    "sigmoid": lambda margin: 1.0 / (1.0 + math.exp(min(-margin, 700.0))),
    "probability": lambda p: p,
}


def combination(spec: dict[str, Any], outputs: int, *, classification: bool) -> Combination:
    """The function that makes one answer of the members'."""
    if spec["kind"] == "mean":
        weights = spec["weights"]
        if weights == [1.0]:
            return lambda parts: parts[0]

        def mean(parts: list[Floats]) -> Floats:
            total: Floats = weights[0] * parts[0]
            for weight, part in zip(weights[1:], parts[1:], strict=True):
                total += weight * part
            return total

        return mean
    coef, intercept = np.array(spec["coef"]), np.array(spec["intercept"])
    link = LINKS[stack_link(outputs, classification=classification)]

    def stacked(parts: list[Floats]) -> Floats:
        inputs = np.concatenate(
            [meta_inputs(p, outputs, classification=classification) for p in parts], axis=1
        )
        return link(inputs @ coef.T + intercept)

    return stacked


def stack_link(outputs: int, *, classification: bool) -> str:
    """Name of the link behind a stack's linear map."""
    return "identity" if not classification else "sigmoid" if outputs == 2 else "softmax"


def meta_inputs(prediction: Floats, outputs: int, *, classification: bool) -> Floats:
    """What a stack takes of one member: log-odds, log-probabilities, or the value itself."""
    if not classification:
        return prediction
    clipped = np.clip(prediction, CLIP, 1 - CLIP)
    return np.log(clipped[:, 1:] / clipped[:, :1]) if outputs == 2 else np.log(clipped)
