"""What the owner of the app leaves to those who drop files: what they may say, and how far."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.domain.config import DatasetConfig
from shared.domain.gate import GateConfig

#: With more values (rows times columns) Azure wants more than this many minutes:
#: https://learn.microsoft.com/azure/machine-learning/how-to-configure-auto-train (exit criteria).
MANY_VALUES, SHORT_MINUTES = 10_000_000, 60.0

#: Of the gate, what a file may make stricter only.
_BOUNDED = ("margin", "earlier_margin", "collapse", "floor", "policy", "insufficient_evidence")


@dataclass(frozen=True)
class Owner:
    """`locked` keys (`label`, `gate.margin`) are the owner's alone. Limits of None are those of the settings' own defaults.

    Unless `gate_freely`, a file may make the gate stricter than the settings do, never laxer.
    """

    locked: frozenset[str] = frozenset()
    max_timeout_minutes: float | None = None
    max_concurrent_trials: int | None = None
    gate_freely: bool = False


def bounded(config: DatasetConfig, owned: DatasetConfig, owner: Owner) -> tuple[DatasetConfig, list[str]]:
    """`config` within what the owner allows, and a sentence for each value that was cut; `owned` is what the settings say."""
    budget: dict[str, float] = {
        "timeout_minutes": owner.max_timeout_minutes or owned.timeout_minutes,
        "max_concurrent_trials": owner.max_concurrent_trials or owned.max_concurrent_trials,
    }
    remarks: list[str] = []
    for name, most in budget.items():
        said = getattr(config, name)
        if said > most:
            config = replace(config, **{name: type(said)(most)})
            remarks.append(f"{name} is {said:g}; the owner allows {most:g}, which is taken.")
    config, cut = _kept(config, owned)
    remarks += cut
    if not owner.gate_freely:
        gate = _stricter(config.gate, owned.gate)
        for name in _BOUNDED:
            said, taken = getattr(config.gate, name), getattr(gate, name)
            if said != taken:
                remarks.append(
                    f"gate.{name} is {said}; a file may not make the gate laxer than the owner's {taken}, which is taken."
                )
        config = replace(config, gate=gate)
        if config.approval != "required" and owned.approval == "required":
            remarks.append(f"approval is {config.approval}; the owner requires it, which is taken.")
            config = replace(config, approval="required")
    return config, remarks


def _kept(config: DatasetConfig, owned: DatasetConfig) -> tuple[DatasetConfig, list[str]]:
    """What trains by itself does so no more often than the owner lets it, and what isn't captured stays so."""
    remarks: list[str] = []
    least = owned.retrain.cool_down_hours
    if config.retrain.cool_down_hours < least:
        remarks.append(
            f"retrain.cool_down_hours is {config.retrain.cool_down_hours:g}; the owner wants at least {least:g}, "
            "which is taken."
        )
        config = replace(config, retrain=replace(config.retrain, cool_down_hours=least))
    for name in ("daily_runs", "daily_training_minutes"):
        said, most = getattr(config, name), getattr(owned, name)
        if most and (said > most or not said):
            config = replace(config, **{name: most})
            remarks.append(f"{name} is {said:g}; the owner allows {most:g}, which is taken.")
    if config.capture and not owned.capture:
        config = replace(config, capture=False)
    return config, remarks


def _stricter(said: GateConfig, owned: GateConfig) -> GateConfig:
    return replace(
        said,
        margin=min(said.margin, owned.margin),
        earlier_margin=min(said.earlier_margin, owned.earlier_margin),
        collapse=min(said.collapse, owned.collapse),
        floor=max(said.floor, owned.floor),
        policy="better" if "better" in (said.policy, owned.policy) else said.policy,
        insufficient_evidence="reject"
        if "reject" in (said.insufficient_evidence, owned.insufficient_evidence)
        else said.insufficient_evidence,
    )


def settled(config: DatasetConfig) -> tuple[DatasetConfig, list[str]]:
    """Limits that Azure would refuse side by side brought together, and a sentence for each."""
    remarks: list[str] = []
    if config.trial_timeout_minutes > config.timeout_minutes:
        remarks.append(
            f"trial_timeout_minutes is {config.trial_timeout_minutes:g}, more than timeout_minutes; "
            f"{config.timeout_minutes:g} is taken."
        )
        config = replace(config, trial_timeout_minutes=config.timeout_minutes)
    if config.max_concurrent_trials > config.max_trials:
        remarks.append(
            f"max_concurrent_trials is {config.max_concurrent_trials}, more than max_trials; {config.max_trials} is taken."
        )
        config = replace(config, max_concurrent_trials=config.max_trials)
    return config, remarks


def too_short(config: DatasetConfig, rows: int, columns: int) -> list[str]:
    """A sentence where Azure may refuse to train a table of this size in this time."""
    if rows * columns <= MANY_VALUES or config.timeout_minutes > SHORT_MINUTES:
        return []
    return [
        (
            f"The table has {rows * columns:,} values; above {MANY_VALUES:,} Azure wants timeout_minutes above "
            f"{SHORT_MINUTES:g}, and it is {config.timeout_minutes:g}."
        )
    ]
