"""The job's specification, as the control plane writes it into `spec.json` (docs/seams.md)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CLASSIFICATION = "Classification"
REGRESSION = "Regression"


class UserError(ValueError):
    """What the person who submitted the job can put right. The message is a sentence for them."""


@dataclass(frozen=True)
class JobLimits:
    """Seconds and counts; None where the job sets no limit of that kind."""

    timeout_s: float = 6 * 3600.0
    trial_timeout_s: float | None = None
    max_trials: int = 1000
    max_concurrent_trials: int = 1
    enable_early_termination: bool = True
    exit_score: float | None = None

    @staticmethod
    def from_wire(wire: dict[str, Any]) -> JobLimits:
        def number(key: str, default: Any) -> Any:
            value = wire.get(key)
            return default if value is None else value

        limits = JobLimits(
            timeout_s=float(number("timeout_s", JobLimits.timeout_s)),
            trial_timeout_s=_optional_float(wire.get("trial_timeout_s")),
            max_trials=int(number("max_trials", JobLimits.max_trials)),
            max_concurrent_trials=max(1, int(number("max_concurrent_trials", 1))),
            enable_early_termination=bool(number("enable_early_termination", True)),
            exit_score=_optional_float(wire.get("exit_score")),
        )
        if limits.timeout_s <= 0 or limits.max_trials < 1:
            raise UserError("limits: the timeout must be above 0 seconds and max_trials at least 1.")
        return limits


def _optional_float(value: Any) -> float | None:
    return None if value is None else float(value)


@dataclass(frozen=True)
class JobSpec:
    job: str
    task: str
    target: str
    training_data: Path
    limits: JobLimits
    weight_column: str | None = None
    validation_data: Path | None = None
    validation_size: float | None = None
    n_cross_validations: int | None = None
    primary_metric: str | None = None
    training: dict[str, Any] = field(default_factory=dict)
    featurization: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    cpus: int = 2
    memory_mb: int = 8192

    @property
    def classification(self) -> bool:
        return self.task == CLASSIFICATION

    @property
    def seed(self) -> int:
        return int(self.properties.get("_emulator.seed") or 7)

    @property
    def decision_threshold(self) -> bool:
        return str(self.properties.get("_emulator.decision_threshold", "")).lower() == "true"

    def training_flag(self, name: str, default: bool) -> bool:
        """A boolean of the wire's trainingSettings; the service's default where it is null."""
        value = self.training.get(name)
        return default if value is None else bool(value)

    @property
    def featurization_mode(self) -> str:
        return str(self.featurization.get("mode") or "auto").lower()


def read_spec(job_dir: Path) -> JobSpec:
    """Read `job_dir/spec.json`. Raises UserError where a value is missing or unknown."""
    raw = json.loads((job_dir / "spec.json").read_text(encoding="utf-8"))
    task = {"classification": CLASSIFICATION, "regression": REGRESSION}.get(str(raw.get("task")).lower())
    if task is None:
        raise UserError(
            f"Task type {raw.get('task')!r} is not supported here: use Classification or Regression."
        )
    if not raw.get("target"):
        raise UserError("The job names no target column (targetColumnName).")
    properties = {str(k): str(v) for k, v in (raw.get("properties") or {}).items()}
    if not properties.get("_emulator.seed", "0").isdecimal():
        raise UserError("The property _emulator.seed must be a whole number of 0 or more.")
    validation = raw.get("validation_data")
    size, folds = raw.get("validation_size"), raw.get("n_cross_validations")
    if size is not None and not 0 < float(size) < 1:
        raise UserError(f"validation_data_size must lie between 0 and 1, not {size}.")
    if folds is not None and int(folds) < 2:
        raise UserError(f"n_cross_validations must be 2 or more, not {folds}.")
    return JobSpec(
        job=str(raw["job"]),
        task=task,
        target=str(raw["target"]),
        training_data=Path(raw["training_data"]),
        limits=JobLimits.from_wire(raw.get("limits") or {}),
        weight_column=raw.get("weight_column") or None,
        validation_data=Path(validation) if validation else None,
        validation_size=_optional_float(size),
        n_cross_validations=None if folds is None else int(folds),
        primary_metric=raw.get("primary_metric") or None,
        training=raw.get("training") or {},
        featurization=raw.get("featurization") or {},
        properties=properties,
        cpus=max(1, int(raw.get("cpus") or 1)),
        memory_mb=int(raw.get("memory_mb") or 8192),
    )
