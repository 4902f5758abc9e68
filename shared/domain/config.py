"""What may be said about one dataset: by the settings, in `{name}.yaml` beside the data, in the blob's own metadata.

Each overrides the one before. Every key is checked, and an error names where it stands.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from shared.domain.automl_names import ALGORITHMS, GATE_METRICS, PRIMARY_METRICS
from shared.domain.config_reader import Reader, parse_yaml
from shared.domain.config_values import FIELDS, GATE_FIELDS
from shared.domain.errors import InvalidConfig
from shared.domain.gate import GateConfig

Task = Literal["classification", "regression"]
METADATA_PREFIX = "dropml_"


@dataclass(frozen=True)
class DatasetConfig:
    """The effective configuration of a run. None means: as the service decides."""

    label: str = "y"
    task: Task = "classification"
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
    gate: GateConfig = field(default_factory=GateConfig)

    def config_hash(self) -> str:
        """sha256 of the canonical JSON: equal for equal configurations, however they were spelt."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def defaults(said: Mapping[str, object]) -> DatasetConfig:
    """What the settings say of every dataset. What can't be taken raises InvalidConfig and names its variable."""
    names = {"label": "LABEL_COLUMN", "timeout_minutes": "EXPERIMENT_TIMEOUT_MINUTES"}
    reader = Reader("the settings", lambda key: names.get(key, key.replace(".", "_").upper()))
    return _checked(_apply(DatasetConfig(), said, reader), "the settings")


def merge(
    defaults: DatasetConfig,
    sidecar: str | None = None,
    metadata: Mapping[str, str] | None = None,
    *,
    sidecar_name: str = "the configuration file",
) -> DatasetConfig:
    """The effective configuration. Raises InvalidConfig, whose `where` has file and field."""
    config = defaults
    if sidecar is not None:
        config = _checked(
            _apply(config, parse_yaml(sidecar, sidecar_name), Reader(sidecar_name, str)), sidecar_name
        )
    said = {k.lower(): v for k, v in (metadata or {}).items() if k.lower().startswith(METADATA_PREFIX)}
    if said:
        source = "the blob's metadata"
        reader = Reader(source, lambda key: METADATA_PREFIX + key.replace(".", "_"), texts=True)
        config = _checked(_apply(config, _nested(said), reader), source)
    return config


def _nested(metadata: Mapping[str, str]) -> dict[str, object]:
    """`dropml_gate_margin` -> `{"gate": {"margin": ...}}`."""
    names = {key.removeprefix(METADATA_PREFIX): value for key, value in metadata.items()}
    gate = {k.removeprefix("gate_"): value for k, value in names.items() if k.startswith("gate_")}
    rest: dict[str, object] = {k: value for k, value in names.items() if not k.startswith("gate_")}
    return rest | ({"gate": gate} if gate else {})


def _apply(config: DatasetConfig, said: Mapping[str, object], reader: Reader) -> DatasetConfig:
    values = reader.read(said, {**FIELDS, "gate": None})
    task = values.get("task", config.task)
    gate = config.gate
    if task != config.task:
        # What was said for the other task means nothing for this one.
        values = {"primary_metric": None, "allowed_algorithms": (), "blocked_algorithms": ()} | values
        gate = replace(
            gate, metric="balanced_accuracy" if task == "classification" else "r2_score", floor=0.0
        )
    told = values.pop("gate", None)
    if told is not None:
        gate = replace(gate, **reader.read(told, GATE_FIELDS, "gate"))
    return replace(config, **values, gate=gate)


def _checked(config: DatasetConfig, source: str) -> DatasetConfig:
    """Rules between fields."""
    rules: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [
        ("gate.metric", (config.gate.metric,), GATE_METRICS[config.task]),
        ("allowed_algorithms", config.allowed_algorithms, ALGORITHMS[config.task]),
        ("blocked_algorithms", config.blocked_algorithms, ALGORITHMS[config.task]),
    ]
    if config.primary_metric is not None:
        rules.append(("primary_metric", (config.primary_metric,), PRIMARY_METRICS[config.task]))
    for name, values, known in rules:
        wrong = [value for value in values if value not in known]
        if wrong:
            raise InvalidConfig(
                f"{name} {wrong[0]!r} in {source} is not for {config.task}.",
                remedy=f"For {config.task} use one of: {', '.join(known)}.",
                file=source,
                field=name,
            )
    both = sorted(set(config.allowed_algorithms) & set(config.blocked_algorithms))
    if both:
        raise InvalidConfig(
            f"{', '.join(both)} is both allowed and blocked in {source}.",
            remedy="Take it out of allowed_algorithms or blocked_algorithms.",
            file=source,
            field="blocked_algorithms",
        )
    return config
