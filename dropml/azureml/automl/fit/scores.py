"""One number for each category, by the target's rate in it.

Log-odds for two classes, the mean for regression, the first principal direction of the class shares for more
(Coppersmith et al. 1999), shrunk to the overall rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHRINK = 10.0  # weight of the overall rate against a category's own, in rows


@dataclass
class Scores:
    """Target statistics of one job: class indicators (n, k) or the number itself (n, 1)."""

    indicators: np.ndarray
    binary: bool
    regression: bool

    @staticmethod
    def of(y: np.ndarray, n_classes: int) -> Scores:
        if not n_classes:
            return Scores(y.reshape(-1, 1).astype("float64"), False, True)
        indicators = np.zeros((len(y), n_classes))
        indicators[np.arange(len(y)), y] = 1.0
        return Scores(indicators, n_classes == 2, False)

    def take(self, rows: np.ndarray) -> Scores:
        return Scores(self.indicators[rows], self.binary, self.regression)

    def level_scores(self, codes: np.ndarray, n_levels: int) -> tuple[np.ndarray, float]:
        """One number for each level, and the one for a value that was never seen."""
        counts = np.bincount(codes, minlength=n_levels).astype("float64")
        k = self.indicators.shape[1]
        sums = np.column_stack(
            [np.bincount(codes, self.indicators[:, j], minlength=n_levels) for j in range(k)]
        )
        prior = self.indicators.mean(axis=0)
        rates = (sums + SHRINK * prior) / (counts[:, None] + SHRINK)
        if self.regression:
            return rates[:, 0], float(prior[0])
        if self.binary:
            return _logit(rates[:, 1]), float(_logit(prior[1:2])[0])
        direction = _first_direction(rates - prior, counts)
        return (rates - prior) @ direction, 0.0


def _logit(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(p / (1 - p)))


def _first_direction(deviations: np.ndarray, weights: np.ndarray) -> np.ndarray:
    covariance = (deviations * weights[:, None]).T @ deviations
    direction = np.linalg.eigh(covariance)[1][:, -1]
    return direction * (1.0 if direction[np.argmax(np.abs(direction))] > 0 else -1.0)
