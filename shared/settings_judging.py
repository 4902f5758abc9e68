"""Settings of gate and canary: what a challenger must show before it is live."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.automl_names import GATE_METRICS
from shared.setting_kinds import choice, number, whole

_EVERY_GATE_METRIC = tuple(dict.fromkeys(GATE_METRICS["classification"] + GATE_METRICS["regression"]))


@dataclass(frozen=True)
class JudgingSettings:
    """Part of `shared.settings.Settings`."""

    gate_metric: str = choice(
        "auto",
        "What the gate compares: auto is the primary metric where both answer probabilities, else balanced accuracy",
        _EVERY_GATE_METRIC,
    )
    gate_earlier_margin: float = number(
        0.02, "How much worse a challenger may be on the holdout of the champion's own file", 0, 1
    )
    gate_collapse: float = number(
        0.3,
        "Share of its lead over guessing that the champion may lose on a new file; beyond it, suspicious",
        0,
        1,
    )
    gate_latency_floor_ms: float = number(
        100.0, "Milliseconds that a challenger's call at the gate may take, whatever the champion's", 0
    )
    gate_margin: float = number(0.005, "How much worse a challenger may be and still pass", 0, 1)
    gate_floor: float = number(
        0.0, "A first model must lie above it in the gate metric, besides beating guessing", -1, 1
    )
    gate_policy: str = choice(
        "not_worse", "Promote within the margin, too, or what is proven better only", ("not_worse", "better")
    )
    gate_max_rows: int = whole(10_000, "Most holdout rows that the gate scores, drawn by hash", 100, 100_000)
    gate_insufficient_evidence: str = choice(
        "promote", "What becomes of a model under 30 holdout rows of a class", ("promote", "reject")
    )
    gate_keep_values: str = choice(
        "off", "Whether the gate keeps the values of rows on which the two models differ", ("off", "on")
    )
    suspicious: str = choice(
        "wait",
        "A file on which the live model collapses: wait for a person before training, or train and ask at the gate",
        ("wait", "train"),
    )
    canary_percent: int = whole(
        10, "Traffic of a challenger while it proves itself; 0 = straight to live", 0, 100
    )
    canary_seconds: int = whole(300, "How long a canary runs before all traffic moves", 0)
    canary_error_rate: float = number(
        0.02, "Share of a canary's calls that may fail (or twice the champion's share)", 0, 1
    )
    canary_latency_factor: float = number(
        3.0, "How many times as long as the champion's a challenger's answers may take, at gate and canary", 1
    )
    canary_skew: float = number(0.2, "How far the share of any label may lie from the champion's", 0, 1)
    watch_seconds: int = whole(600, "How long a new live model is watched; a breach rolls it back", 0)
    traffic_seconds: float = number(30.0, "Between two looks for traffic changed in Azure", 0)
    approval: str = choice(
        "suspicious",
        "Which models a person approves: those of suspicious files, all, or none (suspicious ones are rejected)",
        ("suspicious", "required", "none"),
    )
    canary_score_skew: float = number(
        0.25, "How far a class's probabilities may lie from the champion's on average", 0, 1
    )

    @property
    def canary_limits(self) -> tuple[float, float, float, float]:
        """As `shared.domain.canary.CanaryLimits` takes them."""
        skews = self.canary_skew, self.canary_score_skew
        return (self.canary_error_rate, self.canary_latency_factor, *skews)
