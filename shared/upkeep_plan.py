"""What the settings say of capture, drift and retraining."""

from __future__ import annotations

import secrets

from shared.domain.config_sources import defaults
from shared.domain.upkeep import Upkeep
from shared.services.documents import Documents, Ledger
from shared.services.monitoring.capture import Capture, CaptureLimits
from shared.services.monitoring.captured_rows import CapturedRows
from shared.services.run.context import Context
from shared.services.run.profiles import Profiles
from shared.services.run.store import RunStore
from shared.services.upkeep.drift import DriftWatch
from shared.services.upkeep.joining import Files, Joiner
from shared.services.upkeep.plans import Plans
from shared.services.upkeep.retraining import ROUND, Retrainer
from shared.settings import Settings


def owned(now: Settings) -> Upkeep:
    """What holds for a dataset whose configuration says nothing."""
    return defaults(now.dataset_defaults).upkeep


def drift_watch(now: Settings, context: Context, profiles: Profiles) -> DriftWatch:
    plans = Plans(context.store, profiles, owned(now))
    return DriftWatch(context, plans, owned(now), now.drift_window_minutes * 60)


def retrainer(now: Settings, context: Context, files: Files) -> Retrainer:
    """It looks as often as windows are looked at."""
    every = min(ROUND, now.drift_window_minutes * 6)
    return Retrainer(context, Joiner(files, now.data_container), owned(now), every)


def capture(
    now: Settings, documents: Documents, ledger: Ledger, store: RunStore, profiles: Profiles, process: str
) -> Capture | None:
    """None where nothing is captured at all. A process that is started again under the same name is another one."""
    if now.capture == "off" or now.capture_sample == 0:
        return None
    plans = Plans(store, profiles, owned(now))
    process = f"{process}-{secrets.token_hex(3)}"
    limits = CaptureLimits(now.capture_sample, now.capture_rows_per_minute, now.drift_window_minutes * 60)
    rows = None
    if now.capture_values != "bins":
        salt = plans.salt if now.capture_values == "hashed" else None
        rows = CapturedRows(ledger, process, now.capture_mb_per_day * 1e6, salt)
    return Capture(documents, plans, process, limits, rows)
