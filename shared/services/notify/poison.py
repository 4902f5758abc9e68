"""Files whose function failed at every try: each message of the poison queue is told once, as long as it lies there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from shared.domain import names
from shared.domain.notify.notices import Notice, notice_id, short
from shared.services.notify.outbox import Outbox
from shared.services.notify.ports import Poisoned, PoisonQueue


@dataclass
class PoisonWatch:
    """One per process; it looks at most every `seconds` of `steady`."""

    outbox: Outbox
    queue: PoisonQueue
    steady: Callable[[], float]
    seconds: float = 60.0
    _next: float = float("-inf")
    _told: set[str] = field(default_factory=set)

    def turn(self) -> None:
        if self.steady() < self._next or not self.outbox.wants("poison_message"):
            return
        self._next = self.steady() + self.seconds
        found = self.queue.look()
        for message in found:
            if message.id not in self._told:
                self.outbox.put(_notice(message))
        self._told = {message.id for message in found}


def _notice(message: Poisoned) -> Notice:
    file = names.shown(f"{message.container}/{message.blob}")
    return Notice(
        notice_id("poison", message.id),
        "poison_message",
        message.at,
        "",
        short(f"The file {file} could not be processed: its function failed at every try."),
        "The app's log has the exception. Drop the file again once its cause is gone; the sweep looks for it, too.",
    )
