"""What became of a dataset's windows: `drift/{slug}.json`, bounded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from shared.domain.drift import Moved

#: Windows that are kept, the newest.
MOST_KEPT = 200
#: Seconds that a document may be ahead of a clock; beyond it one of the two is wrong.
AHEAD = 86400.0


@dataclass(frozen=True)
class JudgedWindow:
    """One window, or several whose rows were too few each, against the training data of `run_id`.

    `rows` were counted; of `offered` ones `dropped` found the queue of their process full. `columns` are the most moved of
    `compared`; little evidence tells nothing.
    """

    start: float
    end: float
    run_id: str
    rows: int
    offered: int = 0
    dropped: int = 0
    evidence: Literal["enough", "little"] = "enough"
    drifted: bool = False
    compared: int = 0
    columns: tuple[Moved, ...] = ()
    predictions: Moved | None = None


@dataclass(frozen=True)
class OwnAnswers:
    """What a model answers to its own holdout, counted by the bins of its plan; empty where it has none."""

    run_id: str
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class DriftSeries:
    """Oldest first. Windows that end up to `until` have been judged."""

    until: float = 0.0
    windows: tuple[JudgedWindow, ...] = ()
    answers: OwnAnswers | None = None

    def as_of(self, at: float) -> DriftSeries:
        """Without what a clock that was far ahead left: it would keep every later window from being judged."""
        if self.until <= at + AHEAD:
            return self
        kept = tuple(window for window in self.windows if window.end <= at + AHEAD)
        return replace(self, until=max((window.end for window in kept), default=0.0), windows=kept)

    def having(self, found: tuple[JudgedWindow, ...]) -> DriftSeries:
        """With windows judged after those that there are."""
        until = max((window.end for window in found), default=self.until)
        return replace(self, until=max(self.until, until), windows=(*self.windows, *found)[-MOST_KEPT:])
