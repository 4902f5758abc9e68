"""What a fit is given, and the clock it must keep."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Fold:
    """Encoded rows to fit on and, except for a refit, rows to stop early by. `w` weights or None."""

    x: np.ndarray
    y: np.ndarray
    w: np.ndarray | None = None
    valid_x: np.ndarray | None = None
    valid_y: np.ndarray | None = None

    def sample(self, rows: int, seed: int) -> Fold:
        """At most `rows` random training rows (all of them where there are fewer)."""
        if len(self.y) <= rows:
            return self
        keep = np.sort(np.random.default_rng(seed).choice(len(self.y), rows, replace=False))
        return Fold(
            self.x[keep], self.y[keep], None if self.w is None else self.w[keep], self.valid_x, self.valid_y
        )


WORTH_THREADS = 3_000_000  # cells of the training matrix


@dataclass
class Setting:
    """How to fit: task, resources and the time by which the fit should end by itself (unix seconds)."""

    n_classes: int  # 0 = regression
    threads: int
    seed: int
    deadline: float
    rounds: int | None = None  # a refit's number of rounds; None = find it by early stopping

    @property
    def regression(self) -> bool:
        return self.n_classes == 0

    def boosting_threads(self, cells: int) -> int:
        """Threads worth having for a boosting fit: on small data a second one costs more than it brings."""
        return self.threads if cells >= WORTH_THREADS else 1

    @property
    def late(self) -> bool:
        return time.monotonic() >= self.deadline

    @property
    def left(self) -> float:
        return self.deadline - time.monotonic()


class Pace:
    """Raises the learning rate of a boosting fit that could not end in time with the one it was given.

    About `STEPS / rate` rounds are needed. The first rounds show how long one takes. A refit is left as it is.
    """

    STEPS, PROBE = 10.0, 5

    def __init__(self, setting: Setting, rate: float) -> None:
        self.rate, self._setting, self._start = rate, setting, time.monotonic()

    def after(self, rounds: int) -> float | None:
        """The new rate, if it changes after this many rounds."""
        if rounds != self.PROBE or self._setting.rounds is not None:
            return None
        a_round = (time.monotonic() - self._start) / rounds
        needed = self.STEPS * a_round / max(0.7 * self._setting.left, 1e-3)
        if needed <= self.rate:
            return None
        self.rate = min(0.3, max(self.rate, needed))
        return self.rate


def standard_target(fold: Fold) -> tuple[Fold, tuple[float, float]]:
    """The fold with its target shifted and scaled to mean 0, deviation 1; and (mean, deviation)."""
    center, scale = float(np.mean(fold.y)), float(np.std(fold.y)) or 1.0
    valid = None if fold.valid_y is None else (fold.valid_y - center) / scale
    return Fold(fold.x, (fold.y - center) / scale, fold.w, fold.valid_x, valid), (center, scale)


Params = dict[str, Any]
