"""When a job stops because nothing better is found any more."""

from __future__ import annotations

FIRST_FREE, PATIENCE = 20, 10


class EarlyTermination:
    """Azure's rule: the first 20 trials never stop a job; then 10 in a row without a better score do.

    Source: the docstring of azure-ai-ml's `set_limits(enable_early_termination)`. So the first trial after which a
    job can stop is the 30th, and the ensembles are built all the same.
    """

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._seen = 0
        self._best = float("-inf")
        self._since = 0

    def add(self, score: float) -> None:
        self._seen += 1
        if score > self._best:
            self._best, self._since = score, 0
        elif self._seen > FIRST_FREE:
            self._since += 1

    @property
    def reached(self) -> bool:
        return self._enabled and self._since >= PATIENCE
