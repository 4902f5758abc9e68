"""Settings of what goes on between two files: capture of what is scored, drift, retraining."""

from __future__ import annotations

from dataclasses import dataclass

from shared.setting_kinds import choice, number, whole


@dataclass(frozen=True)
class WatchingSettings:
    """Part of `shared.settings.Settings`."""

    capture: str = choice("on", "Whether what is scored is captured, behind the calls", ("on", "off"))
    capture_values: str = choice(
        "bins",
        "What is kept of it: counts by bin of the training profile alone, or the rows too, their values hashed or as they are",
        ("bins", "hashed", "rows"),
    )
    capture_sample: float = number(1.0, "Share of the calls that are captured", 0, 1)
    capture_rows_per_minute: int = whole(
        600, "Most rows of a dataset that one process captures a minute", 1, 1_000_000
    )
    capture_mb_per_day: float = number(
        50.0,
        "Most megabytes of a dataset's rows that one process keeps a day (CAPTURE_VALUES hashed, rows)",
        0,
    )
    capture_days: float = number(
        30.0, "How long captured rows, and counts that nobody judged, are kept", 0.01, 3650
    )
    drift_window_minutes: float = number(
        60.0, "How long a window is that is compared with the training data", 0.05, 60 * 24 * 31
    )
    drift_threshold: float = number(
        0.25, "A column has drifted from this population stability index on, beyond chance", 0.05, 100
    )
    drift_min_rows: int = whole(200, "Rows from which on windows are judged; fewer are added up", 100)
    retrain_cool_down_hours: float = number(
        1.0, "Hours after a run that was begun by itself in which none is begun", 0, 24 * 366
    )
