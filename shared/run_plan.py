"""What the settings say of the lifecycle's pace and of its look at live traffic."""

from __future__ import annotations

from shared.domain.canary import CanaryLimits
from shared.services.run.context import CanaryPlan, Pace
from shared.services.run.pipeline_runs import Bounds
from shared.settings import Settings


def canary(now: Settings) -> CanaryPlan:
    limits = CanaryLimits(*now.canary_limits)
    return CanaryPlan(now.canary_percent, now.canary_seconds, limits, now.watch_seconds)


def pace(now: Settings) -> Pace:
    return Pace(
        tick_seconds=now.step_deadline_seconds,
        workers=now.step_workers,
        open_run_hours=now.open_run_hours,
        settle_seconds=now.settle_seconds,
        traffic_seconds=now.traffic_seconds,
    )


def pipeline_bounds(now: Settings) -> Bounds:
    """As for a file: no more time than the owner allows, and no more trials than the settings say."""
    return Bounds(now.override_max_timeout_minutes or now.experiment_timeout_minutes, now.max_trials)
