"""One turn of notifications: what the poison queue holds is put into the outbox, the outbox is sent, old things go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shared.services import turns
from shared.services.notify.poison import PoisonWatch
from shared.services.notify.sending import Sender, prune

#: Between two looks for what is too old (seconds).
PRUNE_SECONDS = 3600.0


@dataclass
class Notifications:
    """One per process."""

    sender: Sender
    poison: PoisonWatch
    steady: Callable[[], float]
    keep_days: float
    _prune_at: float = float("-inf")

    def turn(self) -> None:
        """Without receivers nothing is asked of storage."""
        if self.sender.outbox.receivers:
            turns.each(
                self.sender.log, poison=self.poison.turn, send=self.sender.turn, prune=self._prune_when_due
            )

    def _prune_when_due(self) -> None:
        if self.steady() >= self._prune_at:
            self._prune_at = self.steady() + PRUNE_SECONDS
            prune(self.sender.outbox, self.keep_days)
