"""What may be said about one dataset: by the settings, in `{name}.yaml` beside the data, in the blob's own metadata.

`config_sources` reads and merges them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Literal

from shared.domain.gate import GateConfig
from shared.domain.threshold import ThresholdRule
from shared.domain.upkeep import DriftRule, Retrain, Upkeep

Task = Literal["classification", "regression"]
#: What a version may change against the one before (`shared.domain.contract`).
SchemaPolicy = Literal["compatible", "strict", "free"]

#: What later releases added, and what says nothing of it.
_ADDED: dict[str, object] = {
    "encoding": "auto",
    "max_bad_rows": 0.001,
    "drop": (),
    "id": None,
    "schema": "compatible",
    "numbers": (),
    "threshold": None,
    "approval": "suspicious",
}
_ADDED_TO_GATE: dict[str, object] = {"earlier_margin": 0.02, "collapse": 0.3}
#: What says nothing of how a model is trained: a change of it is no other model.
_BESIDE = ("task_auto", "retrain", "capture", "drift", "daily_runs", "daily_training_minutes")
#: What the gate compared before `auto` was its default: hashed for it, so that files known by then stay known.
_BEFORE_AUTO = {"classification": "balanced_accuracy", "regression": "r2_score"}


@dataclass(frozen=True)
class DatasetConfig:
    """The effective configuration of a run. None means: as the service decides."""

    label: str = "y"
    task: Task = "classification"
    #: Whether the file's label decides the task; `task` is then what it has decided, or stands for nothing yet.
    task_auto: bool = False
    primary_metric: str | None = None
    timeout_minutes: float = 60.0
    trial_timeout_minutes: float = 20.0
    max_trials: int = 40
    max_concurrent_trials: int = 2
    exit_score: float | None = None
    early_termination: bool = True
    n_cross_validations: int | None = None
    validation_size: float | None = None
    allowed_algorithms: tuple[str, ...] = ()
    blocked_algorithms: tuple[str, ...] = ()
    imbalance: Literal["weight", "off"] = "weight"
    vote_ensemble: bool = True
    stack_ensemble: bool = False
    explain: bool = True
    #: One of `shared.domain.table.encoding.ENCODINGS`; a byte order mark wins over it.
    encoding: str = "auto"
    #: What is read as numbers besides the plain ones: `percent`, `currency`; and what a comma or a point is where a column
    #: may be read either way: `decimal-comma` or `decimal-point`.
    numbers: tuple[str, ...] = ()
    #: Columns kept out of training, which rows may still bring along.
    drop: tuple[str, ...] = ()
    #: The column that tells rows apart; kept out as well.
    id: str | None = None
    #: Rows that may be put aside while the rest trains: below 1 a share of the file, else a count.
    max_bad_rows: float = 0.001
    schema: SchemaPolicy = "compatible"
    #: Whether a person must say yes before a model gets traffic: where its file is suspicious, always, or never: then a
    #: suspicious file's model is rejected.
    approval: Literal["suspicious", "required", "none"] = "suspicious"
    gate: GateConfig = field(default_factory=GateConfig)
    #: How the threshold of a model of two classes is chosen; None: the more probable class is answered.
    threshold: ThresholdRule | None = None
    #: The most a day: trainings begun, and minutes of them; 0 is no limit of its own.
    daily_runs: int = 0
    daily_training_minutes: float = 0.0
    retrain: Retrain = field(default_factory=Retrain)
    #: Whether what is scored is captured, as far as the app does it at all.
    capture: bool = True
    drift: DriftRule = field(default_factory=DriftRule)

    @property
    def upkeep(self) -> Upkeep:
        """What holds for the dataset as a whole, from the newest configuration on."""
        return Upkeep(self.retrain, self.capture, self.drift)

    def config_hash(self) -> str:
        """sha256 of the canonical JSON: equal for equal configurations, however they were spelt.

        What later releases added counts only where something is said of it: files known by then stay known.
        """
        said = asdict(self)
        for name in _BESIDE:  # of the task, what was led to is what counts
            del said[name]
        for name, value in _ADDED.items():
            if said[name] == value:
                del said[name]
        said["gate"] = self._said_of_gate()
        canonical = json.dumps(said, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def _said_of_gate(self) -> dict[str, object]:
        said = {k: v for k, v in asdict(self.gate).items() if _ADDED_TO_GATE.get(k, ...) != v}
        before = _BEFORE_AUTO[self.task]
        if self.gate.metric == "auto":
            said["metric"] = before
        elif self.gate.metric == before and self.task == "classification":
            said["metric"] = f"{before} of labels"
        return said
