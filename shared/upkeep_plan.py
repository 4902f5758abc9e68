"""What the settings say of capture, drift and retraining."""

from __future__ import annotations

import secrets

from shared.domain.config_sources import defaults
from shared.domain.upkeep import Upkeep
from shared.services.documents import Documents, Ledger
from shared.services.monitoring.capture import Capture, CaptureLimits
from shared.services.monitoring.captured_rows import CapturedRows
from shared.services.upkeep.plans import Plans
from shared.settings import Settings


def owned(now: Settings) -> Upkeep:
    """What holds for a dataset whose configuration says nothing."""
    return defaults(now.dataset_defaults).upkeep


def capture(
    now: Settings, documents: Documents, ledger: Ledger, plans: Plans, process: str
) -> Capture | None:
    """None where nothing is captured at all. A process that is started again under the same name is another one."""
    if now.capture == "off" or now.capture_sample == 0:
        return None
    process = f"{process}-{secrets.token_hex(3)}"
    limits = CaptureLimits(now.capture_sample, now.capture_rows_per_minute, now.drift_window_minutes * 60)
    rows = None
    if now.capture_values != "bins":
        salt = plans.salt if now.capture_values == "hashed" else None
        rows = CapturedRows(ledger, process, now.capture_mb_per_day * 1e6, salt)
    return Capture(documents, plans, process, limits, rows)
