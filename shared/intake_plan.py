"""What the settings say to intake."""

from __future__ import annotations

from shared.domain.config_owner import Owner
from shared.domain.config_sources import defaults
from shared.domain.table.packed import Engine
from shared.services.intake.ports import IntakePlan
from shared.settings import Settings


def plan(now: Settings, engine: Engine | None = None) -> IntakePlan:
    """Containers and limits, the configuration of a dataset that says nothing, and what its owner leaves to a file; an engine for
    clean rows.
    """
    owner = Owner(
        now.override_locked,
        now.override_max_timeout_minutes or None,
        now.override_max_concurrent_trials or None,
        now.override_gate == "any",
    )
    return IntakePlan(
        now.incoming_container,
        now.data_container,
        now.max_upload_bytes,
        now.quarantine_container,
        now.sweep_hours,
        now.quarantine_days,
        defaults(now.dataset_defaults),
        owner,
        "regression" if now.task_auto == "regression" else "ask",
        engine,
    )
