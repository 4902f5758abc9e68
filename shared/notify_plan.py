"""What the settings say of notifications."""

from __future__ import annotations

import time

from shared.domain.notify.receivers import receivers
from shared.redaction import learn
from shared.services.documents import Documents
from shared.services.notify.outbox import Outbox
from shared.settings import Settings


def outbox(now: Settings, documents: Documents) -> Outbox:
    """The receivers' URLs may hold secrets, and are shown nowhere from here on."""
    known = receivers(now.notify_webhooks)
    learn(*(receiver.url for receiver in known))
    return Outbox(documents, known, now.notify_events, time.time)
