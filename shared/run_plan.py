"""What the settings say of the lifecycle's pace and of its look at live traffic."""

from __future__ import annotations

import time
from collections.abc import Callable

from shared.domain.canary import CanaryLimits
from shared.domain.run.cost import Compute
from shared.domain.spend import Caps
from shared.services.run.context import CanaryPlan, Context, Pace
from shared.services.run.guardrails import Guardrails, nobody_asks
from shared.services.run.pipeline_runs import Bounds
from shared.services.run.ports import AzureML, Data, RunFiles, Scorer
from shared.services.run.pulse import Pulse
from shared.services.run.store import RunStore
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


def guardrails(now: Settings, look: Callable[[], Compute | None]) -> Guardrails:
    return Guardrails(
        Caps(now.daily_runs, now.daily_training_minutes),
        now.max_open_trainings,
        now.drop_settle_seconds,
        keep_previous_hours=now.keep_previous_hours,
        approval_days=now.approval_days,
        idle_hours=now.idle_hours,
        look=look if now.preflight_seconds else nobody_asks,
    )


def context(
    now: Settings,
    store: RunStore,
    azureml: AzureML,
    scorer: Scorer,
    data: Data,
    pulse: Pulse,
    log: Callable[..., None],
    look: Callable[[], Compute | None],
    files: RunFiles,
    measure: Callable[..., None],
) -> Context:
    """What a step works with."""
    return Context(
        store=store,
        azureml=azureml,
        scorer=scorer,
        data=data,
        clock=time.time,
        pulse=pulse,
        log=log,
        workspace_id=now.workspace_id,
        gate_rows=now.gate_max_rows,
        gate_latency_floor_ms=now.gate_latency_floor_ms,
        gate_values=now.gate_keep_values == "on",
        suspicious=now.suspicious,
        deployment_mode=now.deployment_mode,
        canary=canary(now),
        pace=pace(now),
        guardrails=guardrails(now, look),
        files=files,
        measure=measure,
    )
