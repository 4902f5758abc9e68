"""What notifications need: a way to post, and a look at the poison queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Posted:
    """What became of a request. `status` is 0 where nothing was answered, and `trouble` says why in words of ours."""

    status: int
    trouble: str = ""
    #: Seconds that the receiver asked to wait.
    retry_after: float | None = None

    @property
    def taken(self) -> bool:
        return 200 <= self.status < 300

    @property
    def silent(self) -> bool:
        """Nothing speaks for its taking another one now."""
        return self.status in (0, 408, 429) or self.status >= 500


class Post(Protocol):
    """`shared.adapters.webhooks.Webhooks`."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Posted:
        """One request, over within `timeout` seconds; no redirect is followed. Raises nothing."""


@dataclass(frozen=True)
class Poisoned:
    """A message of the poison queue: the file whose function failed at every try, `at` unix seconds."""

    id: str
    container: str
    blob: str
    at: float


class PoisonQueue(Protocol):
    """`shared.adapters.poison_queue.BlobPoison`."""

    def look(self) -> list[Poisoned]:
        """The oldest messages, 32 at most; they stay where they are."""
