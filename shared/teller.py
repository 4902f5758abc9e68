"""Builds what sends notifications, out of what `shared.bootstrap` has. Nothing at import."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from shared import bootstrap
from shared.once import Once
from shared.settings import settings

if TYPE_CHECKING:
    from shared.services.notify.turn import Notifications


@Once
def notifications() -> Notifications:
    from shared.adapters.poison_queue import BlobPoison
    from shared.adapters.webhooks import Webhooks
    from shared.notify_plan import plan
    from shared.services.notify.poison import PoisonWatch
    from shared.services.notify.sending import Sender
    from shared.services.notify.turn import Notifications

    outbox = bootstrap.store().outbox
    sender = Sender(outbox, Webhooks(), plan(settings(), os.environ), time.monotonic, bootstrap.observe)
    poison = PoisonWatch(outbox, BlobPoison(os.environ, bootstrap.credential), time.monotonic)
    return Notifications(sender, poison, time.monotonic, settings().notify_keep_days)
