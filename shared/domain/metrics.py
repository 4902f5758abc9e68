"""Names of metrics, as Azure ML writes them."""

from __future__ import annotations

from typing import Any

_SMALLER_IS_BETTER = ("log_loss", "error")


def primary_metric(config: dict[str, Any]) -> str:
    """The primary metric under Azure's Python name; the setting may leave it open."""
    default = "AUC_weighted" if config["task"] == "classification" else "normalized_root_mean_squared_error"
    return str(config.get("primary_metric") or default)


def smaller_is_better(metric: str) -> bool:
    return any(part in metric for part in _SMALLER_IS_BETTER)
