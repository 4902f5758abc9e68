"""One notice on its way to one receiver: how often it was tried, and when next. Pure. Times are unix seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.domain.notify.notices import Notice

PENDING, SENT, DEAD = "pending", "sent", "dead"
STATES = (PENDING, SENT, DEAD)


@dataclass(frozen=True)
class Patience:
    """After `tries`, or `hours` after it was put there, a delivery is dead; pauses grow from `first` to `longest`."""

    tries: int = 10
    hours: float = 24.0
    first: float = 5.0
    longest: float = 3600.0

    def pause(self, tries: int) -> float:
        """Seconds before the next try, after so many."""
        return float(min(self.longest, self.first * 3.0 ** min(max(tries - 1, 0), 20)))


@dataclass(frozen=True)
class Delivery:
    """`outbox/{pending|sent|dead}/{id}.json`. `receiver` is a name of the settings' receivers, never a URL."""

    id: str
    receiver: str
    notice: Notice
    put_at: float
    tries: int = 0
    next_at: float = 0.0
    #: Why the last try failed, in words of ours.
    trouble: str = ""
    ended_at: float | None = None

    def due(self, now: float, patience: Patience) -> bool:
        """Also where the clock was set back by more than any pause."""
        return now >= self.next_at or self.next_at - now > 2 * patience.longest

    def claimed(self, now: float, seconds: float) -> Delivery:
        """Tried once more; nobody else tries within `seconds`."""
        return replace(self, tries=self.tries + 1, next_at=now + seconds)

    def failed(self, now: float, trouble: str, patience: Patience, wait: float | None = None) -> Delivery:
        """With the next try after its pause, or the longer `wait` that the receiver asked for; ended where that was all."""
        after = replace(self, trouble=trouble)
        if self.tries >= patience.tries or now - self.put_at > patience.hours * 3600:
            return replace(after, ended_at=now)
        pause = max(patience.pause(self.tries), min(wait or 0.0, patience.longest))
        return replace(after, next_at=now + pause)

    def again(self, now: float) -> Delivery:
        """As new, for a person who asks for it."""
        return replace(self, tries=0, next_at=0.0, put_at=now, ended_at=None)


def delivery_id(notice: Notice, receiver_key: str) -> str:
    return f"{notice.id}-{receiver_key}"
