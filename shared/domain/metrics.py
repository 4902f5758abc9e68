"""Names of metrics, as Azure ML writes them."""

from __future__ import annotations

from shared.domain.config import DatasetConfig

_SMALLER_IS_BETTER = ("log_loss", "error")


def primary_metric(config: DatasetConfig) -> str:
    """The primary metric under Azure's Python name; the setting may leave it open."""
    default = "AUC_weighted" if config.task == "classification" else "normalized_root_mean_squared_error"
    return config.primary_metric or default


def smaller_is_better(metric: str) -> bool:
    return any(part in metric for part in _SMALLER_IS_BETTER)
