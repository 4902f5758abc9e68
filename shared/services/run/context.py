"""The few things that a step works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from shared.domain.canary import CanaryLimits
from shared.services.run.guardrails import Guardrails
from shared.services.run.ports import AzureML, Data, RunFiles, Scorer
from shared.services.run.pulse import Pulse
from shared.services.run.store import RunStore


@dataclass(frozen=True)
class CanaryPlan:
    """`percent` of live traffic for so many `seconds`, ended early by a breach of `limits`."""

    percent: int = 10
    seconds: float = 300
    limits: CanaryLimits = field(default_factory=CanaryLimits)
    #: How long the look at live traffic goes on after 100 %; 0 ends it there.
    watch_seconds: float = 600


@dataclass(frozen=True)
class Pace:
    """How long one tick works (seconds), on how many datasets at a time, and when a run is overdue (hours)."""

    tick_seconds: float = 45.0
    workers: int = 16
    open_run_hours: float = 24.0
    #: So long (seconds) after it was begun something may be missing: reads lag behind writes.
    settle_seconds: float = 120.0
    #: Between two looks at the endpoints' traffic, which somebody may have changed in Azure (seconds).
    traffic_seconds: float = 30.0


def unmeasured(name: str, value: float, /, **about: object) -> None:
    """Where nothing is sent."""


@dataclass(frozen=True)
class Context:
    """`clock` tells unix seconds; `log(message, **fields)` writes one line that machines can read."""

    store: RunStore
    azureml: AzureML
    scorer: Scorer
    data: Data
    clock: Callable[[], float]
    pulse: Pulse
    log: Callable[..., None]
    #: ARM id of the workspace: endpoint names are made from it.
    workspace_id: str
    #: Most holdout rows that the gate scores.
    gate_rows: int = 10_000
    #: Milliseconds that a call of the gate may always take, however fast the champion is.
    gate_latency_floor_ms: float = 100.0
    #: What becomes of a run whose file the live model finds suspicious before training: wait (for a person) | train.
    suspicious: str = "wait"
    #: Whether the gate keeps the values of rows on which the models differ.
    gate_values: bool = False
    #: How new deployments answer: script | no_code.
    deployment_mode: str = "script"
    canary: CanaryPlan = field(default_factory=CanaryPlan)
    pace: Pace = field(default_factory=Pace)
    guardrails: Guardrails = field(default_factory=Guardrails)
    #: What jobs leave behind as files; None where nothing of it is kept.
    files: RunFiles | None = None
    #: `measure(name, value, **about)` sends one of `shared.domain.run.signals.METRICS`; never waits, never raises.
    measure: Callable[..., None] = unmeasured

    def active(self) -> float:
        """Seconds of the lifecycle's own time, which deadlines are counted in."""
        return self.pulse.now()
