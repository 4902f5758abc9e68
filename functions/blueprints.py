"""Every blueprint of the app."""

from __future__ import annotations

from functions import (
    acts,
    cost,
    dashboard,
    doctor,
    health,
    intake,
    judgement,
    lifecycle,
    notifications,
    pipelines,
    quarantine,
    runs,
    scoring,
)

BLUEPRINTS = tuple(
    module.bp
    for module in (
        intake,
        lifecycle,
        scoring,
        pipelines,
        runs,
        judgement,
        acts,
        cost,
        quarantine,
        notifications,
        dashboard,
        health,
        doctor,
    )
)
