"""Notifications as people see them, and the one thing they can do: have one sent again."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.documents import to_json
from shared.domain.errors import InvalidInput
from shared.domain.notify.deliveries import PENDING, STATES, Delivery
from shared.services import conditional
from shared.services.notify.outbox import Outbox, path
from shared.services.notify.sending import listed

LIMIT, MOST = 50, 500


@dataclass(frozen=True)
class NotificationView:
    """One notice on its way to one receiver. Times are unix seconds; `trouble` is why the last try failed."""

    id: str
    state: str
    receiver: str
    event: str
    at: float
    dataset: str
    run_id: str
    sentence: str
    remedy: str
    code: str
    link: str
    tries: int
    next_at: float | None
    trouble: str | None
    ended_at: float | None

    @staticmethod
    def of(delivery: Delivery, state: str) -> NotificationView:
        notice = delivery.notice
        return NotificationView(
            delivery.id,
            state,
            delivery.receiver,
            notice.event,
            notice.at,
            notice.dataset,
            notice.run_id,
            notice.sentence,
            notice.remedy,
            notice.code,
            notice.link,
            delivery.tries,
            delivery.next_at if state == PENDING else None,
            delivery.trouble or None,
            delivery.ended_at,
        )


@dataclass(frozen=True)
class NotificationList:
    """Those of one state, the last written first; `total` counts all of them. `receivers` are those of the settings."""

    state: str
    total: int
    notifications: tuple[NotificationView, ...]
    receivers: tuple[str, ...]


def show(outbox: Outbox, state: str, limit: str) -> NotificationList:
    """Raises InvalidInput for a state or a limit that there is not."""
    if state not in STATES:
        raise InvalidInput(
            f"There is no state {state[:50]!r}.", remedy=f"One of {', '.join(STATES)}.", field="state"
        )
    most = int(limit) if limit.isascii() and limit.isdigit() and len(limit) < 4 else 0
    if not 1 <= most <= MOST:
        raise InvalidInput(
            f"limit must be a whole number from 1 to {MOST}.",
            remedy=f"Leave it out for {LIMIT}.",
            field="limit",
        )
    entries = sorted(listed(outbox, state), key=lambda entry: (-entry.modified, entry.path))
    found = [outbox.read(state, name) for name in outbox.names([e.path for e in entries[:most]], state)]
    views = tuple(NotificationView.of(each[0], state) for each in found if each)
    return NotificationList(state, len(entries), views, tuple(each.name for each in outbox.receivers))


def resend(outbox: Outbox, name: str) -> NotificationView:
    """Sent with the next turn, under the same id and with all its tries before it. Raises NotFound."""

    def attempt() -> NotificationView:
        state, before, etag = outbox.find(name)
        after = before.again(outbox.clock())
        if state == PENDING:
            outbox.documents.replace(path(PENDING, name), to_json(after), etag)
        else:
            outbox.move(after, state, PENDING, etag)
        return NotificationView.of(after, PENDING)

    return conditional.write(attempt, f"the notification {name[:80]}")
