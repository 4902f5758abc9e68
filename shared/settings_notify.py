"""Settings of notifications: who is told of what."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.notify.notices import EVENTS
from shared.setting_kinds import number, secret, several, text, url, whole

_TAKES = "up to 8 URLs parted by blanks, each as json=URL, slack=URL or teams=URL; https, or http to a loopback address"


def _receivers(raw: str) -> object:
    from shared.domain.notify.receivers import receivers  # not at indexing

    return receivers(raw)


@dataclass(frozen=True)
class NotifySettings:
    """Part of `shared.settings.Settings`."""

    notify_webhooks: str = secret("", "Who is told of events; empty = nobody", _receivers, _TAKES)
    notify_secret: str = text("", "Signs each notification (HMAC-SHA256); empty = no signature")
    notify_events: frozenset[str] = several("Events that are told; empty = all", tuple(EVENTS))
    notify_timeout_seconds: float = number(5.0, "Deadline of one notification", 0.05, 60)
    notify_tries: int = whole(10, "Tries of a notification before it is dead, within a day", 1, 20)
    notify_keep_days: float = number(
        30.0, "How long notifications that were sent or are dead are kept", 8, 3650
    )
    public_url: str = url("", "Where people reach this app, for links; empty = https://WEBSITE_HOSTNAME")
