"""What the settings say of notifications."""

from __future__ import annotations

import time
from collections.abc import Mapping

from shared.domain.notify.deliveries import Patience
from shared.domain.notify.receivers import receivers
from shared.redaction import learn_url
from shared.services.documents import Documents
from shared.services.notify.outbox import Outbox
from shared.services.notify.sending import Plan
from shared.settings import Settings


def outbox(now: Settings, documents: Documents) -> Outbox:
    """The receivers' URLs may hold secrets, and are shown nowhere from here on."""
    known = receivers(now.notify_webhooks)
    for receiver in known:
        learn_url(receiver.url)
    return Outbox(documents, known, now.notify_events, time.time)


def plan(now: Settings, environ: Mapping[str, str]) -> Plan:
    base = now.public_url or _address(environ.get("WEBSITE_HOSTNAME", ""))
    return Plan(now.notify_secret, base, now.notify_timeout_seconds, patience=Patience(now.notify_tries))


def _address(host: str) -> str:
    """Of the app, by the platform's own variable: Azure's names no port and speaks https."""
    return f"{'http' if ':' in host else 'https'}://{host}" if host else ""
