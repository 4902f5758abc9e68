"""How much of a function's difference between two points each of its inputs makes: average slopes.

Along the straight way from one point to the other, the mean of each partial derivative times the input's difference
sums to the difference of the function: the Aumann-Shapley value (Aumann and Shapley, Values of Non-Atomic Games, 1974;
integrated gradients: Sundararajan, Taly and Yan 2017, arXiv:1703.01365). Of one input it is the slope of the secant, the
rescale rule by which shap carries TreeSHAP from margins to probabilities (Chen, Lundberg and Lee 2022, Explaining a
series of models by propagating Shapley values, Nature Communications 13, 4512).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scorer.links import CLIP, LINKS, Floats

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_ALIKE = 1e-300  # probabilities no further apart have no secant, but a derivative
#: Of the way from point to point: so far do margins go apart within one panel of the sum, and so many panels are there.
_PANEL, _MOST_PANELS = 2.0, 128


def link_slopes(name: str, before: Floats, after: Floats) -> Floats:
    """(outputs, margins) `s` with `s @ (after - before) == link(after) - link(before)`, for the link of that name."""
    if name == "identity":
        return np.eye(len(before))
    if name == "sigmoid":
        return np.outer([-1.0, 1.0], _sigmoid_secant(before, after))
    if name == "probability":
        return np.array([[-1.0], [1.0]])
    return _mean_slopes(name, before, after)


def log_slopes(before: Floats, after: Floats) -> Floats:
    """Slopes of the secants of log(p), p held as far from 0 and 1 as a stack holds its inputs."""
    low, high = np.minimum(before, after), np.maximum(before, after)
    held_low, held_high = np.clip(low, CLIP, 1 - CLIP), np.clip(high, CLIP, 1 - CLIP)
    apart = high - low
    alike = apart < _ALIKE
    rise = np.log1p((held_high - held_low) / held_low)
    return np.where(alike, np.where(held_low == low, 1.0 / held_low, 0.0), rise / np.where(alike, 1.0, apart))


def _sigmoid_secant(a: Floats, b: Floats) -> Floats:
    """Without cancellation: s(b) - s(a) = s(b) s(-a) (1 - exp(a - b))."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    apart = high - low
    share = np.where(apart > 0, -np.expm1(-apart) / np.where(apart > 0, apart, 1.0), 1.0)
    return _expit(high) * _expit(-low) * share


def _expit(margin: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(margin, -700.0, 700.0)))


def _mean_slopes(name: str, before: Floats, after: Floats) -> Floats:
    """By Gauss and Legendre's sum in panels; what it is off by goes along the way, so that differences stay whole."""
    apart = after - before
    panels = int(min(max(1.0, np.ceil(np.ptp(apart) / _PANEL)), _MOST_PANELS))
    ways = ((np.arange(panels)[:, None] + (_NODES + 1.0) / 2.0) / panels).ravel()
    weights = np.tile(_WEIGHTS / 2.0 / panels, panels)
    slopes = _DERIVATIVES[name](before + ways[:, None] * apart, weights)
    length = float(apart @ apart)
    if length:
        link = LINKS[name]
        off = link(after[None])[0] - link(before[None])[0] - slopes @ apart
        slopes = slopes + np.outer(off, apart / length)
    return slopes


def _softmax_derivative(margins: Floats, weights: Floats) -> Floats:
    p = LINKS["softmax"](margins)
    slopes: Floats = np.diag(weights @ p) - (p * weights[:, None]).T @ p
    return slopes


def _one_vs_rest_derivative(margins: Floats, weights: Floats) -> Floats:
    s = _expit(margins)
    total = s.sum(axis=1, keepdims=True)
    steep = s * (1.0 - s) / total
    slopes: Floats = np.diag(weights @ steep) - ((s / total) * weights[:, None]).T @ steep
    return slopes


_DERIVATIVES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "softmax": _softmax_derivative,
    "one_vs_rest": _one_vs_rest_derivative,
}
