"""A poison queue in memory."""

from __future__ import annotations

from shared.services.notify.ports import Poisoned


class MemoryPoison:
    """Messages as they came, the oldest first; `looks` counts who looked."""

    def __init__(self, *messages: Poisoned) -> None:
        self.messages, self.looks = list(messages), 0

    def look(self) -> list[Poisoned]:
        self.looks += 1
        return self.messages[:32]
