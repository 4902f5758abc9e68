"""What is said of a dataset between two files: when it is trained anew, whether its scored rows are captured, what drift is."""

from __future__ import annotations

from dataclasses import dataclass, field

#: Most windows that `on_drift` looks back at, and most versions that are trained on together.
MOST_WINDOWS, MOST_VERSIONS = 100, 20


@dataclass(frozen=True)
class OnDrift:
    """Train anew once `k` of the last `n` windows have drifted."""

    k: int = 3
    n: int = 5


@dataclass(frozen=True)
class Retrain:
    """When a dataset is trained anew, if there is anything new to learn.

    `schedule` is NCRONTAB in UTC or a word; None: the app's own (`RETRAIN_SCHEDULE`); `off`: none.
    """

    schedule: str | None = None
    #: As soon as there is something that no run was trained on.
    on_new_data: bool = False
    on_drift: OnDrift | None = None
    #: Rows that must have come since the last training.
    min_new_rows: int = 0
    #: How many of the newest versions are trained on together.
    data: int = 1
    #: Hours after a run that was begun by itself in which none is begun.
    cool_down_hours: float = 1.0


@dataclass(frozen=True)
class DriftRule:
    """A column has drifted from this stability index on, beyond chance; windows are judged from `min_rows` rows on."""

    threshold: float = 0.25
    min_rows: int = 200


@dataclass(frozen=True)
class Upkeep:
    """What the newest configuration of a dataset says of it."""

    retrain: Retrain = field(default_factory=Retrain)
    capture: bool = True
    drift: DriftRule = field(default_factory=DriftRule)
