"""Settings of what training and serving may cost."""

from __future__ import annotations

from dataclasses import dataclass

from shared.setting_kinds import number, whole


@dataclass(frozen=True)
class CostSettings:
    """Part of `shared.settings.Settings`."""

    daily_runs: int = whole(0, "Most trainings of the whole app that are begun a day (UTC); 0 = no limit", 0)
    daily_training_minutes: float = number(
        0.0,
        "Most minutes of training of the whole app a day, each counted with its limit until it is over",
        0,
    )
    dataset_daily_runs: int = whole(0, "The same of each dataset, which its own config may lower", 0, 100_000)
    dataset_daily_training_minutes: float = number(
        0.0, "The same of each dataset, which its own config may lower", 0, 1_000_000
    )
    max_open_trainings: int = whole(20, "Most trainings under way at a time; others wait; 0 = no limit", 0)
    drop_settle_seconds: float = number(
        60.0, "A file takes the place of one that was dropped so shortly before it and isn't trained yet", 0
    )
    preflight_seconds: float = number(
        300.0, "How long what was learnt of compute and quota holds; 0 = training begins without asking", 0
    )
    keep_previous_hours: float = number(
        168.0, "Hours after which the version before is undeployed; 0 = it stays for instant rollback", 0
    )
    idle_hours: float = number(
        0.0,
        "Hours without a call after which an endpoint's deployment is taken away until the next one; 0 = never",
        0,
    )
    approval_days: float = number(
        14.0, "How long a model waits for a person's word before it is rejected; 0 = for ever", 0
    )
