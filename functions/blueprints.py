"""Every blueprint of the app."""

from __future__ import annotations

from functions import (
    acts,
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
        quarantine,
        notifications,
        dashboard,
        health,
        doctor,
    )
)
